"""A strategy: an order of steps with the invariants that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import Invariant
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps.base import Transition

Planner = Callable[[CutoverFacts, Settings], Transition | None]
"""Returns the next step; None when nothing remains."""


@dataclass(frozen=True)
class Strategy:
    """An order of steps with the invariants that it keeps.

    lossless: every pod CIDR stays reachable at every instant. rescues: while nodes are unreachable, a refused step
    leads to the next way instead of an error.
    """

    name: str
    next_transition: Planner
    invariants: tuple[Invariant, ...]
    lossless: bool = False
    rescues: bool = False
    retreats: Mapping[str, Stage] = field(default_factory=dict)
    """The stage to which a failed gate is rolled back, by its id. Without an entry, nothing is rolled back."""

    def transitions(self, facts: CutoverFacts, settings: Settings) -> Iterator[Transition]:
        """All remaining steps from `facts`, each planned from the expected effect of the one before.

        Ends after a step whose precondition is not met, because nothing is predictable from there, and after one that
        would change nothing, because it would be planned again without end.
        """
        while (transition := self.next_transition(facts, settings)) is not None:
            yield transition
            after = transition.effect(facts)
            if transition.precondition(facts) or after.same_as(facts):
                return
            facts = after


def obstacles(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> list[str]:
    """Unmet preconditions of the first step from `facts` that cannot be performed (docs/reference/weaknesses.md#w2)."""
    for transition in strategy.transitions(facts, settings):
        if problems := transition.precondition(facts):
            return problems
        after = transition.effect(facts)
        if after.same_as(facts):
            return [f"step {transition.id} is passed and would be planned again without end; no later step is reached"]
        facts = after
    return []
