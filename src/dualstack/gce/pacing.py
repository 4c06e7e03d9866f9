"""How fast to ask: the pace of polling, and the pause that a used-up quota window asks for (compute-api.md 4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dualstack.clock import Clock

WINDOW = 60.0
"""Seconds of a quota window; windows start at full minutes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks: `first`, then each `growth` times the one before, at most `ceiling`."""

    first: float = 0.5
    growth: float = 1.5
    ceiling: float = 5.0

    def delays(self) -> Iterator[float]:
        """The seconds before each look, without end."""
        delay = self.first
        while True:
            yield delay
            delay = min(self.ceiling, delay * self.growth)


QUICK = Pace()
"""gardener-behaviour.md W31: half a second up to five."""

UPSTREAM = Pace(first=10.0, growth=1.0, ceiling=10.0)
"""gardener-behaviour.md 4.4: every ten seconds, as the strategy `gardener` does for comparison."""


class QuotaPause:
    """Holds every request back until the next window, once one was told that the window is used up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    def hit(self) -> None:
        """A request was refused with rateLimitExceeded."""
        now = self._clock.now()
        self._until = max(self._until, (now // WINDOW + 1) * WINDOW)

    async def passed(self) -> None:
        """Return when requests make sense again."""
        wait = self._until - self._clock.now()
        if wait > 0:
            await self._clock.sleep(wait)
