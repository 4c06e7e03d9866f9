"""Work queues of keys, with delays and backoff, on the timers of one world."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from dualstack.clock import Clock
from dualstack.model.errors import DualstackError

Key = TypeVar("Key", bound=Hashable)

_log = logging.getLogger(__name__)


class Workqueue(Generic[Key]):
    """Deduplicates keys. A key that is added while it is processed is processed again afterwards."""

    def __init__(self, timers: Timers, *, name: str, backoff: float = 0.5, longest: float = 30.0) -> None:
        """`backoff`: simulated seconds after the first failure, doubled for each further one up to `longest`."""
        self.name = name
        self._timers = timers
        self._backoff = backoff
        self._longest = longest
        self._ready: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._working: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._available = asyncio.Event()

    def add(self, key: Key) -> None:
        """Process `key` as soon as possible."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._offer(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Process `key` after `seconds`, or sooner.

        Only the earliest delay of a key counts, and it lapses when the key is processed before. A reconcile must
        therefore request each delay again.
        """
        due = self._timers.now() + seconds
        if key in self._dirty or self._due.get(key, math.inf) <= due:
            return
        self._due[key] = due

        def arrive() -> None:
            if self._due.get(key) == due:
                self.add(key)

        self._timers.after(seconds, arrive)

    def add_soon(self, key: Key, seconds: float = 1.0) -> None:
        """Process `key` within `seconds`; gathers bursts of changes."""
        self.add_after(key, seconds)

    def add_backoff(self, key: Key) -> None:
        """Process `key` after a delay that doubles with each call until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._longest, self._backoff * 2.0 ** min(failures, 20)))

    def failures(self, key: Key) -> int:
        """Calls of `add_backoff` since the last `forget`."""
        return self._failures.get(key, 0)

    def forget(self, key: Key) -> None:
        """Reset the backoff of `key`."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key. Call `done` when it is processed."""
        while not self._ready:
            self._available.clear()
            await self._available.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._due.pop(key, None)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """Mark `key` from `get` as processed."""
        self._working.discard(key)
        if key in self._dirty:
            self._offer(key)

    async def serve(self, reconcile: Callable[[Key], Awaitable[float | None]], *, workers: int = 1) -> None:
        """Process keys until cancelled. `reconcile` returns the seconds until the key is due again, or None.

        After an API error the key is retried with backoff. Any other exception ends the actor.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(reconcile))

    async def _work(self, reconcile: Callable[[Key], Awaitable[float | None]]) -> None:
        while True:
            key = await self.get()
            try:
                again = await reconcile(key)
            except DualstackError as refusal:
                _log.debug("%s %s: %s", self.name, key, refusal)
                self.add_backoff(key)
            else:
                self.forget(key)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self.done(key)

    def _offer(self, key: Key) -> None:
        self._ready.append(key)
        self._available.set()


class Timers:
    """Calls callbacks at simulated times, in order. Nothing happens before `run` runs."""

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
        """Sleep until an earlier timer is added, at most for `seconds`."""
        self._sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((self._sleeper,))
        finally:
            self._sleeper.cancel()
            self._sleeper = None
