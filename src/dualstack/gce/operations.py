"""Waits for operations, with one poller for each scope (docs/reference/weaknesses.md#w31).

A single operation is polled every second. While several are awaited, one list, newest first, shows all of them, and the
delay between polls grows to five seconds; it stays within a second while each counts (`Operations.urgent`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from dualstack.clock import Clock
from dualstack.gce.errors import ComputeRefusal, NotFound, RateLimited, Transient, no_answer, operation_refusal
from dualstack.gce.pacing import QUICK

Resource = dict[str, Any]

FEW = 1
"""Up to this many operations are read by name; more are listed, so that each poll is one request."""

MANY_DELAY = 2.0
"""Seconds before the first poll for many operations: they hardly ever all end sooner."""

URGENT_DELAY = 1.0
"""Longest time between two polls while each second counts."""

WIDTH = 10
"""Operations read by name at a time."""

FIELDS = (
    "items(name,status,error,httpErrorStatusCode,httpErrorMessage,targetLink,zone,region,insertTime,endTime),"
    "nextPageToken"
)

MAX_FAILED_POLLS = 20
"""Polls in a row that may fail for a passing reason before the waiting calls fail."""


class Reader(Protocol):
    """The reading half of the client."""

    async def get(self, path: str, *, fields: str | None = None) -> Resource: ...

    def newest_first(self, path: str, *, fields: str | None = None) -> AsyncIterator[list[Resource]]: ...


def scope_of(operation: Mapping[str, Any]) -> str:
    """`global`, `regions/<r>` or `zones/<z>` of an operation."""
    for kind in ("zone", "region"):
        link = operation.get(kind)
        if link:
            return f"{kind}s/{str(link).rpartition('/')[2]}"
    return "global"


class Operations:
    """Waits for operations of one project."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._pollers: dict[str, _Poller] = {}
        self._urgent = 0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Poll in quick succession meanwhile."""
        self._urgent += 1
        try:
            yield
        finally:
            self._urgent -= 1

    @property
    def longest_delay(self) -> float:
        """Seconds between two polls at most."""
        return URGENT_DELAY if self._urgent else math.inf

    async def finished(self, operation: Resource, *, call: str = "") -> Resource:
        """The operation once it is DONE; raises the typed error of a failed one, Transient for what is none."""
        if not (operation.get("name") and operation.get("status")):
            raise no_answer(ValueError("the answer is not an operation"), call=call)
        if operation.get("status") != "DONE":
            scope = scope_of(operation)
            poller = self._pollers.get(scope)
            if poller is None:
                poller = self._pollers[scope] = _Poller(self._reader, self._clock, scope, lambda: self.longest_delay)
            operation = await poller.outcome(str(operation["name"]))
        failed = operation_refusal(operation, call=call)
        if failed is not None:
            raise failed
        return operation

    async def close(self) -> None:
        """Stop polling and cancel the waiting calls."""
        pollers, self._pollers = self._pollers, {}
        for poller in pollers.values():
            await poller.stop()


class _Poller:
    """Polls the operations of one scope while calls wait for them."""

    def __init__(self, reader: Reader, clock: Clock, scope: str, longest: Callable[[], float]) -> None:
        """longest: seconds between two polls at most, now."""
        self._reader = reader
        self._clock = clock
        self._longest = longest
        self._path = f"{scope}/operations"
        self._delays = QUICK.delays()
        self._waiting: dict[str, list[asyncio.Future[Resource]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    async def outcome(self, name: str) -> Resource:
        waiter: asyncio.Future[Resource] = asyncio.get_running_loop().create_future()
        if len(self._waiting) < FEW:
            # The first of a series is polled quickly; later ones share the polls that are under way.
            self._delays = QUICK.delays()
        self._waiting.setdefault(name, []).append(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll(), name=f"poll {self._path}")
        return await waiter

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _poll(self) -> None:
        try:
            while self._drop_abandoned():
                delay = next(self._delays)
                many = len(self._waiting) > FEW
                usual = max(delay, MANY_DELAY) if many else min(delay, QUICK.alone)
                await self._clock.sleep(min(usual, self._longest()))
                try:
                    await self._check()
                except ComputeRefusal as error:
                    self._tolerate(error)
                else:
                    self._failures = 0
        finally:
            for name in list(self._waiting):
                self._settle(name, Transient("pollingEnded", f"operation {name!r} is no longer polled"))

    def _drop_abandoned(self) -> bool:
        """Forget operations without a waiting call; whether any is left."""
        for name in [name for name, waiters in self._waiting.items() if all(waiter.done() for waiter in waiters)]:
            del self._waiting[name]
        return bool(self._waiting)

    def _tolerate(self, error: ComputeRefusal) -> None:
        """Tolerate up to `MAX_FAILED_POLLS` transient failures in a row; others fail the waiting calls."""
        self._failures += 1
        if isinstance(error, Transient | RateLimited) and self._failures < MAX_FAILED_POLLS:
            return
        for name in list(self._waiting):
            self._settle(name, error)

    async def _check(self) -> None:
        if len(self._waiting) <= FEW:
            await self._read(list(self._waiting))
            return
        unseen = set(self._waiting)
        async for page in self._reader.newest_first(self._path, fields=FIELDS):
            for operation in page:
                unseen.discard(operation["name"])
                if operation.get("status") == "DONE":
                    self._settle(operation["name"], operation)
            if not unseen:
                return
        missing = sorted(unseen)
        for start in range(0, len(missing), WIDTH):
            await self._read(missing[start : start + WIDTH])

    async def _read(self, names: list[str]) -> None:
        answers = await asyncio.gather(
            *(self._reader.get(f"{self._path}/{name}") for name in names), return_exceptions=True
        )
        passing: ComputeRefusal | None = None
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, dict):
                if answer.get("status") == "DONE":
                    self._settle(name, answer)
            elif isinstance(answer, NotFound):
                # The caller reads the target to learn the outcome.
                self._settle(name, Transient("operationForgotten", f"operation {name!r} is no longer known"))
            elif isinstance(answer, ComputeRefusal):
                passing = answer
            else:
                raise answer
        if passing is not None:
            raise passing

    def _settle(self, name: str, outcome: Resource | ComputeRefusal) -> None:
        for waiter in self._waiting.pop(name, ()):
            if waiter.done():
                continue
            if isinstance(outcome, ComputeRefusal):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)
