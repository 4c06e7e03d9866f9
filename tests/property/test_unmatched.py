"""Aliases that carry no traffic (docs/reference/cut-over.md#k3): VMs keep their routes, and lost routes return.

Unlike in the other tests, a host here uses the static route inside a flagged range, with or without an alias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.model.errors import InvariantBroken
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.gates import ROUTE_CANARY, ROUTES, cloud_limitation
from dualstack.plan.invariants import ALIASES_CARRY_NOTHING, ROUTED_STAY_REACHABLE, check
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Barrier, Gate, RemoveAliases, Transition
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.unmatched import UNMATCHED
from tests.support.cluster_facts import RUNNING, at_goal, at_rest, last, on_routes, restarted, states
from tests.support.hosts import PROPAGATION, Hosts, View, delivered_to

SETTINGS = Settings(batch_size=2)
OVERLAP = choose("overlap")


def cut_off(nodes: int, gone: int) -> CutoverFacts:
    """The cut-over without the routes of the first `gone` nodes, which has shown that aliases do not count."""
    facts = reporting(nodes, gone)
    return replace(facts, disproved=cloud_limitation(facts))


def reporting(nodes: int, gone: int) -> CutoverFacts:
    """The same state when the Nodes without a route report network problems."""
    for _, facts in states(OVERLAP, at_rest(nodes), SETTINGS):
        if len(facts.routes) == nodes - gone and not facts.without_alias:
            return replace(restarted(facts), with_network_problem=frozenset(facts.unrouted))
    raise AssertionError("the plan has no such state")


def unmatched(view: View, cidr: str) -> frozenset[str]:
    """As `delivered_to`, but aliases do not count while the flag is on."""
    seen = {key: value for key, value in view.items() if key[0] != "alias"} if view[("flag",)] else view
    return delivered_to(seen, cidr)


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION, 119.0])
@pytest.mark.parametrize("deliver", [unmatched, delivered_to])
def test_vms_with_a_route_lose_nothing_in_any_view(
    nodes: int, propagation: float, deliver: Callable[[View, str], frozenset[str]]
) -> None:
    """Also if the aliases do carry traffic, and the VMs are unreachable for another reason."""
    facts = cut_off(nodes, 1)
    hosts, bare = Hosts.at_rest(facts, propagation), set(facts.unrouted)
    for transition, after in states(UNMATCHED, facts, SETTINGS):
        assert transition.precondition(facts) == []
        waited = after.quiet_for("flag") - facts.quiet_for("flag")
        facts = after
        hosts.observe(facts, max(0.0, waited))
        for view in hosts.views():
            for node in facts.nodes:
                if node.name not in bare and node.pod_cidr:
                    assert deliver(view, node.pod_cidr) == {node.name}
    assert on_routes(facts)
    assert not facts.unreachable
    assert not facts.controller.ignored


@pytest.mark.parametrize(("nodes", "gone"), [(1, 1), (3, 1), (6, 1), (6, 3)])
def test_every_prefix_can_be_resumed_in_both_directions(nodes: int, gone: int) -> None:
    start = cut_off(nodes, gone)
    before = start
    for transition, facts in states(UNMATCHED, start, SETTINGS):
        check(ALIASES_CARRY_NOTHING, before, transition)
        before = facts
        again = restarted(facts)
        assert on_routes(last(UNMATCHED, again, SETTINGS))
        assert at_goal(last(OVERLAP, replace(again, disproved=""), SETTINGS))


def test_aliases_count_as_unmatched_only_if_every_node_without_a_route_complains() -> None:
    facts = reporting(6, 3)
    assert facts.unmatched == ("node-0", "node-1", "node-2")
    assert replace(facts, with_network_problem=frozenset({"node-0", "node-1", "node-5"})).unmatched == ()
    assert replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).unmatched == ()
    assert replace(facts, subnet=replace(facts.subnet, secondary_ranges=())).unmatched == ()
    assert reporting(3, 0).unmatched == ()


def test_an_alias_that_may_carry_traffic_is_not_removed_from_a_vm_without_route() -> None:
    facts = cut_off(3, 1)
    (bare,) = facts.unrouted
    broken: Transition = RemoveAliases((bare,), without_traffic=True)
    assert not ROUTED_STAY_REACHABLE.broken(facts, broken.effect(facts))
    with pytest.raises(InvariantBroken, match="routed-stay-reachable"):
        check((ROUTED_STAY_REACHABLE,), replace(facts, disproved=""), broken)
    assert RemoveAliases((bare,)).precondition(facts) == [f"VM {bare} has no route to replace its alias"]


@pytest.mark.parametrize("nodes", range(2, 7))
def test_the_plan_stops_at_a_gate_when_routes_in_the_range_carry_no_traffic(nodes: int) -> None:
    """Routes to instances may not work under a range; then the range cuts off every node at once
    (docs/reference/cut-over.md#r6)."""
    everybody = frozenset(at_rest(nodes).pod_cidr_of)
    for _, facts in states(OVERLAP, at_rest(nodes), SETTINGS):
        cut_off = replace(restarted(facts), with_network_problem=everybody)
        left = replace(cut_off, disproved=cloud_limitation(cut_off))
        if facts.range_present and facts.without_alias:
            step = OVERLAP.next_transition(cut_off, SETTINGS)
            assert step is not None
            assert step.id == "gate-range"
            assert [step.id for step in UNMATCHED.transitions(left, SETTINGS)][:4].count("remove-secondary-range") == 1
            assert on_routes(last(UNMATCHED, left, SETTINGS))
            assert at_goal(last(OVERLAP, cut_off, SETTINGS))
        else:
            assert not cut_off.unserved
            assert not replace(cut_off, with_network_problem=everybody - {"node-1"}).unserved


def test_the_complaint_of_a_single_node_does_not_count() -> None:
    for _, facts in states(OVERLAP, at_rest(1), SETTINGS):
        assert not replace(facts, with_network_problem=frozenset(facts.pod_cidr_of)).unserved


def test_p24_nothing_is_awaited_while_the_canary_is_unreachable() -> None:
    facts = cut_off(3, 1)
    steps = [step.id for step in UNMATCHED.transitions(replace(facts, controller=RUNNING), SETTINGS)]
    assert steps[:4] == [
        "remove-aliases",
        "remove-secondary-range",
        "restore-routes",
        "stop-cloud-controller-manager",
    ]


@pytest.mark.parametrize(("nodes", "gone", "gate"), [(3, 1, ROUTE_CANARY), (6, 1, ROUTE_CANARY), (6, 3, ROUTES)])
def test_p24_after_a_restart_a_node_that_lost_its_pods_is_checked_without_a_barrier(
    nodes: int, gone: int, gate: Gate
) -> None:
    facts = reporting(nodes, gone)
    assert facts.quiet_for("aliases") < SETTINGS.soak_aliases
    assert OVERLAP.next_transition(facts, SETTINGS) == gate
    quiet = replace(facts, with_network_problem=frozenset())
    assert isinstance(OVERLAP.next_transition(quiet, SETTINGS), Barrier)
