"""One process of several works: a Lease names it, and no change is sent without it (docs/operator.md#leader-election).

Times are wall seconds of a clock that goes on while the process or its machine is stopped: a process that was stopped
knows afterwards how long.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

import structlog

from dualstack.clock import Clock
from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound, Unavailable
from dualstack.kube.lease import Held, Lease
from dualstack.model.errors import DualstackError, KubeError

NAME = "dualstack-operator"
DURATION = 12.0
"""Seconds without renewal after which another process takes the Lease."""
RENEWAL = 2.0
"""Seconds between two renewals."""
RETRY = 1.0
"""Seconds between two looks of a process that waits, which takes over at most 13 s after the last renewal."""
FENCE = 7.0
"""Seconds after a confirmed renewal in which changes are sent: a request that was sent then has arrived before another
process can take the Lease."""


ANSWER = 4.0
"""Seconds after which a request for the Lease counts as unanswered."""

UNREAD = "the Lease has not been read yet"

Result = TypeVar("Result")


class LeadershipLost(DualstackError):
    """Another process leads; this one must not change anything any more."""


class BootClock:
    """Seconds since the machine was booted, also those in which it slept (`dualstack.clock.Clock`)."""

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def own_identity() -> str:
    """Names this process to people, and no other process: the host (in Kubernetes the pod) and a random part."""
    return f"{os.environ.get('HOSTNAME') or socket.gethostname()}_{uuid.uuid4()}"


async def _soon(answer: Awaitable[Result]) -> Result:
    """The answer to a request, whose own timeout is too long here. Unavailable without one."""
    try:
        async with asyncio.timeout(ANSWER):
            return await answer
    except TimeoutError as error:
        raise Unavailable(f"no answer within {ANSWER:.0f} s") from error


class Leadership:
    """The Lease `NAME` in a namespace. kube: a client that is not fenced by it."""

    def __init__(self, kube: Kube, namespace: str, identity: str, clock: Clock | None = None) -> None:
        self._lease = Lease(kube, NAME, namespace, DURATION)
        self._clock = clock or BootClock()
        self.identity = identity
        self.leader = ""
        """The process that leads, as far as this one knows."""
        self._confirmed: float | None = None
        """When the last renewal that the API confirmed was sent."""
        self.problem = UNREAD
        """Why the Lease could not be read or written at the last time; empty if it could."""
        self._held = Held()
        self._turn = asyncio.Lock()

    @property
    def leads(self) -> bool:
        """Whether this process has the Lease and nothing shows that it has lost it."""
        return self._confirmed is not None

    async def acquire(self) -> None:
        """Return once this process has the Lease; an API that does not answer is asked again."""
        log = structlog.get_logger("dualstack")
        record, since = "", self._clock.now()
        while True:
            asked = self._clock.now()
            try:
                held = await _soon(self._lease.read())
                self._note("")
                # The holder's clock may differ, so only what this process has seen counts.
                seen = f"{held.uid} {held.holder} {held.renewed}"
                if seen != record:
                    record, since = seen, self._clock.now()
                if held.holder in ("", self.identity) or asked - since > DURATION:
                    self._held = await _soon(self._lease.take(held, self.identity, time.time()))
                    self._confirmed, self.leader = asked, self.identity
                    log.info("leads", lease=self._lease.path, identity=self.identity, before=held.holder)
                    return
                if held.holder != self.leader:
                    self.leader = held.holder
                    log.info("stands by", lease=self._lease.path, leader=held.holder)
            except (AlreadyExists, Conflict, NotFound):
                pass  # another process was faster
            except KubeError as error:
                self._note(f"{self._lease}: {error}", "cannot read or take the Lease")
                record = ""  # the holder may have renewed it meanwhile
            await self._clock.sleep(RETRY)

    async def keep(self) -> None:
        """Renew the Lease until cancelled. LeadershipLost once another process has it."""
        while True:
            await self._clock.sleep(RENEWAL)
            try:
                await self._renew(self._confirmed)
                self._note("")
            except LeadershipLost:
                raise
            except DualstackError as error:
                self._note(f"{self._lease}: {error}", "cannot renew the Lease; nothing is changed meanwhile")

    async def confirm(self) -> None:
        """Return if this process may change something now. Before every request that changes something.

        Without a confirmation within `FENCE`, the Lease is renewed first. Raises LeadershipLost if another process has
        it, and the KubeError of an API that does not answer.
        """
        confirmed = self._confirmed
        if confirmed is None:
            raise LeadershipLost(self._lost())
        if self._clock.now() - confirmed >= FENCE:
            await self._renew(confirmed)

    async def release(self) -> None:
        """Give the Lease away, so that another process need not wait. Nothing may be under way any more."""
        if self._confirmed is None:
            return
        self._confirmed, self.leader = None, ""
        with suppress(DualstackError):
            await _soon(self._lease.renew(self._held, "", time.time()))

    async def _renew(self, since: float | None) -> None:
        """Renew the Lease, unless another task has done so since then."""
        async with self._turn:
            if self._confirmed is None:
                raise LeadershipLost(self._lost())
            while self._confirmed == since:
                asked = self._clock.now()
                try:
                    self._held = await _soon(self._lease.renew(self._held, self.identity, time.time()))
                except (Conflict, NotFound):
                    self._held = await _soon(self._lease.read())
                    if self._held.holder != self.identity:
                        self._confirmed, self.leader = None, self._held.holder
                        raise LeadershipLost(self._lost()) from None
                else:
                    self._confirmed = asked

    def _note(self, problem: str, meaning: str = "") -> None:
        """Log the first of several equal problems, and their end."""
        log = structlog.get_logger("dualstack")
        if problem and problem != self.problem:
            log.warning(meaning, error=problem)
        elif not problem and self.problem not in ("", UNREAD):
            log.info("the Lease can be renewed again", lease=self._lease.path)
        self.problem = problem

    def _lost(self) -> str:
        taken = f"{self.leader or 'another process'} has taken {self._lease}"
        return f"{taken}; this process makes no further changes"
