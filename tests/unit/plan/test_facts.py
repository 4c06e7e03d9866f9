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


def test_neither_runtime_state_nor_reports_take_part_in_comparisons() -> None:
    facts = at_rest(1)
    assert replace(facts, quiet={"flag": 7.0}, passed={"gate-routes": ("routes",)}) == facts
    assert replace(facts, since_joined=7.0, refused=frozenset({"restore-routes"})) == facts
    reports = frozenset({"node-0"})
    assert replace(facts, with_network_problem=reports, network_watched=False) == facts
    assert replace(facts, unhealthy={"node-0": "is not Ready"}, unidentified={"VM a": "has no Node"}) == facts
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
        lambda facts: replace(facts, range_canary=cidr(0)),
        lambda facts: replace(facts, headroom_trial=True),
        lambda facts: replace(facts, nodes=(replace(facts.nodes[0], aliases=()), facts.nodes[1])),
        lambda facts: replace(facts, routes=(route(0),)),
        lambda facts: replace(facts, subnet=replace(facts.subnet, secondary_ranges=())),
        lambda facts: ranged(facts, flag=True),
    ],
    ids=[
        *(*LEFTOVERS, "a range canary", "the range of a trial"),
        *("a missing alias", "a route", "a missing range", "the flag"),
    ],
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


@pytest.mark.parametrize(
    "change",
    [
        ranged,
        lambda facts: replace(facts, range_canary=cidr(0)),
        lambda facts: replace(facts, saved_routes=SAVED),
        lambda facts: replace(facts, nodes=(replace(facts.nodes[0], aliases=(alias(0),)), facts.nodes[1])),
        lambda facts: replace(facts, controller=STOPPED),
    ],
    ids=["the range", "a range canary", "saved routes", "an alias", "a stopped controller"],
)
def test_each_change_of_a_cut_over_shows_that_it_has_begun(change: Callable[[CutoverFacts], CutoverFacts]) -> None:
    assert not at_rest(2).begun
    assert change(at_rest(2)).begun


@pytest.mark.parametrize(
    "decoys",
    [
        DecoyFacts(vm=True),
        DecoyFacts(range="10.127.252.0/22"),
        DecoyFacts(routes=frozenset({"10.127.255.0/24"})),
        DecoyFacts(prober=True),
    ],
)
def test_each_part_of_the_decoys_shows_that_they_are_present(decoys: DecoyFacts) -> None:
    assert decoys.present
    assert not DecoyFacts().present


def test_only_a_vm_that_alone_holds_its_alias_is_given_a_route_for_it() -> None:
    """A block of two VMs has no owner, so no route can replace it."""
    first, second = (replace(node(number), pod_cidr=None, aliases=(alias(5),)) for number in (0, 1))
    assert replace(at_rest(0), nodes=(first,)).to_route == {"node-0": cidr(5)}
    assert replace(at_rest(0), nodes=(first, second)).to_route == {}


@pytest.mark.parametrize(
    ("has_range", "has_alias", "has_route", "settled"),
    [
        (False, False, True, True),
        (False, False, False, False),
        (True, False, True, False),
        (True, True, True, True),
        (True, True, False, True),
    ],
)
def test_a_node_is_settled_with_its_alias_or_without_a_range_with_its_route(
    *, has_range: bool, has_alias: bool, has_route: bool, settled: bool
) -> None:
    facts = ranged(at_rest(1), flag=True) if has_range else at_rest(1)
    owner = replace(facts.nodes[0], aliases=(alias(0),) * has_alias)
    assert replace(facts, nodes=(owner,), routes=facts.routes * has_route).settled("node-0") is settled


@pytest.mark.parametrize(("running", "lost"), [(True, ("node-0",)), (False, ())])
def test_a_vm_that_is_ending_has_lost_nothing(running: bool, lost: tuple[str, ...]) -> None:
    saved = SavedRoute("node-0", cidr(0), ZONE)
    assert replace(at_rest(0), nodes=(replace(node(0), running=running),), saved_routes=(saved,)).lost == lost


def test_time_counts_from_zero_for_an_aspect_that_was_never_observed() -> None:
    passed = replace(at_rest(1), quiet={"flag": 100.0}).after(10.0)
    assert (passed.quiet_for("flag"), passed.quiet_for("routes")) == (110.0, 10.0)


@pytest.mark.parametrize(
    ("own", "others", "in_place"),
    [
        ((alias(0),), (), True),
        ((alias(0), AliasFacts("10.99.0.0/28", "user-range")), (), True),
        ((AliasFacts("10.99.0.0/28", "user-range"), alias(0)), (), False),
        ((alias(0),), (alias(0),), False),
        ((), (), False),
    ],
    ids=["alone", "before another", "behind another", "of two VMs", "missing"],
)
def test_an_alias_is_in_place_where_it_is_the_first_of_this_vm_alone(
    own: tuple[AliasFacts, ...], others: tuple[AliasFacts, ...], *, in_place: bool
) -> None:
    nodes = (replace(node(0), aliases=own), replace(node(1), pod_cidr=None, aliases=others))
    assert replace(at_rest(0), nodes=nodes).alias_in_place("node-0") is in_place


@pytest.mark.parametrize(
    ("flag", "aliases", "routes_serve", "aliases_serve"),
    [(True, (), False, True), (True, (alias(0),), True, False), (False, (alias(0),), True, True)],
    ids=["a route", "an alias with the flag", "an alias without the flag"],
)
def test_what_the_cloud_was_seen_not_to_do_serves_no_node(
    aliases: tuple[AliasFacts, ...], *, flag: bool, routes_serve: bool, aliases_serve: bool
) -> None:
    facts = ranged(replace(at_rest(1), nodes=(replace(node(0), aliases=aliases),)), flag=flag)
    if aliases:
        facts = replace(facts, routes=())
    assert facts.reachable("node-0")
    assert replace(facts, disproved="routes-not-served").reachable("node-0") is routes_serve
    assert replace(facts, disproved="aliases-not-matched").reachable("node-0") is aliases_serve
