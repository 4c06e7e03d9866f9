"""One heap of things to do later, for all actors: a pod that starts, a key that is due again."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from dualstack.clock import Clock


class Timers:
    """Calls back at simulated times, in order of time. Nothing happens before `run` runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._sleeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def now(self) -> float:
        """Simulated seconds since the epoch."""
        return self._clock.now()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` (which must neither block nor raise) when `seconds` have passed."""
        at = self._clock.now() + seconds
        first = not self._heap or at < self._heap[0][0]
        heapq.heappush(self._heap, (at, next(self._order), callback))
        if first:
            self._wake.set()
            if self._sleeper is not None:
                self._sleeper.cancel()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            if not self._heap:
                await self._wake.wait()
                continue
            delay = self._heap[0][0] - self._clock.now()
            if delay > 0:
                await self._sleep(delay)
                continue
            heapq.heappop(self._heap)[2]()

    async def _sleep(self, seconds: float) -> None:
        """Until then, or until something earlier comes in."""
        self._sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((self._sleeper,))
        finally:
            self._sleeper.cancel()
            self._sleeper = None
