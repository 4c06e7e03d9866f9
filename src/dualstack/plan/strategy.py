"""How the routes move: the strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.transitions import Transition, walk

Planner = Callable[[CutoverFacts, Settings], Transition | None]
"""The next step from these facts; None when nothing remains."""


@dataclass(frozen=True)
class Strategy:
    """An order in which the routes move, with what it promises."""

    name: str
    next_transition: Planner

    def transitions(self, facts: CutoverFacts, settings: Settings) -> Iterator[Transition]:
        """Everything that remains from `facts` to the goal."""
        return walk(facts, lambda reached: self.next_transition(reached, settings))
