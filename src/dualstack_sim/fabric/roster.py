"""Which end points there were together, and when: the pairs that a report is about."""

from __future__ import annotations

import math


class Roster:
    """The hosts of one IP family that can be talked to, and which of their pairs came after the mark."""

    def __init__(self) -> None:
        self.marked: frozenset[str] = frozenset()
        self.later_pairs = 0
        self._stays: dict[str, list[tuple[float, float]]] = {}
        self._present: dict[str, float] = {}

    @property
    def present(self) -> frozenset[str]:
        return frozenset(self._present)

    def join(self, at: float, host: str) -> None:
        if host in self._present:
            return
        fresh = sum(1 for other in self._present if not self._have_met(host, other))
        self.later_pairs += 2 * fresh
        self._present[host] = at

    def leave(self, at: float, host: str) -> None:
        since = self._present.pop(host, None)
        if since is not None:
            self._stays.setdefault(host, []).append((since, at))

    def mark(self, at: float) -> None:
        self.marked = frozenset(self._present)
        self.later_pairs = 0
        self._stays.clear()
        self._present = dict.fromkeys(self._present, at)

    def _have_met(self, host: str, present: str) -> bool:
        """Whether the two were there together before; `present` is there now, `host` is about to come back."""
        theirs = [*self._stays.get(present, ()), (self._present[present], math.inf)]
        return any(
            start <= other_end and other_start <= end
            for start, end in self._stays.get(host, ())
            for other_start, other_end in theirs
        )
