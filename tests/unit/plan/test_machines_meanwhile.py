"""VMs that appear or vanish while the cut-over runs (docs/reference/weaknesses.md#w36)."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from dualstack.plan.facts import AliasFacts, CutoverFacts, NodeFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK, check
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases, DeleteRoutes, RemoveSecondaryRange, RestoreRoutes
from dualstack.plan.strategies import STRATEGIES, choose
from tests.support.cluster_facts import RANGE, ZONE, at_goal, at_rest, cidr, last, states

SETTINGS = Settings(batch_size=2)
OVERLAP = choose("overlap")
YOUNG = NodeFacts("young", ZONE, pod_cidr=None)


def reached(step: str, nodes: int = 4) -> CutoverFacts:
    return next(facts for done, facts in states(OVERLAP, at_rest(nodes), SETTINGS) if done.id == step)


@pytest.mark.parametrize("name", STRATEGIES)
def test_w36_a_vm_without_pod_cidr_holds_nothing_up_and_gets_no_alias(name: str) -> None:
    facts = replace(at_rest(3), nodes=(*at_rest(3).nodes, YOUNG))
    end = last(choose(name), facts, SETTINGS)
    assert at_goal(end)
    assert end.node_of["young"].aliases == ()


@pytest.mark.parametrize("step", ["add-secondary-range", "add-alias-canary", "add-aliases", "barrier-aliases"])
def test_w36_a_vm_whose_node_is_given_a_pod_cidr_late_gets_its_alias_before_any_route_goes(step: str) -> None:
    facts = reached(step)
    facts = replace(facts, nodes=(*facts.nodes, replace(YOUNG, pod_cidr=cidr(40)))).with_changed("aliases")
    plan = list(OVERLAP.transitions(facts, SETTINGS))
    served = [number for number, step in enumerate(plan) if "young" in step.targets]
    deleted = next(number for number, step in enumerate(plan) if isinstance(step, DeleteRoutes))
    assert any(isinstance(plan[number], AddAliases) for number in served if number < deleted)
    assert isinstance(plan[served[0]], RestoreRoutes if step == "add-secondary-range" else AddAliases)
    assert at_goal(last(OVERLAP, facts, SETTINGS))


@pytest.mark.parametrize("step", ["save-routes", "add-secondary-range"])
def test_p01_a_node_whose_route_is_refused_gets_its_alias_and_the_range_stays(step: str) -> None:
    facts = reached(step)
    young = replace(YOUNG, pod_cidr=cidr(40))
    facts = replace(facts, nodes=(*facts.nodes, young), refused=frozenset({RestoreRoutes.id}))
    plan = list(islice(OVERLAP.transitions(facts, SETTINGS), 100))
    assert len(plan) < 100
    assert not any(isinstance(each, RemoveSecondaryRange) for each in plan)
    assert AddAliases(("young",)) in plan


def test_w36_a_node_that_appears_during_the_deletes_gets_its_alias_before_the_next_route_is_deleted() -> None:
    facts = reached("delete-route-canary")
    facts = replace(facts, nodes=(*facts.nodes, replace(YOUNG, pod_cidr=cidr(40))))
    following = OVERLAP.next_transition(facts, SETTINGS)
    assert following == AddAliases(("young",))


@pytest.mark.parametrize("step", ["add-secondary-range", "add-aliases"])
def test_w37_a_vm_that_was_given_the_block_of_a_living_node_stops_the_plan_before_a_route_goes(step: str) -> None:
    """The automatic choice of a `/24` considers aliases but not static routes (docs/reference/cut-over.md#e8)."""
    facts = reached(step)
    taken = cidr(3)
    thief = replace(YOUNG, name="thief", aliases=(AliasFacts(taken, RANGE),))
    victim = replace(facts.node_of["node-3"], aliases=())
    facts = replace(facts, nodes=(*(node for node in facts.nodes if node.name != "node-3"), victim, thief))
    *before, refused = OVERLAP.transitions(facts, SETTINGS)
    assert not any(isinstance(step, DeleteRoutes) for step in before)
    assert "node-3" in refused.targets
    while before and refused.precondition(facts) == []:
        facts = before.pop(0).effect(facts)
    assert f"VM thief holds {taken}, the pod CIDR of VM node-3, as an alias" in refused.precondition(facts)


@pytest.mark.parametrize("vm", range(4))
def test_a_vm_that_vanishes_after_any_step_is_skipped_and_its_route_goes(vm: int) -> None:
    for _, facts in states(OVERLAP, at_rest(4), SETTINGS):
        left = replace(facts, nodes=tuple(node for node in facts.nodes if node.name != f"node-{vm}"))
        assert not set(left.unreachable) - set(facts.unreachable)
        now = left
        for transition in OVERLAP.transitions(left, SETTINGS):
            assert transition.precondition(now) == []
            check(MAKE_BEFORE_BREAK, now, transition)
            assert not (isinstance(transition, AddAliases) and f"node-{vm}" in transition.targets)
            now = transition.effect(now)
        assert at_goal(now)
