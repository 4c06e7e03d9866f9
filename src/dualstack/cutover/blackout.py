"""Measures how long pods were unreachable, as far as the two APIs show it.

The measure runs from the step that began the blackout to the observation that shows its end. Hosts learn of a deleted
route and of a new alias some seconds later, so the blackout in the data path may be shifted by that much.
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts


class BlackoutWatch:
    """Follows the facts of one run."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._whole = True
        self._most = 0

    def begin(self, facts: CutoverFacts, now: float) -> None:
        """Take the first observation. A blackout that exists already began at an unknown time."""
        if unreachable := _unreachable(facts):
            self._since, self._whole, self._most = now, False, unreachable

    def follow(self, facts: CutoverFacts, *, begun: float, now: float) -> tuple[float, str] | None:
        """Take the facts after a step that began at `begun`; returns seconds and text of a blackout that has ended."""
        # Node conditions alone do not start a blackout: they may have another cause.
        unreachable = len(facts.unreachable) if self._since is None else _unreachable(facts)
        self._most = max(self._most, unreachable)
        if unreachable and self._since is None:
            self._since = begun
        if unreachable or self._since is None:
            return None
        seconds, whole, most = now - self._since, self._whole, self._most
        self._since, self._whole, self._most = None, True, 0
        bound = "at most" if whole else "at least"
        return seconds, f"the pods of {most} nodes could not reach other nodes for {bound} {seconds:.1f} s"


def _unreachable(facts: CutoverFacts) -> int:
    """How many VMs have no route or alias, or an alias that carries nothing (docs/reference/cut-over.md#k3)."""
    return len({*facts.unreachable, *facts.unmatched})
