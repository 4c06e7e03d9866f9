"""The shortest outage: it contains only the steps that cannot come before or after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan import gates
from dualstack.plan.costs import outage
from dualstack.plan.facts import CutoverFacts, RouteFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases, DeleteRoutes
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.base import obstacles
from tests.support.cluster_facts import PODS, RANGE, STOPPED, at_goal, at_rest, last, restarted, states

COMPRESSED, OVERLAP = choose("compressed"), choose("overlap")
SETTINGS = Settings()


def steps(facts: CutoverFacts) -> list[str]:
    return [transition.id for transition in COMPRESSED.transitions(facts, SETTINGS)]


def test_the_whole_order_for_forty_nodes() -> None:
    plan = list(COMPRESSED.transitions(at_rest(40), SETTINGS))
    assert [step.id for step in plan] == [
        "stop-cloud-controller-manager",
        "save-routes",
        "set-stack-type",
        "prove-headroom",
        "gate-ready",
        "delete-routes",
        "add-secondary-range",
        "add-aliases",
        "clear-saved-routes",
    ]
    assert [len(step.targets) for step in plan if isinstance(step, DeleteRoutes | AddAliases)] == [40, 40]


def test_the_flag_of_an_earlier_attempt_is_cleared_before_the_outage() -> None:
    """Seed 1491: with it, aliases carried nothing until it was cleared at the end."""
    flagged = replace(at_rest(3), subnet=replace(at_rest(3).subnet, overlap_flag=True))
    assert steps(flagged)[1:5] == ["save-routes", "barrier-range-removed", "clear-overlap-flag", "set-stack-type"]
    foreign = replace(flagged, foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),))
    assert steps(foreign)[1:3] == ["save-routes", "set-stack-type"]  # they need it


def test_nothing_but_range_and_aliases_happens_while_pods_are_cut_off() -> None:
    during = [transition.id for transition, facts in states(COMPRESSED, at_rest(5), SETTINGS) if facts.unreachable]
    assert during == ["delete-routes", "add-secondary-range"]


@pytest.mark.parametrize("cut_after", ["delete-routes", "add-secondary-range"])
def test_a_restart_during_the_outage_continues_at_once(cut_after: str) -> None:
    facts = next(facts for step, facts in states(COMPRESSED, at_rest(3), SETTINGS) if step.id == cut_after)
    following = COMPRESSED.next_transition(restarted(facts), SETTINGS)
    assert following is not None
    assert following.id == ("add-secondary-range" if cut_after == "delete-routes" else "add-aliases")


def test_a_restart_between_deletes_continues_with_the_deletes() -> None:
    facts = next(facts for step, facts in states(COMPRESSED, at_rest(3), SETTINGS) if step == gates.READY)
    half = restarted(replace(facts, routes=facts.routes[2:]))
    assert steps(half)[0] == "delete-routes"


def test_a_cut_over_that_overlap_began_is_finished_by_overlap() -> None:
    subnet = replace(at_rest(3).subnet, secondary_ranges=((RANGE, PODS),), overlap_flag=True)
    facts = replace(at_rest(3), subnet=subnet)
    assert steps(facts) == [transition.id for transition in OVERLAP.transitions(facts, SETTINGS)]


def test_a_vm_that_cannot_get_its_alias_does_not_block_the_others() -> None:
    facts = replace(at_rest(3), routes=(), controller=STOPPED)
    facts = replace(
        facts,
        subnet=replace(facts.subnet, secondary_ranges=((RANGE, PODS),)),
        nodes=(replace(facts.nodes[0], subnet_ok=False), *facts.nodes[1:]),
    )
    assert list(COMPRESSED.transitions(facts, SETTINGS)) == [AddAliases(("node-1", "node-2")), AddAliases(("node-0",))]


def test_obstacles_of_the_outage_are_reported_before_it() -> None:
    facts = replace(at_rest(2), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),))
    assert "routes lead into the pod CIDR" in obstacles(COMPRESSED, facts, SETTINGS)[0]


def test_each_minute_of_quota_adds_a_minute_to_the_outage() -> None:
    small, large = (outage(COMPRESSED, at_rest(count), SETTINGS).seconds for count in (1500, 1501))
    assert large - small == 120.0  # the deletes and the aliases


def test_the_saved_list_is_cleared_although_a_foreign_route_needs_the_flag() -> None:
    facts = last(COMPRESSED, at_rest(2), SETTINGS)
    flagged = replace(facts.subnet, overlap_flag=True)
    saved = replace(facts, subnet=flagged, saved_routes=tuple(map(as_saved, at_rest(2).routes)))
    foreign = replace(saved, foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),))
    plan = list(COMPRESSED.transitions(foreign, SETTINGS))
    assert [step.id for step in plan] == ["clear-saved-routes"]
    assert [step.id for step in COMPRESSED.transitions(saved, SETTINGS)] == [
        "clear-overlap-flag",
        "clear-saved-routes",
    ]


def test_it_ends_in_the_same_state_as_the_other_strategies() -> None:
    assert at_goal(last(COMPRESSED, at_rest(6), SETTINGS))
