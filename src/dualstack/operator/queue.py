"""A queue of keys: each key is reconciled by at most one task at a time.

Reconciles are level-triggered: adding a key several times has the effect of adding it once. A key that is added while
it is being reconciled is reconciled again. A reconcile that fails, or returns a delay, is repeated after the delay or
when the key is added.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from dualstack.clock import Clock
from dualstack.gardener.error_codes import error_codes
from dualstack.kube.interface import Conflict, NotFound, Unavailable
from dualstack.model.errors import DualstackError, InvalidInput, Unsupported
from dualstack.model.kinds import Manifest

FIRST = 5.0
LONGEST = 300.0
_AT_ONCE = 1.0

SLOTS = 50
SLOT_SECONDS = 2.0
"""Wall seconds after which a reconcile makes room for another one: every migration takes longer, so this is how much
later the next `SLOTS` begin when many are triggered at once."""
_NEEDS_USER = (InvalidInput, Unsupported)


def delay_after(error: BaseException, failures: int) -> float:
    """Seconds until the next try after `failures` failures in a row, this one included.

    A conflict is retried after 1 to 5 s. An error with `retry_after` (dualstack.gce.errors) waits that long, everything
    else 5 s, and both double up to 5 minutes: to 1 minute for an unavailable API or a missing object, and 5 minutes at
    once for an error that only a user can resolve.
    """
    if isinstance(error, Conflict):
        return min(_AT_ONCE * failures, FIRST)
    if isinstance(error, _NEEDS_USER) or isinstance(error.__cause__, _NEEDS_USER):
        return LONGEST
    named = getattr(error, "retry_after", None)
    first = max(float(named), _AT_ONCE) if isinstance(named, int | float) else FIRST
    doubled = min(first * 2.0 ** min(failures - 1, 10), max(first, LONGEST))
    return min(doubled, 60.0) if isinstance(error, Unavailable | NotFound) else doubled


def reason_of(error: BaseException) -> str:
    """A word for logs and metrics: the error's class, or `Defect` for an unexpected exception."""
    return type(error).__name__ if isinstance(error, DualstackError) else "Defect"


class Key(NamedTuple):
    """A controller and the object that it reconciles."""

    controller: str
    namespace: str
    name: str


def key_of(controller: str, found: Manifest) -> Key:
    """The key under which the object is queued."""
    return Key(controller, found["metadata"].get("namespace", ""), found["metadata"]["name"])


Reconcile = Callable[[Key], Awaitable[float | None]]
"""Reconciles the object. Returns the seconds until the next reconcile, or None."""

Outcome = Callable[[Key, str], None]
"""Takes the result of each reconcile: `Succeeded`, or the reason of the failure."""


@dataclass(slots=True)
class _Work:
    """One key that is being reconciled or waits for its next reconcile."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class _Slots:
    """Bounds how many reconciles work at a time. One that takes longer than `SLOT_SECONDS` waits for a cloud or a
    cluster, and makes room for the next; it goes on without a slot, so that a cloud that does not answer delays no
    other."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a slot, in order."""
        await self._free.acquire()
        held = [self._free]

        def give() -> None:
            if held:
                held.pop().release()

        timer = asyncio.get_running_loop().call_later(SLOT_SECONDS, give)
        try:
            yield
        finally:
            timer.cancel()
            give()


class KeyedQueue:
    """Runs `reconcile` for keys. Failures are logged and retried; they never end the queue.

    slots: how many reconciles work at a time; those that wait for a cloud or a cluster do not count.
    """

    def __init__(self, reconcile: Reconcile, clock: Clock, outcome: Outcome | None = None, slots: int = SLOTS) -> None:
        self._reconcile = reconcile
        self._clock = clock
        self._outcome = outcome or (lambda key, result: None)
        self._work: dict[Key, _Work] = {}
        self._closed = False
        self._slots = _Slots(slots)
        self._log = structlog.get_logger("dualstack.queue")

    def add(self, key: Key) -> None:
        """Reconcile the key now, or once more if it is being reconciled. Ends a delay."""
        if self._closed:
            return
        work = self._work.get(key)
        if work is not None:
            work.wake.set()
            return
        work = self._work[key] = _Work()
        work.task = asyncio.create_task(self._run(key, work), name=f"{key.controller} {key.namespace}/{key.name}")

    async def close(self) -> None:
        """Cancel all reconciles and return when they have ended. The next process resumes from observed state."""
        self._closed = True
        tasks = [work.task for work in self._work.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._work.clear()

    def __len__(self) -> int:
        """The number of keys that are being reconciled or wait."""
        return len(self._work)

    async def _run(self, key: Key, work: _Work) -> None:
        failures = 0
        while True:
            work.wake.clear()
            again, error = await self._try(key)
            if error is not None:
                failures += 1
                again = delay_after(error, failures)
                self._report(key, error, again, failures)
            else:
                failures = 0
                self._outcome(key, "Succeeded")
            if again is None and not work.wake.is_set():
                del self._work[key]
                return
            if again:
                await self._rest(again, work.wake)

    async def _try(self, key: Key) -> tuple[float | None, BaseException | None]:
        """The result of one reconcile, or its exception; gather keeps a cancelled one until it has ended."""
        async with self._slots.one():
            (result,) = await asyncio.gather(self._reconcile(key), return_exceptions=True)
        return (None, result) if isinstance(result, BaseException) else (result, None)

    async def _rest(self, seconds: float, wake: asyncio.Event) -> None:
        """Return after `seconds` of the clock, or when the key is added."""
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        added = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait({timer, added}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            added.cancel()

    def _report(self, key: Key, error: BaseException, again: float, failures: int) -> None:
        reason = reason_of(error)
        self._outcome(key, reason)
        fields = {**key._asdict(), "reason": reason, "error": str(error), "retry_in": round(again, 1)}
        if isinstance(error, DualstackError):
            self._log.warning("reconcile failed", failures=failures, codes=list(error_codes(error)), **fields)
        else:
            self._log.error("defect in a reconcile", failures=failures, exc_info=error, **fields)
