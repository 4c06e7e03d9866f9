"""A plan that is interrupted after any step and made again from the facts finishes and keeps its invariants."""

from __future__ import annotations

import pytest

from dualstack.plan.invariants import MAKE_BEFORE_BREAK, check
from dualstack.plan.settings import Settings
from dualstack.plan.steps import DeleteRoutes
from dualstack.plan.strategies import STRATEGIES, choose
from tests.support.cluster_facts import at_goal, at_rest, last, restarted, states
from tests.support.hosts import delivered_to, view_of
from tests.support.upstream_order import UPSTREAM

SETTINGS = Settings(batch_size=2)


@pytest.mark.parametrize("nodes", range(7))
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_prefix_is_finished_by_either_strategy(name: str, nodes: int) -> None:
    start = at_rest(nodes)
    reached = [start, *(facts for _, facts in states(choose(name), start, SETTINGS))]
    assert at_goal(reached[-1])
    for facts in reached:
        for resumed_by in STRATEGIES.values():
            end = last(resumed_by, restarted(facts), SETTINGS)
            assert at_goal(end), (name, resumed_by.name)
            assert not end.unreachable


@pytest.mark.parametrize("nodes", range(7))
def test_overlap_keeps_every_invariant_through_every_resumption(nodes: int) -> None:
    overlap = choose("overlap")
    start = at_rest(nodes)
    for cut in [start, *(facts for _, facts in states(overlap, start, SETTINGS))]:
        facts = restarted(cut)
        for transition in overlap.transitions(facts, SETTINGS):
            assert transition.precondition(facts) == []
            check(MAKE_BEFORE_BREAK, facts, transition)
            facts = transition.effect(facts)
            for node in facts.nodes:
                assert node.pod_cidr
                assert delivered_to(view_of(facts), node.pod_cidr) == {node.name}, transition.id


@pytest.mark.parametrize("nodes", range(1, 7))
def test_overlap_finishes_an_interrupted_migration_of_upstream(nodes: int) -> None:
    overlap = choose("overlap")
    start = at_rest(nodes)
    for _, cut in states(UPSTREAM, start, SETTINGS):
        facts = restarted(cut)
        for transition in overlap.transitions(facts, SETTINGS):
            check(MAKE_BEFORE_BREAK, facts, transition)
            facts = transition.effect(facts)
        assert at_goal(facts)


@pytest.mark.parametrize("nodes", range(1, 7))
def test_each_node_is_handled_once(nodes: int) -> None:
    for strategy in STRATEGIES.values():
        plan = list(strategy.transitions(at_rest(nodes), SETTINGS))
        for steps in (("add-alias-canary", "add-aliases"), ("delete-route-canary", "delete-routes")):
            targets = [target for step in plan if step.id in steps for target in step.targets]
            assert len(targets) == len(set(targets)) == nodes


def test_upstream_deletes_routes_before_it_adds_aliases() -> None:
    lost = [
        facts.unreachable
        for transition, facts in states(UPSTREAM, at_rest(3), SETTINGS)
        if isinstance(transition, DeleteRoutes)
    ]
    assert lost == [("node-0", "node-1", "node-2")]
