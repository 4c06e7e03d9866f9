"""A cluster that moves forward and back at random under random disturbances (hypothesis, stateful)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import Strategy
from tests.support.cluster_facts import at_goal, at_rest, last, on_routes, restarted
from tests.support.disturbances import DISTURBANCES, Disturbance
from tests.support.hosts import delivered_to, view_of

SETTINGS = Settings(batch_size=2)
DIRECTIONS: tuple[Strategy, ...] = (*STRATEGIES.values(), *(way_back(stage) for stage in list(Stage)[:4]))


def unreachable(facts: CutoverFacts) -> set[str]:
    """The VMs that a host with a complete view does not reach, without the product's own rule."""
    view = view_of(facts)
    return {name for name, owed in facts.pod_cidr_of.items() if delivered_to(view, owed) != {name}}


class Cluster(RuleBasedStateMachine):
    """Steps of any strategy in any mixture, with any disturbance between two of them."""

    @initialize(nodes=st.integers(0, 6))
    def begin(self, nodes: int) -> None:
        self.facts = at_rest(nodes)

    @rule(direction=st.sampled_from(DIRECTIONS), count=st.integers(1, 6), decoys=st.booleans())
    def go(self, direction: Strategy, count: int, decoys: bool) -> None:
        """Every step keeps the invariants of its strategy, and a lossless strategy loses nothing."""
        for _ in range(count):
            transition = direction.next_transition(self.facts, replace(SETTINGS, decoys=decoys))
            if transition is None or transition.precondition(self.facts):
                return
            check(direction.invariants, self.facts, transition)
            after = transition.effect(self.facts)
            if direction.lossless:
                assert unreachable(after) & set(self.facts.pod_cidr_of) <= unreachable(self.facts), transition.id
            self.facts = after

    @rule(disturb=st.sampled_from(DISTURBANCES), number=st.integers(0, 5))
    def happen(self, disturb: Disturbance, number: int) -> None:
        self.facts = disturb(self.facts, number)

    @rule()
    def kill(self) -> None:
        self.facts = restarted(self.facts)

    @invariant()
    def the_goal_is_always_in_reach(self) -> None:
        if not hasattr(self, "facts"):
            return
        for decoys in (False, True):
            end = last(choose("overlap"), self.facts, replace(SETTINGS, decoys=decoys))
            assert at_goal(end)
            assert not end.decoys.present

    @invariant()
    def the_beginning_is_always_in_reach(self) -> None:
        if not hasattr(self, "facts"):
            return
        assert on_routes(last(way_back(), self.facts, SETTINGS))


Cluster.TestCase.settings = settings(max_examples=50, stateful_step_count=15)
TestCluster = Cluster.TestCase
