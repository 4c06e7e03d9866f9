"""The event queue of the simulation: a heap of simulated instants and one asyncio task."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable

from dualstack.clock import Clock

Callback = Callable[[float], None]
log = logging.getLogger(__name__)


def _run_callback(instant: float, callback: Callback) -> None:
    """Run one callback; an exception does not stop the others."""
    try:
        callback(instant)
    except Exception:
        log.exception("bug in the simulator: the callback due at %.3f failed", instant)


class Scheduler:
    """Runs callbacks in the order of their instants and passes each its own instant, however late the machine is.

    The task exists only while callbacks are scheduled.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callback]] = []
        self._ordinal = itertools.count()
        self._runner: asyncio.Task[None] | None = None
        self._nap: asyncio.Task[None] | None = None

    def at(self, instant: float, callback: Callback) -> None:
        """Schedule `callback(instant)` for when the clock reaches `instant`. Needs a running event loop."""
        entry = (instant, next(self._ordinal), callback)
        heapq.heappush(self._heap, entry)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="compute-agenda")
        elif self._heap[0] is entry and self._nap is not None:
            self._nap.cancel()

    def catch_up(self) -> float:
        """Run what is due and return the current instant.

        Every request calls this first, so it sees the state of its own instant even if the timer is late.
        """
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            instant, _, callback = heapq.heappop(self._heap)
            _run_callback(instant, callback)
        return now

    async def _run(self) -> None:
        while self._heap:
            now = self.catch_up()
            if not self._heap:
                return
            self._nap = asyncio.ensure_future(self._clock.sleep(self._heap[0][0] - now))
            await asyncio.wait({self._nap})
            self._nap = None

    def finish(self) -> None:
        """Run everything scheduled, in order, at this instant."""
        now = self.catch_up()
        while self._heap:
            _, _, callback = heapq.heappop(self._heap)
            _run_callback(now, callback)

    def clear(self) -> None:
        """Drop everything scheduled; the scheduler stays usable."""
        self._heap.clear()

    async def close(self) -> None:
        """Drop everything scheduled and stop the task."""
        self._heap.clear()
        runner, self._runner = self._runner, None
        for task in (self._nap, runner):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
