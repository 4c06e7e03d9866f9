"""What the observed facts mean: the pod CIDR of each VM, whether it is reachable, and what remains to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.model.cidr import overlap
from dualstack.plan.facts import AliasFacts, CutoverFacts, DecoyFacts, NodeFacts, RouteFacts, SavedRoute
from tests.support.cluster_facts import PODS, RANGE, STOPPED, ZONE, alias, at_rest, cidr, node, on_routes, route


def without_node(*, routes: tuple[RouteFacts, ...] = (), saved: tuple[SavedRoute, ...] = ()) -> CutoverFacts:
    """One VM whose Node object is gone, and one ordinary node."""
    nodeless = replace(node(0), pod_cidr=None)
    return replace(at_rest(0), nodes=(nodeless, node(1)), routes=routes, saved_routes=saved)


def test_the_node_is_the_source_of_truth() -> None:
    astray = RouteFacts("route-0", cidr(5), "node-0", ZONE)
    facts = replace(at_rest(1), routes=(astray,), saved_routes=(SavedRoute("node-0", cidr(6), ZONE),))
    assert facts.pod_cidr_of == {"node-0": cidr(0)}
    assert facts.live_routes == ()


def test_a_vm_without_a_node_has_the_pod_cidr_of_its_route_or_saved_route() -> None:
    assert "node-0" not in without_node().pod_cidr_of
    assert without_node(routes=(route(0),)).pod_cidr_of["node-0"] == cidr(0)
    assert without_node(saved=(SavedRoute("node-0", cidr(0), ZONE),)).pod_cidr_of["node-0"] == cidr(0)


def test_a_vm_without_a_node_loses_a_cidr_that_a_node_has() -> None:
    assert "node-0" not in without_node(saved=(SavedRoute("node-0", cidr(1), ZONE),)).pod_cidr_of


def test_a_vm_with_an_alias_of_its_own_has_no_pod_cidr_until_it_has_a_node() -> None:
    facts = without_node(routes=(route(0),))
    fresh = replace(facts.nodes[0], aliases=(alias(42),))
    assert "node-0" not in replace(facts, nodes=(fresh, facts.nodes[1])).pod_cidr_of


def test_a_deleted_vm_has_no_pod_cidr_even_if_its_node_exists() -> None:
    facts = at_rest(1)
    assert replace(facts, nodes=(replace(facts.nodes[0], instance_exists=False),)).pod_cidr_of == {}


@pytest.mark.parametrize(
    ("ranged", "flag", "routed", "holder", "reachable"),
    [
        (False, False, True, None, True),
        (False, True, True, None, True),
        (False, True, False, None, False),
        (True, False, True, None, False),
        (True, True, True, None, True),
        (True, True, False, None, False),
        (True, False, False, 0, True),
        (True, True, True, 0, True),
        (True, True, True, 8, False),
    ],
)
def test_the_documented_order_of_routing(
    *, ranged: bool, flag: bool, routed: bool, holder: int | None, reachable: bool
) -> None:
    """Static routes without a range; aliases inside one; with the flag both; the alias of another VM before all
    (docs/reference/cut-over.md#forwarding)."""
    facts = at_rest(1)
    other = NodeFacts("node-8", ZONE, pod_cidr=None, aliases=(alias(0),) if holder == 8 else ())
    owner = replace(facts.nodes[0], aliases=(alias(0),) if holder == 0 else ())
    facts = replace(
        facts,
        subnet=replace(facts.subnet, overlap_flag=flag, secondary_ranges=((RANGE, PODS),) if ranged else ()),
        routes=facts.routes if routed else (),
        nodes=(owner, other),
    )
    assert facts.reachable("node-0") is reachable
    assert facts.unreachable == (() if reachable else ("node-0",))


def test_an_alias_in_another_range_does_not_count() -> None:
    facts = at_rest(1)
    held = replace(facts.nodes[0], aliases=(AliasFacts(cidr(0), "user-range"),))
    assert not replace(facts, nodes=(held,)).aliased("node-0")


def test_a_range_with_our_name_and_other_addresses_is_not_ours() -> None:
    facts = at_rest(1)
    assert not replace(facts, subnet=replace(facts.subnet, secondary_ranges=((RANGE, "10.97.0.0/16"),))).range_present


def test_runtime_state_does_not_take_part_in_comparisons() -> None:
    facts = at_rest(1)
    assert replace(facts, quiet={"flag": 7.0}, passed={"gate-routes": ("routes",)}) == facts
    assert replace(facts, controller=STOPPED) != facts


def test_an_aspect_that_was_never_observed_is_not_quiet() -> None:
    facts = replace(at_rest(1), quiet={"flag": 100.0})
    assert facts.quiet_for("flag") == 100.0
    assert facts.quiet_for("flag", "routes") == 0.0


def test_families_never_overlap() -> None:
    assert overlap("10.96.0.0/16", "10.96.7.0/24")
    assert not overlap("10.96.0.0/16", "10.97.0.0/24")
    assert not overlap("0.0.0.0/0", "::/0")


def ranged(facts: CutoverFacts, cidr: str = PODS, *, flag: bool = False) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, secondary_ranges=((RANGE, cidr),), overlap_flag=flag))


SAVED = (SavedRoute("node-0", cidr(0), ZONE),)
LEFTOVERS: dict[str, Callable[[CutoverFacts], CutoverFacts]] = {
    "a drill's route": lambda facts: replace(facts, drill_routes=("drill",)),
    "decoys": lambda facts: replace(facts, decoys=DecoyFacts(vm=True)),
    "saved routes": lambda facts: replace(facts, saved_routes=SAVED),
}


@pytest.mark.parametrize(
    "change",
    [
        *LEFTOVERS.values(),
        lambda facts: replace(facts, nodes=(replace(facts.nodes[0], aliases=(alias(0),)), facts.nodes[1])),
        lambda facts: replace(facts, routes=facts.routes[1:]),
        lambda facts: ranged(facts, "10.97.0.0/16"),
        lambda facts: replace(facts, subnet=replace(facts.subnet, overlap_flag=True)),
    ],
    ids=[*LEFTOVERS, "an alias", "a missing route", "a range", "the flag"],
)
def test_each_leftover_of_the_cut_over_means_that_the_cluster_is_not_on_its_routes_alone(
    change: Callable[[CutoverFacts], CutoverFacts],
) -> None:
    facts = replace(at_rest(2), controller=STOPPED)
    assert on_routes(facts)
    assert not on_routes(change(facts))


@pytest.mark.parametrize(
    "change",
    [
        *LEFTOVERS.values(),
        lambda facts: replace(facts, nodes=(replace(facts.nodes[0], aliases=()), facts.nodes[1])),
        lambda facts: replace(facts, routes=(route(0),)),
        lambda facts: replace(facts, subnet=replace(facts.subnet, secondary_ranges=())),
        lambda facts: ranged(facts, flag=True),
    ],
    ids=[*LEFTOVERS, "a missing alias", "a route", "a missing range", "the flag"],
)
def test_each_open_step_means_that_the_cut_over_is_not_finished(
    change: Callable[[CutoverFacts], CutoverFacts],
) -> None:
    nodes = tuple(replace(node(number), aliases=(alias(number),)) for number in range(2))
    facts = ranged(replace(at_rest(2), routes=(), nodes=nodes, controller=STOPPED))
    assert facts.finished
    assert not change(facts).finished


def test_the_flag_may_stay_on_for_a_foreign_route() -> None:
    facts = ranged(replace(at_rest(0), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),)), flag=True)
    assert facts.finished
