"""One process at a time changes a cluster: a Lease in kube-system names it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from dualstack.clock import Clock
from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound
from dualstack.kube.lease import Lease
from dualstack.model.errors import DualstackError
from dualstack.model.names import KUBE_SYSTEM

Result = TypeVar("Result")

NAME = "dualstack-cut-over"
DURATION = 60.0
"""Seconds without renewal after which another process may take the Lease."""
RENEWAL = 10.0
"""Seconds between two renewals."""
CONFIRMED = 20.0
"""Seconds for which a confirmed Lease needs no new confirmation before a change: well below `DURATION`, so that no
other process can have taken it."""
ABANDONED = 600.0
"""Seconds without renewal after which the Lease is taken at once."""


PROGRESS = "dualstack.dev/progress"
"""The annotation with what the holder reports of its work (`dualstack.live.work_report`)."""


class LeaseNotHeld(DualstackError):
    """This process may not change the cluster: another one does, or the Lease cannot be renewed."""


@dataclass(slots=True)
class Holder:
    """A process that wants to be the only one. identity: names it to people, and no other process. report: what each
    renewal says of its work."""

    kube: Kube
    clock: Clock
    identity: str
    report: Callable[[], str] = str
    _confirmed: float | None = None
    """When the API last confirmed that this process holds the Lease, by its own clock."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def alone(self, work: Callable[[], Awaitable[Result]], say: Callable[[str], None]) -> Result:
        """Do `work` while holding the Lease, and release it. `say` gets one sentence when it has to be awaited.

        Raises LeaseNotHeld when another process renews the Lease, or has taken it during the work, which is cancelled
        then.
        """
        await self._acquire(say)
        task, renewal = asyncio.ensure_future(work()), asyncio.create_task(self._renew())
        try:
            await asyncio.wait({task, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                renewal.result()
            return await task
        finally:
            for each in (task, renewal):
                each.cancel()
            await asyncio.gather(task, renewal, return_exceptions=True)
            self._confirmed = None
            with suppress(DualstackError):
                await self._release()

    async def confirm(self) -> None:
        """Return if this process may change something now; else LeaseNotHeld. Called before every change.

        A process that was stopped for a while, with its machine or by a signal, does not know that another one has
        taken the Lease meanwhile: it asks the API unless it has done so a moment ago. Its clock goes on while it stops.
        """
        if self._confirmed is not None and self.clock.now() - self._confirmed < CONFIRMED:
            return
        if self._confirmed is None:
            raise LeaseNotHeld(f"this process does not hold {self._lease}")
        await self._confirm(since=self._confirmed)

    async def _confirm(self, since: float | None) -> None:
        """Renew the Lease, unless another task has done so since then."""
        async with self._turn:
            while self._confirmed == since:
                asked = self.clock.now()
                with suppress(AlreadyExists, Conflict, NotFound):  # read again who has changed it
                    if taken_by := await self._write_unless_taken():
                        raise LeaseNotHeld(f"{taken_by} has taken {self._lease}; this process makes no further changes")
                    self._confirmed = asked

    async def _acquire(self, say: Callable[[str], None]) -> None:
        """Take the Lease when it is free, or when its record has not changed for `DURATION` by this process's own
        clock: the clock of its holder may differ."""
        seen, since, asked = "", self.clock.now(), 0.0
        while True:
            held, asked = await self._lease.read(), self.clock.now()
            # no difference between two clocks explains how old an abandoned renewal is
            abandoned = asked > held.renewed_at + ABANDONED
            with suppress(AlreadyExists, Conflict, NotFound):
                if held.holder in ("", self.identity) or asked > since + DURATION or abandoned:
                    await self._lease.take(held, self.identity, self.clock.now())
                    break
            stamp = f"{held.holder} {held.renewed}"
            if seen and stamp != seen:
                raise LeaseNotHeld(
                    f"{held.holder} works on this cluster ({self._lease}, renewed {held.renewed}); wait until it has "
                    "finished, or end it"
                )
            if not seen:
                seen, since = stamp, asked
                say(
                    f"{self._lease} is held by {held.holder}, renewed {held.renewed}; waiting up to {DURATION:.0f} s "
                    "for it to be renewed or to expire."
                )
            await self.clock.sleep(RENEWAL / 2)
        self._confirmed = asked

    async def _renew(self) -> None:
        """Until cancelled, or until the Lease is lost: then LeaseNotHeld."""
        renewed = self.clock.now()
        while True:
            await self.clock.sleep(RENEWAL)
            try:
                await self._confirm(since=self._confirmed)
            except LeaseNotHeld:
                raise
            except DualstackError as error:
                if self.clock.now() > renewed + DURATION:
                    again = "run the same command again to resume"
                    raise LeaseNotHeld(f"{self._lease} could not be renewed: {error}; {again}") from error
            else:
                renewed = self.clock.now()

    async def _write_unless_taken(self) -> str:
        """Renew the Lease; who has taken it, if it is no longer this process's, also when it is free again."""
        held = await self._lease.read()
        if held.holder != self.identity:
            return held.holder or "another process"
        await self._lease.renew(held, self.identity, self.clock.now(), {PROGRESS: self.report() or None})
        return ""

    async def _release(self) -> None:
        """Only while it is still this process's: another one may take it at this very moment."""
        held = await self._lease.read()
        if held.holder == self.identity:
            await self._lease.renew(held, "", self.clock.now(), {PROGRESS: None})

    @property
    def _lease(self) -> Lease:
        return lease_of(self.kube)


def lease_of(kube: Kube) -> Lease:
    """The Lease of this cluster."""
    return Lease(kube, NAME, KUBE_SYSTEM, DURATION)
