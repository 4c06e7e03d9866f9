"""The decoy check rehearsed as a whole, with the probing pods on simulated nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.sim.rehearsal.command import EXAMPLE, rehearse

pytestmark = pytest.mark.slow


def test_the_cloud_proves_itself_although_the_operator_is_killed_at_every_step_of_it() -> None:
    kills = [word for step in ("create-decoys", "alias-decoys", "remove-decoys") for word in ("--kill-at", step)]
    outcome = rehearse(*kills)
    assert outcome.status == 0, outcome.err
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert all(kill["at"] is not None for kill in outcome.result["kills"])
    # The deletion that the last kill cut off is sent again if the cloud has not ended it;
    # the check at rest proves that nothing is left.
    assert outcome.result["compute"]["byMethod"]["instances.delete"] in (1, 2)
    assert {check["id"]: check["status"] for check in outcome.result["checks"]}["reconcile.nothing-to-do"] == "passed"


def test_no_packet_is_lost_where_aliases_carry_nothing() -> None:
    outcome = rehearse("--knob", "K3=no")
    assert outcome.status == 1
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert "does not count an alias IP range as a matched resource" in outcome.result["reason"]
    assert "add-alias-canary" not in outcome.err
    assert outcome.result["compute"]["byMethod"]["instances.delete"] == 1


def test_no_packet_is_lost_where_routes_under_a_range_carry_nothing() -> None:
    outcome = rehearse("--profile", "pessimistic", "--knob", "K5=shown")
    assert outcome.status == 1
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert "static routes do not carry traffic to unassigned addresses" in outcome.result["reason"]
    assert "add-secondary-range" not in outcome.err


def test_p26_the_annotation_requests_it_as_well_and_one_free_block_is_enough(tmp_path: Path) -> None:
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    shoot["metadata"].setdefault("annotations", {})["dualstack.dev/decoys"] = "true"
    shoot["spec"]["networking"]["pods"] = "100.96.0.0/22"
    path = tmp_path / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot), encoding="utf-8")
    asked = rehearse(shoot=path)
    assert asked.status == 0, asked.err
    assert "Measured: the last of 3 hosts applied the decoys' alias" in asked.err
    assert "create-decoys: 100.96.3.0/24" in asked.err
    assert "remove-decoys" in asked.err


def test_refused_there_are_no_decoys() -> None:
    refused = rehearse("--no-decoys")
    assert refused.status == 0, refused.err
    assert "create-decoys" not in refused.err
