"""The way back from every state of a strategy: it loses no packet, and after every step forward is possible again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.plan.blocks import unused_block
from dualstack.plan.invariants import MAKE_BEFORE_BREAK_BACKWARDS, check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.back import way_back
from tests.support.cluster_facts import (
    PODS,
    RUNNING,
    at_goal,
    at_rest,
    last,
    node,
    on_routes,
    reached_by,
    restarted,
    stands_at,
    states,
)
from tests.support.hosts import PROPAGATION, delivered_to, losses, view_of

SETTINGS = Settings(batch_size=2)
BACK = way_back()
OVERLAP = choose("overlap")


@pytest.mark.parametrize("nodes", range(7))
@pytest.mark.parametrize("name", STRATEGIES)
def test_from_every_prefix_of_every_strategy_back_to_routes_and_from_every_prefix_of_that_forward(
    name: str, nodes: int
) -> None:
    for cut in reached_by(name, nodes):
        facts, unreachable = cut, set(cut.unreachable)
        for transition in BACK.transitions(cut, SETTINGS):
            assert transition.precondition(facts) == []
            check(MAKE_BEFORE_BREAK_BACKWARDS, facts, transition)
            facts = transition.effect(facts)
            unreachable &= set(facts.unreachable)
            assert set(facts.unreachable) <= unreachable
            end = last(OVERLAP, restarted(facts), SETTINGS)
            assert at_goal(end)
        assert on_routes(facts)
        assert not facts.unreachable
        assert not facts.controller.ignored
        assert sorted(route.destination for route in facts.routes) == sorted(facts.pod_cidr_of.values())


@pytest.mark.parametrize("nodes", range(1, 7))
def test_the_way_back_is_resumed_after_every_step(nodes: int) -> None:
    for cut in reached_by("overlap", nodes):
        for _, facts in states(BACK, cut, SETTINGS):
            assert on_routes(last(BACK, restarted(facts), SETTINGS))


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION, 119.0])
def test_no_host_loses_a_packet_whatever_it_has_seen(nodes: int, propagation: float) -> None:
    for stage in list(Stage)[1:]:
        assert losses(BACK, stands_at(stage, nodes), SETTINGS, propagation=propagation) == set(), stage


def test_no_host_loses_a_packet_wherever_it_is_killed() -> None:
    start = stands_at(Stage.DONE)
    for killed_after in range(1, len(list(states(BACK, start, SETTINGS))) + 1):
        assert losses(BACK, start, SETTINGS, killed_after=killed_after) == set(), killed_after


@pytest.mark.parametrize(
    "impatient",
    [
        replace(SETTINGS, barrier_flag=0.0, barrier_routes=0.0),
        replace(SETTINGS, barrier_flag=PROPAGATION - 1, barrier_routes=PROPAGATION - 1),
        replace(SETTINGS, barrier_range=0.0),
    ],
    ids=["no-barrier-before-the-aliases-go", "too-short", "no-barrier-before-the-flag-goes"],
)
def test_without_its_barriers_the_way_back_loses(impatient: Settings) -> None:
    assert losses(BACK, stands_at(Stage.DONE), impatient) != set()


def test_the_drill_takes_a_block_that_nothing_uses() -> None:
    assert unused_block(stands_at(Stage.ALIASES)) == "10.127.255.0/24"
    last_taken = replace(at_rest(1), nodes=(replace(node(0), pod_cidr="10.127.255.0/24"),))
    assert unused_block(last_taken) == "10.127.254.0/24"
    full = replace(at_rest(1), pods_cidr="10.96.0.0/24", routes=())
    assert unused_block(full) is None
    assert unused_block(replace(at_rest(0), pods_cidr=PODS)) == "10.127.224.0/19"


@settings(max_examples=300)
@given(
    nodes=st.integers(0, 6),
    name=st.sampled_from(sorted(STRATEGIES)),
    turns=st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.booleans()), max_size=6),
)
def test_changing_direction_at_random_loses_nothing(nodes: int, name: str, turns: list[tuple[bool, int, bool]]) -> None:
    """Forward without loss and back, for some steps each, from the end of any strategy, with and without restarts."""
    facts = reached_by(name, nodes)[-1 - len(turns) % max(1, nodes)]
    unreachable = set(facts.unreachable)
    for forward, count, killed in turns:
        strategy = OVERLAP if forward else BACK
        for _ in range(count):
            transition = strategy.next_transition(facts, SETTINGS)
            if transition is None:
                break
            check(strategy.invariants, facts, transition)
            facts = transition.effect(facts)
            unreachable &= set(facts.unreachable)
            for vm, owed in facts.pod_cidr_of.items():
                assert vm in unreachable or delivered_to(view_of(facts), owed) == {vm}
        facts = restarted(facts) if killed else facts
        if not facts.controller.ignored:
            facts = replace(facts, controller=RUNNING)
    assert on_routes(last(BACK, facts, SETTINGS))
    assert at_goal(last(OVERLAP, facts, SETTINGS))
