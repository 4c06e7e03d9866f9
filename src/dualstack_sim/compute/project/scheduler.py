"""What is going to happen when: one heap of simulated instants behind one asyncio task."""

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
    """One callback that fails does not take the rest of the world with it."""
    try:
        callback(instant)
    except Exception:
        log.exception("what was due at %.3f failed for a reason of our own", instant)


class Scheduler:
    """Runs happenings in the order of their instants and hands each its own instant, however late the machine is.

    The task lives only while something is due, so an idle world costs no_effect.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callback]] = []
        self._ordinal = itertools.count()
        self._runner: asyncio.Task[None] | None = None
        self._nap: asyncio.Task[None] | None = None

    def at(self, instant: float, callback: Callback) -> None:
        """Let `callback(instant)` run when the clock reaches `instant`. Needs a running event loop."""
        entry = (instant, next(self._ordinal), callback)
        heapq.heappush(self._heap, entry)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="compute-agenda")
        elif self._heap[0] is entry and self._nap is not None:
            self._nap.cancel()

    def catch_up(self) -> float:
        """Run what is due by now and return the present instant.

        Every request does this first, so that it sees the state of its instant and not that of a late timer.
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
        """Let everything happen that is still to come, in order, at this instant instead of its own."""
        now = self.catch_up()
        while self._heap:
            _, _, callback = heapq.heappop(self._heap)
            _run_callback(now, callback)

    def clear(self) -> None:
        """Forget everything that has not happened; what is scheduled later on still happens."""
        self._heap.clear()

    async def close(self) -> None:
        """Forget everything that has not happened."""
        self._heap.clear()
        runner, self._runner = self._runner, None
        for task in (self._nap, runner):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
