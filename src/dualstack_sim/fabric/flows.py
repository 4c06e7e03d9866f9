"""Flows of single packets between addresses of VMs: which were answered, from the paths as they were at each instant.

The result equals sending every packet: a path changes only with an event of the fabric, and each packet has an instant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from typing import Any

from dualstack.trial.agent.startup import BROKEN, GRACE, Windows

Json = dict[str, Any]
RETRANSMISSION = 0.2
"""Seconds after which TCP sends a lost packet again; twice as long for each further time."""


class Path:
    """Which process answered packets of a flow at each instant; None for none."""

    def __init__(self) -> None:
        self._since: list[float] = []
        self._answers: list[Hashable | None] = []

    def set(self, at: float, answers: Hashable | None) -> None:
        """From `at` on `answers` answers."""
        if not self._answers or self._answers[-1] != answers:
            self._since.append(at)
            self._answers.append(answers)

    def at(self, instant: float) -> Hashable | None:
        place = bisect_right(self._since, instant) - 1
        return self._answers[place] if place >= 0 else None

    def forget(self, before: float) -> None:
        """Drop what no packet needs any more."""
        place = max(0, bisect_right(self._since, before) - 1)
        del self._since[:place], self._answers[:place]


class SimulatedFlow:
    """One packet at each interval from `begin` on; a UDP flow."""

    def __init__(self, order: Json, begin: float) -> None:
        self.order = order
        self.path = Path()
        self.receiver: str | None = None
        """The host to which the network delivers its packets."""
        self.windows = Windows()
        self.connections = 0
        self._next = begin
        self._number = 0

    def advance(self, until: float) -> None:
        """Send all packets before `until`; the path is known until then."""
        while self._next < until:
            self._number += 1
            self.windows.send(self._number, self._next)
            self.send(self._number, self._next)
            self._next = round(self._next + self.order["interval"], 6)
        self.path.forget(until)

    def taken(self, until: float) -> Json | None:
        """The next part of a report."""
        part = self.windows.take(until)
        return None if part is None else part | {"connections": self.connections}

    def send(self, number: int, at: float) -> None:
        """One packet."""
        if self.path.at(at) is not None:
            self.windows.answer(number)


class SimulatedTcpFlow(SimulatedFlow):
    """Packets on one connection, which sends again what was lost, and which ends with the process that answers it."""

    def __init__(self, order: Json, begin: float) -> None:
        super().__init__(order, begin)
        self._peer: Hashable | None = None
        self._waiting: list[tuple[int, float]] = []
        self._again = 0.0
        self._delay = 0.0
        self._end = 0.0

    def advance(self, until: float) -> None:
        super().advance(until)
        self._retransmit(until)

    def send(self, number: int, at: float) -> None:
        self._retransmit(at)
        present = self.path.at(at)
        if self._waiting:
            self._waiting.append((number, at))
            return
        if self._peer is None or present not in (None, self._peer):
            self._peer = present  # a new connection, at the first attempt or after a reset
            self.connections += present is not None
            if present is None:
                return
        if present is not None:
            self.windows.answer(number)
        else:
            self._waiting, self._delay, self._again = [(number, at)], RETRANSMISSION, at + RETRANSMISSION
            self._end = at + BROKEN

    def _retransmit(self, until: float) -> None:
        while self._waiting and self._again < until:
            present = self.path.at(self._again)
            if present == self._peer:
                for number, sent in self._waiting:
                    if self._again - sent <= GRACE:
                        self.windows.answer(number)
                self._waiting = []
            elif present is not None or self._again >= self._end:
                self._waiting, self._peer = [], None
            else:
                self._delay *= 2
                self._again = min(self._again + self._delay, self._end)
