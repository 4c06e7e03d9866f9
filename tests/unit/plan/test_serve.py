"""The ways to serve unreachable nodes again, in the order in which they are tried while each is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps import AddAliases, AddSecondaryRange, RemoveAliases, RestoreRoutes, SetOverlapFlag
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.serve import may_pass_later, refusal, serve, without_range
from dualstack.plan.strategies.unmatched import UNMATCHED
from tests.support.cluster_facts import at_rest, cidr, stands_at

SETTINGS = Settings()
WITHOUT_ROUTE = replace(at_rest(3), routes=at_rest(3).routes[1:])


def under_the_range(*, flag: bool = True, saved: bool = True) -> CutoverFacts:
    """node-0 has neither route nor alias, node-1 only its alias, node-2 both. saved: node-0 had a route."""
    facts = replace(at_rest(3), saved_routes=tuple(map(as_saved, at_rest(3).routes[0 if saved else 1 :])))
    facts = AddAliases(("node-1", "node-2")).effect(AddSecondaryRange().effect(SetOverlapFlag().effect(facts)))
    facts = replace(facts, routes=facts.routes[2:])
    return facts if flag else replace(facts, subnet=replace(facts.subnet, overlap_flag=False))


def without_aliases(facts: CutoverFacts) -> CutoverFacts:
    return RemoveAliases(("node-1", "node-2")).effect(facts)


def ways(facts: CutoverFacts, *, sacrifice: bool = False) -> list[str]:
    return ways_of(serve(sacrifice=sacrifice), facts)


def ways_of(strategy: Strategy, facts: CutoverFacts) -> list[str]:
    """Each step that is tried while the ones before it are refused."""
    tried = list[str]()
    while (step := strategy.next_transition(facts, SETTINGS)) is not None:
        tried.append(step.id)
        facts = facts.with_runtime_state(refused=facts.refused | {refusal(step.id, facts)})
    return tried


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (at_rest(3), []),
        (WITHOUT_ROUTE, ["restore-routes"]),
        (replace(WITHOUT_ROUTE, range_canary=cidr(0)), ["restore-routes", "remove-range-canary"]),
        (replace(at_rest(3), range_canary=cidr(0)), ["remove-range-canary"]),
        (under_the_range(), ["add-aliases", "restore-routes"]),
        (under_the_range(flag=False), ["add-aliases", "set-overlap-flag"]),
        (without_aliases(under_the_range()), ["add-aliases", "remove-secondary-range"]),
    ],
    ids=["served", "no range", "canary and no route", "canary", "flag", "no flag", "no alias"],
)
def test_an_order_without_loss_keeps_what_serves_other_nodes(facts: CutoverFacts, expected: list[str]) -> None:
    assert ways(facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (WITHOUT_ROUTE, ["restore-routes"]),
        (under_the_range(), ["add-aliases", "remove-aliases"]),
        (under_the_range(saved=False), ["add-aliases"]),
        (without_aliases(under_the_range(saved=False)), ["add-aliases", "remove-secondary-range"]),
    ],
    ids=["no range", "a node that had a route", "a new node", "no alias"],
)
def test_an_order_with_an_outage_depends_on_no_route_under_the_range(facts: CutoverFacts, expected: list[str]) -> None:
    assert ways(facts, sacrifice=True) == expected


def test_what_cannot_be_done_is_no_way() -> None:
    hidden = under_the_range(flag=False)
    assert ways(replace(hidden, subnet=replace(hidden.subnet, flag_visible=False))) == ["add-aliases"]
    first, *others = under_the_range().nodes
    assert ways(replace(under_the_range(), nodes=(replace(first, subnet_ok=False), *others))) == ["restore-routes"]


def test_what_was_shown_not_to_work_is_no_way() -> None:
    alias_useless = replace(under_the_range(), disproved="aliases-not-matched")
    assert ways(alias_useless) == ["remove-aliases", "restore-routes"]
    assert ways(without_aliases(alias_useless)) == ["remove-secondary-range", "restore-routes"]
    route_useless = replace(under_the_range(), disproved="routes-not-served")
    assert ways(route_useless) == ["remove-aliases"]
    assert ways(without_aliases(route_useless)) == ["remove-secondary-range"]


def test_a_route_that_is_refused_under_the_range_may_be_accepted_without_it() -> None:
    under, without = refusal(RestoreRoutes.id, under_the_range()), refusal(RestoreRoutes.id, at_rest(3))
    assert under != without
    assert not may_pass_later(under)
    assert may_pass_later(without)
    assert ways(replace(WITHOUT_ROUTE, refused=frozenset({under}))) == ["restore-routes"]


def test_a_node_that_joins_gets_its_route_unless_it_was_refused() -> None:
    assert without_range(at_rest(3)) is None
    assert without_range(WITHOUT_ROUTE) == RestoreRoutes(("node-0",), optional=True)
    assert without_range(replace(WITHOUT_ROUTE, refused=frozenset({RestoreRoutes.id}))) is None


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (stands_at(Stage.ALIASES), "barrier-restored-routes"),
        (replace(stands_at(Stage.DONE), disproved="aliases-not-matched"), "set-overlap-flag"),
        (replace(stands_at(Stage.FLAG), disproved="routes-not-served"), "barrier-range-removed"),
    ],
    ids=["nothing was disproved", "no flag, so aliases serve the nodes", "no range"],
)
def test_after_a_trial_nothing_is_hurried_where_no_node_depends_on_what_was_disproved(
    facts: CutoverFacts, step: str
) -> None:
    planned = UNMATCHED.next_transition(facts, SETTINGS)
    assert planned is not None
    assert planned.id == step


def test_after_a_trial_unreachable_nodes_cost_no_other_node_its_alias_while_the_flag_is_off() -> None:
    facts = replace(under_the_range(flag=False), disproved="aliases-not-matched")
    assert ways_of(UNMATCHED, facts) == ["add-aliases", "set-overlap-flag"]
