"""Whole rehearsals in which something that a migration needs never comes, or comes only from a later step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.rehearsal.command import rehearse

pytestmark = pytest.mark.slow

LAST_NODE_DIES = """
faults:
  - {method: firewalls.insert, vm: {becomes: stopped, name: "shoot--*"}}
"""
NO_VM_QUOTA = """
faults:
  - method: instances.insert
    count: 100000
    errorBefore: {status: 403, reason: quotaExceeded, message: "Quota 'CPUS' exceeded.  Limit: 24.0 in region x."}
"""


def declared(folder: Path, text: str) -> str:
    """A file of faults."""
    path = folder / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_p29_the_only_node_dies_after_the_cut_over_and_the_migration_finishes(tmp_path: Path) -> None:
    """The new VM needs the new machine class before it can run CoreDNS."""
    outcome = rehearse("--nodes", "1", "--faults", declared(tmp_path, LAST_NODE_DIES), speed="120", within=280.0)
    assert outcome.status == 0, outcome.err
    assert [fault["kinds"] for fault in outcome.result["faults"]["fired"]] == [["vm"]]
    assert outcome.result["nodes"] == {"atStart": 1, "atEnd": 1, "replaced": 1, "dualStack": 1}


def test_p34_a_roll_out_without_quota_ends_and_names_the_machine_and_the_quota(tmp_path: Path) -> None:
    arguments = ("--nodes", "2", "--no-decoys", "--faults", declared(tmp_path, NO_VM_QUOTA))
    outcome = rehearse(*arguments, speed="240", within=280.0)
    assert outcome.status == 1, outcome.err
    assert "Machine shoot--foo--bar-" in outcome.result["reason"]
    assert "Quota 'CPUS' exceeded" in outcome.result["reason"]
