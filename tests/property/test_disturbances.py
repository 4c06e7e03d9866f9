"""Under any change between two steps, no step of the cut-over loses a packet, and it reaches its goal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK, check
from dualstack.plan.settings import Settings
from dualstack.plan.steps import SetOverlapFlag
from dualstack.plan.strategies import STRATEGIES, choose
from tests.support.cluster_facts import alias, at_goal, at_rest, node, restarted, route, states
from tests.support.disturbances import DISTURBANCES, Disturbance, alias_is_lost
from tests.support.hosts import delivered_to, view_of

SETTINGS = Settings(batch_size=2)
MOST_STEPS = 200


@st.composite
def started(draw: st.DrawFn) -> CutoverFacts:
    """A cluster at rest or after any step of any strategy, perhaps with a stale route or a node without one."""
    start = at_rest(draw(st.integers(0, 6)))
    if draw(st.booleans()):
        start = replace(start, routes=(*start.routes, route(50)))  # its VM does not exist
    if draw(st.booleans()):
        start = replace(start, nodes=(*start.nodes, node(60)))  # never had a route
    reached = [start]
    left_by = choose(draw(st.sampled_from(sorted(STRATEGIES))))
    reached += [facts for _, facts in states(left_by, start, SETTINGS)]
    return restarted(draw(st.sampled_from(reached)))


@settings(max_examples=400)
@given(
    facts=started(),
    disturbances=st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from(DISTURBANCES), st.integers(0, 5)),
        max_size=6,
    ),
    decoys=st.booleans(),
)
def test_overlap_loses_nothing_and_finishes_under_any_disturbance(
    facts: CutoverFacts, disturbances: list[tuple[int, Disturbance, int]], decoys: bool
) -> None:
    overlap, chosen = choose("overlap"), replace(SETTINGS, decoys=decoys)
    for step in range(MOST_STEPS):
        for _, disturb, number in (entry for entry in disturbances if entry[0] == step):
            facts = disturb(facts, number)
        transition = overlap.next_transition(facts, chosen)
        if transition is None:
            if all(entry[0] <= step for entry in disturbances):
                break
            continue
        assert transition.precondition(facts) == []
        check(MAKE_BEFORE_BREAK, facts, transition)
        before, facts = facts, transition.effect(facts)
        for name, owed in facts.pod_cidr_of.items():
            assert delivered_to(view_of(before), owed) != {name} or delivered_to(view_of(facts), owed) == {name}, (
                f"{transition.id} cut off {name}"
            )
    else:
        raise AssertionError("the cut-over does not come to an end")
    assert at_goal(facts)
    assert not facts.decoys.present


@given(facts=started(), name=st.sampled_from(sorted(STRATEGIES)))
@settings(max_examples=200)
def test_no_plan_is_made_from_a_finished_cluster(facts: CutoverFacts, name: str) -> None:
    strategy = choose(name)
    for transition in strategy.transitions(facts, SETTINGS):
        facts = transition.effect(facts)
    assert strategy.next_transition(restarted(facts), SETTINGS) is None


@given(facts=started())
@settings(max_examples=200)
def test_a_flag_is_set_only_over_routes_that_carry_traffic(facts: CutoverFacts) -> None:
    for transition in choose("overlap").transitions(facts, SETTINGS):
        if isinstance(transition, SetOverlapFlag):
            assert facts.live_routes
        facts = transition.effect(facts)


def test_a_vm_that_lost_route_and_alias_gets_its_alias_first() -> None:
    overlap, facts = choose("overlap"), at_rest(3)
    for transition, after in states(overlap, facts, SETTINGS):
        facts = after
        if transition.id == "delete-route-canary":
            break
    damaged = alias_is_lost(facts, 0)
    following = overlap.next_transition(damaged, SETTINGS)
    assert following is not None
    assert (following.id, following.targets) == ("add-aliases", ("node-0",))
    assert following.effect(damaged).node_of["node-0"].aliases == (alias(0),)
