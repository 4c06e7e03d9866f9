"""Estimates how far the cut-over is, after each step."""

from __future__ import annotations

from dualstack.model.events import Progress
from dualstack.plan.costs import estimate
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy


class ProgressEstimator:
    """Keeps the expected end of the cut-over, so that the whole plan is simulated once for each kind of step."""

    def __init__(self, strategy: Strategy, settings: Settings) -> None:
        self._strategy = strategy
        self._settings = settings
        self._step = ""
        self._end = 0.0

    def read(self, facts: CutoverFacts, step: str, now: float, shoot: str) -> Progress:
        """The progress of `facts`, reached by `step`. `eta` is that of the cut-over alone, in seconds.

        No node is dual-stack before the roll-out: NICs keep their stack type during the cut-over.
        """
        if step != self._step:
            self._step = step
            self._end = now + estimate(self._strategy, facts, self._settings)
        return Progress(
            at=now,
            shoot=shoot,
            nodes=len(facts.node_of),
            nodes_dual_stack=0,
            routes_left=len(facts.routes),
            eta=max(0.0, self._end - now),
        )
