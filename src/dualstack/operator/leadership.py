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

from dualstack.clock import Clock, rfc3339
from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound, Unavailable
from dualstack.model.errors import DualstackError, KubeError
from dualstack.model.kinds import LEASE, Manifest
from dualstack.model.manifests import manifest

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
        self._kube = kube
        self._namespace = namespace
        self._clock = clock or BootClock()
        self.identity = identity
        self.leader = ""
        """The process that leads, as far as this one knows."""
        self._confirmed: float | None = None
        """When the last renewal that the API confirmed was sent."""
        self.problem = UNREAD
        """Why the Lease could not be read or written at the last time; empty if it could."""
        self._version = ""
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
                lease = await _soon(self._kube.get(LEASE, NAME, self._namespace))
                self._note("")
                spec = (lease or {}).get("spec") or {}
                holder = str(spec.get("holderIdentity") or "")
                # The holder's clock may differ, so only what this process has seen counts.
                seen = f"{(lease or {}).get('metadata', {}).get('uid')} {holder} {spec.get('renewTime')}"
                if seen != record:
                    record, since = seen, self._clock.now()
                if holder in ("", self.identity) or asked - since > DURATION:
                    await self._take(lease, spec)
                    self._confirmed, self.leader = asked, self.identity
                    log.info("leads", lease=f"{self._namespace}/{NAME}", identity=self.identity, before=holder)
                    return
                if holder != self.leader:
                    self.leader = holder
                    log.info("stands by", lease=f"{self._namespace}/{NAME}", leader=holder)
            except (AlreadyExists, Conflict, NotFound):
                pass  # another process was faster
            except KubeError as error:
                self._note(f"Lease {self._namespace}/{NAME}: {error}", "cannot read or take the Lease")
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
                self._note(
                    f"Lease {self._namespace}/{NAME}: {error}", "cannot renew the Lease; nothing is changed meanwhile"
                )

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
            await self._write({"holderIdentity": "", "renewTime": self._stamp()}, self._version)

    async def _renew(self, since: float | None) -> None:
        """Renew the Lease, unless another task has done so since then."""
        async with self._turn:
            if self._confirmed is None:
                raise LeadershipLost(self._lost())
            while self._confirmed == since:
                asked = self._clock.now()
                try:
                    await self._write({"renewTime": self._stamp()}, self._version)
                except (Conflict, NotFound):
                    lease = await _soon(self._kube.get(LEASE, NAME, self._namespace))
                    holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
                    if lease is None or holder != self.identity:
                        self._confirmed, self.leader = None, holder
                        raise LeadershipLost(self._lost()) from None
                    self._version = lease["metadata"]["resourceVersion"]
                else:
                    self._confirmed = asked

    async def _take(self, lease: Manifest | None, before: Manifest) -> None:
        now = self._stamp()
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (lease is not None),
        }
        if lease is None:
            made = await _soon(self._kube.create(LEASE, manifest(LEASE, NAME, self._namespace, spec=spec)))
            self._version = made["metadata"]["resourceVersion"]
        else:
            await self._write(spec, lease["metadata"]["resourceVersion"])

    async def _write(self, spec: Manifest, version: str) -> None:
        """Conflict if the Lease is not at this version any more."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        written = await _soon(self._kube.patch(LEASE, NAME, body, self._namespace))
        self._version = written["metadata"]["resourceVersion"]

    def _note(self, problem: str, meaning: str = "") -> None:
        """Log the first of several equal problems, and their end."""
        log = structlog.get_logger("dualstack")
        if problem and problem != self.problem:
            log.warning(meaning, error=problem)
        elif not problem and self.problem not in ("", UNREAD):
            log.info("the Lease can be renewed again", lease=f"{self._namespace}/{NAME}")
        self.problem = problem

    def _lost(self) -> str:
        taken = f"{self.leader or 'another process'} has taken Lease {self._namespace}/{NAME}"
        return f"{taken}; this process makes no further changes"

    @staticmethod
    def _stamp() -> str:
        return rfc3339(time.time(), fraction=True)
