"""Each invariant that is broken on purpose is reported by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from dualstack.model.errors import InvariantBroken
from dualstack.plan.facts import CutoverFacts, DecoyFacts, Limitation, RouteFacts
from dualstack.plan.invariants import ALWAYS, MAKE_BEFORE_BREAK, ROUTE_BEFORE_UNALIAS, ROUTED_STAY_REACHABLE, check
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    Transition,
)
from dualstack.plan.steps.decoys import CreateDecoys
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import RUNNING, alias, at_rest, cidr, node, states
from tests.support.upstream_order import UPSTREAM

SETTINGS = Settings()


@dataclass(frozen=True)
class Blunder(Transition):
    """A step that no plan contains."""

    does: Callable[[CutoverFacts], CutoverFacts] = lambda facts: facts
    id = "blunder"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return self.does(facts)


def after(step: str) -> CutoverFacts:
    reached = [facts for transition, facts in states(choose("overlap"), at_rest(3), SETTINGS) if transition.id == step]
    return reached[-1]


def _swap(facts: CutoverFacts) -> CutoverFacts:
    first, *others = facts.nodes
    return replace(facts, nodes=(replace(first, aliases=(alias(77), *first.aliases)), *others))


def _swap_route_for_alias(facts: CutoverFacts) -> CutoverFacts:
    """Both at once: a host that learns of the route first cannot send anywhere."""
    return DeleteRoutes(("route-0",)).effect(AddAliases(("node-0",)).effect(facts))


VPN = RouteFacts("vpn", "10.96.200.0/24")
HOME = "10.127.252.0/22"
WITH_DECOYS = replace(after("barrier-flag"), decoys=DecoyFacts(vm=True, home=HOME, routes=frozenset((HOME,))))

BROKEN = [
    ("pod-cidr-reachable", at_rest(3), AddSecondaryRange()),
    ("pod-cidr-reachable", at_rest(3), DeleteRoutes(("route-1",))),
    ("pod-cidr-reachable", after("add-secondary-range"), ClearOverlapFlag()),
    ("alias-before-delete", after("barrier-range"), DeleteRoutes(("route-2",))),
    ("alias-before-delete", after("barrier-range"), Blunder(does=_swap_route_for_alias)),
    ("saved-before-delete", replace(after("add-aliases"), saved_routes=()), DeleteRoutes(("route-0",))),
    ("controller-gone-before-delete", replace(after("add-aliases"), controller=RUNNING), DeleteRoutes(("route-0",))),
    ("flag-while-routes", after("add-aliases"), ClearOverlapFlag()),
    ("flag-while-routes", replace(after("add-aliases"), routes=(), decoys=WITH_DECOYS.decoys), ClearOverlapFlag()),
    ("flag-while-routes", replace(after("add-aliases"), routes=(), foreign_routes=(VPN,)), ClearOverlapFlag()),
    ("flag-while-routes", replace(after("barrier-flag"), range_canary=cidr(0)), ClearOverlapFlag()),
    ("proof-before-range", WITH_DECOYS, AddSecondaryRange()),
    ("decoys-apart", at_rest(3), CreateDecoys(home="10.96.0.0/22")),
    ("alias-is-pod-cidr", after("add-aliases"), Blunder(does=_swap)),
    ("saved-until-delivered", after("add-secondary-range"), ClearSavedRoutes()),
]


@pytest.mark.parametrize(("name", "facts", "transition"), BROKEN)
def test_a_broken_invariant_is_caught_by_its_name(name: str, facts: CutoverFacts, transition: Transition) -> None:
    (invariant,) = [known for known in MAKE_BEFORE_BREAK if known.name == name]
    with pytest.raises(InvariantBroken, match=f"^{name}: {transition.id} would break it: "):
        check([invariant], facts, transition)


def test_every_invariant_has_been_broken_here() -> None:
    assert {name for name, _, _ in BROKEN} == {invariant.name for invariant in MAKE_BEFORE_BREAK}


def test_an_invariant_that_is_broken_already_does_not_stop_a_step() -> None:
    cut_off = replace(at_rest(3), routes=())
    check(MAKE_BEFORE_BREAK, cut_off, AddSecondaryRange())
    with pytest.raises(InvariantBroken, match="pod-cidr-reachable"):
        check(MAKE_BEFORE_BREAK, at_rest(3), AddSecondaryRange())


@pytest.mark.parametrize(
    ("facts", "transition"),
    [
        (after("barrier-flag"), ClearOverlapFlag()),
        (ClearOverlapFlag().effect(after("add-secondary-range")), AddAliases(("node-0",))),
        (at_rest(3), CreateDecoys(home=HOME)),
        (replace(at_rest(0), nodes=(replace(node(0), pod_cidr=None, aliases=(alias(0),)),)), AddSecondaryRange()),
    ],
    ids=["the flag without a range", "the flag off already", "decoys beside the nodes", "an alias without a Node"],
)
def test_a_step_that_breaks_nothing_is_not_stopped(facts: CutoverFacts, transition: Transition) -> None:
    check(MAKE_BEFORE_BREAK, facts, transition)


def test_upstreams_order_breaks_two_invariants() -> None:
    facts = at_rest(3)
    caught = set()
    for transition in UPSTREAM.transitions(facts, SETTINGS):
        check(ALWAYS, facts, transition)
        for invariant in MAKE_BEFORE_BREAK:
            if invariant.broken(facts, transition.effect(facts)):
                caught.add(invariant.name)
        facts = transition.effect(facts)
    assert caught == {"pod-cidr-reachable", "alias-before-delete"}


def test_decoys_beside_an_existing_range_do_not_stop_other_steps() -> None:
    """The step that added the range broke the invariant; the next one may be the removal of the decoys."""
    facts = replace(after("add-secondary-range"), decoys=WITH_DECOYS.decoys)
    check(MAKE_BEFORE_BREAK, facts, AddAliases(("node-0",)))


def without_route(facts: CutoverFacts, number: int) -> CutoverFacts:
    return replace(facts, routes=tuple(route for route in facts.routes if route.instance != f"node-{number}"))


def without_flag(facts: CutoverFacts) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=False))


ALIASED = after("add-aliases")
"""Each of three nodes has its alias and its route; the range and the flag are there."""


@pytest.mark.parametrize(
    ("before", "broken"),
    [
        (ALIASED, []),
        (without_route(ALIASED, 0), ["VM node-0"]),
        (without_route(ALIASED, 1), []),
        (without_flag(ALIASED), ["VM node-0"]),
        (replace(without_flag(ALIASED), subnet=at_rest(3).subnet), []),
    ],
    ids=["its route serves", "it has no route", "another has no route", "routes need the flag", "there is no range"],
)
def test_a_node_loses_its_alias_only_where_its_route_serves(before: CutoverFacts, broken: list[str]) -> None:
    first, *others = before.nodes
    freed = replace(before, nodes=(replace(first, aliases=()), *others))
    assert ROUTE_BEFORE_UNALIAS.broken(before, freed) == broken
    assert ROUTE_BEFORE_UNALIAS.broken(before, replace(before, nodes=tuple(others))) == []


@pytest.mark.parametrize(
    ("disproved", "broken"), [("", True), ("aliases-not-matched", True), ("routes-not-served", False)]
)
def test_no_routed_node_is_lost_unless_routes_do_not_serve_anyway(disproved: Limitation, broken: bool) -> None:
    before = replace(at_rest(3), disproved=disproved)
    assert bool(ROUTED_STAY_REACHABLE.broken(before, without_route(before, 1))) is broken
