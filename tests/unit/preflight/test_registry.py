"""Every check, whatever the cluster: it answers, it says what it could not read, and it reads what it states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import msgspec
import pytest

from dualstack.gce.errors import ComputeRefusal, PermissionDenied, Transient, Unauthenticated
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import STRATEGIES
from dualstack.preflight.check import Check
from dualstack.preflight.finding import PAUSE, Finding, PreflightFailed
from dualstack.preflight.inventory import Source
from dualstack.preflight.registry import ALL_CHECKS, run_checks
from tests.support.cluster_facts import RUNNING, at_rest, restarted, states
from tests.unit.preflight.inventories import INVENTORY, denied, findings, with_answer

SOURCES: tuple[Source, ...] = get_args(Source)
BY_ID = [pytest.param(check, id=check.id) for check in ALL_CHECKS]


def clusters() -> Iterator[tuple[str, CutoverFacts]]:
    """At rest, without Nodes, new, and after each step of each strategy."""
    yield "at rest", at_rest(3)
    yield "without Nodes", replace(at_rest(3), nodes=tuple(replace(node, pod_cidr=None) for node in at_rest(3).nodes))
    yield "new", replace(at_rest(0), routes=(), controller=RUNNING)
    for name, strategy in STRATEGIES.items():
        for step, facts in states(strategy, at_rest(3), Settings()):
            yield f"{name}, {step.id}", restarted(facts)
        yield f"{name}, finished", restarted(facts)


def test_a_finding_is_written_without_its_empty_fields() -> None:
    fine = Finding(id="a", status="ok", severity="note", object="subnet x", evidence="it exists")
    assert sorted(msgspec.to_builtins(fine)) == ["evidence", "id", "object", "severity", "status"]


def test_ids_are_unique_and_in_kebab_case() -> None:
    ids = [check.id for check in ALL_CHECKS]
    assert len(set(ids)) == len(ids) >= 21
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in ids)


def test_nothing_speaks_against_a_cluster_in_order() -> None:
    assert [finding.id for finding in run_checks(INVENTORY, ALL_CHECKS) if finding.status != "ok"] == []


@pytest.mark.parametrize(("facts"), [pytest.param(facts, id=name) for name, facts in clusters()])
def test_every_check_yields_a_finding_in_every_state(facts: CutoverFacts) -> None:
    inventory = replace(INVENTORY, observed=facts)
    for world in (inventory, *(denied(source, inventory) for source in SOURCES)):
        found = run_checks(world, ALL_CHECKS)
        assert {finding.id for finding in found} == {check.id for check in ALL_CHECKS}
        for finding in found:
            assert finding.object
            assert finding.evidence
            open_question = finding.status in ("problem", "unknown")
            assert bool(finding.consequence) is bool(finding.remedy) is open_question


@pytest.mark.parametrize("check", BY_ID)
def test_a_check_reads_the_sources_that_it_states(check: Check) -> None:
    unknown = {source for source in SOURCES if findings(denied(source), check.id)[-1].status == "unknown"}
    assert unknown == set(check.reads)


@pytest.mark.parametrize("check", BY_ID)
def test_what_could_not_be_read_says_so_in_the_words_of_the_cloud(check: Check) -> None:
    (finding,) = findings(denied(check.reads[-1]), check.id)
    assert finding.status == "unknown"
    assert f"GET {check.reads[-1]}: Error 403: Required permission, forbidden" in finding.evidence
    assert finding.consequence == f"if the problem exists, {check.consequence}"
    assert finding.remedy == "grant the permission"
    assert finding.cause == "permission"
    assert finding.blocks is (check.severity == "blocker")


def test_a_finding_is_one_json_object() -> None:
    (finding,) = findings(denied("addresses"), "reserved-ranges")
    decoded = json.loads(msgspec.json.encode(finding))
    assert msgspec.convert(decoded, Finding) == finding
    assert decoded["id"] == "reserved-ranges"
    (fine,) = findings(INVENTORY, "reserved-ranges")
    assert set(json.loads(msgspec.json.encode(fine))) == {"id", "status", "severity", "object", "evidence"}


def test_the_error_has_a_line_for_each_finding_and_names_object_consequence_and_remedy() -> None:
    def finding(name: str) -> Finding:
        return Finding(
            id="x",
            status="problem",
            severity="blocker",
            object=f"route {name}",
            evidence="it exists",
            consequence="it is in the way",
            remedy="delete it",
            cause="configuration",
        )

    error = PreflightFailed([finding("a"), finding("b")])
    assert str(error).splitlines() == [
        "route a: it exists; it is in the way; delete it",
        "route b: it exists; it is in the way; delete it",
    ]
    assert error.retry_after == PAUSE
    assert str(PreflightFailed([finding("a")], lambda finding: finding.object)) == "route a"


@pytest.mark.parametrize(
    ("refusal", "cause", "pause"),
    [
        (PermissionDenied("forbidden", "no"), "permission", 300.0),
        (Unauthenticated("authError", "no"), "permission", 300.0),
        (Transient("backendError", "later"), "unavailable", None),
    ],
)
def test_what_passes_by_itself_is_tried_again_soon(refusal: ComputeRefusal, cause: str, pause: float | None) -> None:
    blockers = [finding for finding in run_checks(with_answer("project", refusal)) if finding.blocks]
    assert [(finding.id, finding.cause) for finding in blockers] == [
        ("firewall-quota", cause),
        ("roll-out-quota", cause),
        ("decoy-room", cause),
    ]
    assert PreflightFailed(blockers).retry_after == pause
