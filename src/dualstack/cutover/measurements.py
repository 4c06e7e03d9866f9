"""Measures a cut-over: how long pods were unreachable, and how far it is.

A blackout is measured as far as the two APIs show it: from the step that began it to the observation that shows its
end. Hosts learn of a deleted route and of a new alias some seconds later, so the blackout in the data path may be
shifted by that much.
"""

from __future__ import annotations

from dualstack.model.events import Progress
from dualstack.plan.costs import estimate
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy


class BlackoutWatch:
    """Follows the facts of one run."""

    def __init__(self) -> None:
        self._open: tuple[float, bool, int] | None = None
        """Of a blackout that has not ended: since when, whether its begin was observed, and how many nodes at most."""

    def begin(self, facts: CutoverFacts, now: float, since: float | None = None) -> None:
        """Take the first observation. A blackout that exists already began at `since`, or at an unknown time."""
        if (unreachable := _unreachable(facts)) or since is not None:
            self._open = (now if since is None else since), since is not None, unreachable or 1

    def suspect(self, since: float, nodes: int) -> None:
        """Nodes on trial report a problem since the step that began at `since`."""
        if self._open is None:
            self._open = since, True, nodes

    @property
    def since(self) -> float | None:
        """When the blackout that has not ended began; None without one."""
        return self._open[0] if self._open is not None else None

    def follow(self, facts: CutoverFacts, *, begun: float, now: float) -> tuple[float, str] | None:
        """Take the facts after a step that began at `begun`; returns seconds and text of a blackout that has ended."""
        if self._open is None:
            # Node conditions alone do not start a blackout: they may have another cause.
            if facts.unreachable:
                self._open = begun, True, len(facts.unreachable)
            return None
        since, whole, most = self._open
        if unreachable := _unreachable(facts):
            self._open = since, whole, max(most, unreachable)
            return None
        self._open = None
        seconds, bound, noun = now - since, "at most" if whole else "at least", "node" if most == 1 else "nodes"
        return seconds, f"the pods of {most} {noun} could not reach other nodes for {bound} {seconds:.1f} s"


def _unreachable(facts: CutoverFacts) -> int:
    """How many VMs have no route or alias, or an alias that carries nothing (docs/reference/cut-over.md#k3)."""
    return len({*facts.unreachable, *facts.unmatched})


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
            nodes_with_alias=len(facts.pod_cidr_of) - len(facts.without_alias),
            eta=max(0.0, self._end - now),
        )
