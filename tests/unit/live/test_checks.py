"""The state in which a live cluster should be, and the checks of the cut-over itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dualstack.live.checks import cut_over_checks, expected_state
from dualstack.plan.facts import CutoverFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE
from tests.support.cluster_facts import STOPPED, at_rest, last, states

CLUSTER = at_rest(3)
PREPARED = last(PREPARE, CLUSTER, Settings())
FINISHED = last(FINISH, replace(PREPARED, controller=STOPPED), Settings())


@pytest.mark.parametrize(
    ("facts", "ipv6_nodes", "expected"),
    [(CLUSTER, 0, "routes"), (PREPARED, 0, "prepared"), (FINISHED, 0, "aliases"), (FINISHED, 2, "dual-stack")],
    ids=["routes", "prepared", "aliases", "dual-stack"],
)
def test_the_expected_state_follows_from_what_is_observed(facts: CutoverFacts, ipv6_nodes: int, expected: str) -> None:
    assert expected_state(facts, ipv6_nodes) == expected


@pytest.mark.parametrize(
    ("strategy", "start"),
    [(PREPARE, CLUSTER), (FINISH, replace(PREPARED, controller=STOPPED))],
    ids=["prepare", "finish"],
)
def test_an_interrupted_change_is_at_rest_and_unfinished_not_failed(strategy: Strategy, start: CutoverFacts) -> None:
    between = [facts for _, facts in states(strategy, start, Settings(decoys=True))]
    unfinished = [facts for facts in between if expected_state(facts, 0) == "unfinished"]
    assert len(unfinished) > 2
    for facts in unfinished:
        ((name, (status, evidence)),) = failed(facts).items()
        assert (name, status) == ("cut-over.finished", "risk")
        assert evidence.endswith("; `dualstack status` names the command that goes on")


def test_the_range_of_a_trial_is_left_over_also_in_an_unfinished_cluster() -> None:
    found = failed(replace(CLUSTER, headroom_trial=True))
    assert found["cut-over.left-overs"] == ("failed", "left: a range of a trial")


def failed(facts: CutoverFacts, works: str = "") -> dict[str, tuple[str, str]]:
    checks = cut_over_checks(facts, expected_state(facts, 0), works)
    return {check.id: (check.status, check.evidence) for check in checks if check.status != "passed"}


@pytest.mark.parametrize("facts", [CLUSTER, PREPARED, FINISHED], ids=["routes", "prepared", "finished"])
def test_a_cluster_at_rest_passes(facts: CutoverFacts) -> None:
    assert failed(facts) == {}


@pytest.mark.parametrize(
    ("changes", "check", "evidence"),
    [
        ({"routes": CLUSTER.routes[1:]}, "cut-over.reachable", "without a path: node-0"),
        ({"unidentified": {"node-9": "no Node"}}, "cut-over.machines", "node-9: no Node"),
        ({"drill_routes": ("drill",)}, "cut-over.left-overs", "left: temporary route drill"),
        (
            {"foreign_routes": (RouteFacts("vpn", "10.96.7.0/24"),)},
            "compute.foreign-routes",
            "vpn to 10.96.7.0/24",
        ),
    ],
)
def test_a_check_fails_for_its_own_reason(changes: dict[str, Any], check: str, evidence: str) -> None:
    ((name, (status, words)),) = failed(replace(CLUSTER, **changes)).items()
    assert (name, words) == (check, evidence)
    assert status == ("risk" if check == "compute.foreign-routes" else "failed")


def test_a_working_process_is_named() -> None:
    assert failed(CLUSTER, "dualstack on host") == {"cut-over.at-rest": ("failed", "works now: dualstack on host")}
