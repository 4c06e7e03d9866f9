"""The first half of `overlap`, which keeps every route, and the orders that serve nodes which join later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan import gates
from dualstack.plan.costs import describe_outage
from dualstack.plan.facts import KEPT, CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases
from dualstack.plan.steps.repetition import RepeatAlias
from dualstack.plan.strategies.back import WITHOUT_GATES, way_back
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.compressed import COMPRESSED
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import FOLLOW, JOINED, PREPARE, mark, prepared
from dualstack.plan.strategies.serve import serve
from dualstack.plan.strategies.unmatched import UNMATCHED
from dualstack.plan.strategies.until import DUAL_STACK
from tests.support.cluster_facts import at_rest, cidr, last, node, restarted, route

SETTINGS = Settings()
TRIED = Settings(repeat_alias=True)
START = replace(at_rest(3), controller=KEPT)
END = last(PREPARE, START, SETTINGS)


def steps(facts: CutoverFacts, settings: Settings = SETTINGS) -> list[str]:
    return [transition.id for transition in PREPARE.transitions(facts, settings)]


def without_flag(facts: CutoverFacts) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=False))


def test_every_alias_is_added_and_known_while_every_route_stays() -> None:
    assert steps(START)[-7:] == [
        "barrier-range",
        "add-alias-canary",
        "barrier-alias-canary",
        "gate-alias-canary",
        "add-aliases",
        "barrier-aliases",
        "gate-aliases",
    ]
    assert (END.routes, END.controller, steps(END)) == (START.routes, KEPT, [])


def test_after_a_restart_the_aliases_are_awaited_again() -> None:
    assert steps(restarted(END)) == ["barrier-aliases", "gate-aliases"]


def test_a_cluster_without_nodes_has_no_alias_to_wait_for() -> None:
    assert steps(replace(at_rest(0), controller=KEPT)) == ["add-secondary-range"]


def test_the_range_covers_the_route_of_a_vm_that_is_gone_only_with_the_flag() -> None:
    facts = replace(at_rest(0), routes=(route(7),), controller=KEPT)
    assert steps(facts) == ["set-overlap-flag", "barrier-flag", "add-secondary-range"]


def test_a_repeated_alias_is_tried_on_the_first_vm_before_the_others_get_theirs() -> None:
    plan = steps(START, TRIED)
    assert plan[plan.index("repeat-alias") - 1] == "add-alias-canary"
    assert plan.count("repeat-alias") == 1
    assert PREPARE.next_transition(restarted(END), TRIED) == RepeatAlias(("node-0",))


def test_without_a_range_the_route_controller_serves_a_node_that_joins() -> None:
    joined = replace(START, routes=START.routes[1:])
    assert PREPARE.next_transition(joined, SETTINGS) == gates.FLAG
    under = replace(END, nodes=(*END.nodes, node(3)))
    assert PREPARE.next_transition(under, SETTINGS) == AddAliases(("node-3",))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (END, True),
        (without_flag(END), False),  # the routes under the range serve no address without it
        (replace(without_flag(END), routes=()), True),
        (replace(END, subnet=replace(END.subnet, secondary_ranges=())), False),
        (replace(END, nodes=(*END.nodes, node(3))), False),
        (replace(END, nodes=(), routes=()), False),
    ],
    ids=["the end", "no flag", "neither flag nor routes", "no range", "a missing alias", "no nodes"],
)
def test_a_cluster_is_prepared_with_flag_range_and_all_aliases(facts: CutoverFacts, *, expected: bool) -> None:
    assert prepared(facts) is expected


def test_the_mark_changes_with_the_nodes_and_their_pod_cidrs_alone() -> None:
    first, *others = START.nodes
    assert mark(replace(START, nodes=(*others, first))) == mark(START) == mark(END)
    assert mark(replace(START, nodes=tuple(others))) != mark(START)
    assert mark(replace(START, nodes=(replace(first, pod_cidr=cidr(9)), *others))) != mark(START)
    assert len(mark(START)) == 16


def test_nodes_that_join_after_the_cut_over_get_their_alias_and_nothing_is_awaited() -> None:
    assert FOLLOW.next_transition(restarted(END), SETTINGS) is None
    joined = replace(END, nodes=(*END.nodes, node(3)))
    assert [step.id for step in FOLLOW.transitions(joined, SETTINGS)] == ["add-aliases"]


def test_what_fails_for_a_node_that_joins_takes_no_alias_of_the_others() -> None:
    assert PREPARE.retreats
    assert JOINED.retreats == FOLLOW.retreats == {}


@pytest.mark.parametrize(
    "strategy",
    [OVERLAP, PREPARE, JOINED, FOLLOW, FINISH, DUAL_STACK, way_back(), WITHOUT_GATES, UNMATCHED],
    ids=lambda strategy: strategy.name,
)
def test_the_orders_without_loss_announce_none(strategy: Strategy) -> None:
    assert describe_outage(strategy, START, SETTINGS).startswith("No packet is expected to be lost")
    assert "No packet" not in describe_outage(COMPRESSED, START, SETTINGS)


def test_only_the_orders_that_serve_nodes_again_go_on_after_a_refused_step() -> None:
    assert UNMATCHED.rescues
    assert serve(sacrifice=True).rescues
    assert not any(strategy.rescues for strategy in (OVERLAP, COMPRESSED, PREPARE, FINISH, way_back()))
