"""One process at a time changes a cluster: a Lease in kube-system names it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import LEASE, Manifest
from dualstack.model.manifests import manifest
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
            raise LeaseNotHeld(f"this process does not hold Lease {KUBE_SYSTEM}/{NAME}")
        await self._confirm(since=self._confirmed)

    async def _confirm(self, since: float | None) -> None:
        """Renew the Lease, unless another task has done so since then."""
        async with self._turn:
            while self._confirmed == since:
                asked = self.clock.now()
                with suppress(AlreadyExists, Conflict, NotFound):  # read again who has changed it
                    if taken_by := await self._write_unless_taken():
                        raise LeaseNotHeld(
                            f"{taken_by} has taken Lease {KUBE_SYSTEM}/{NAME}; this process makes no further changes"
                        )
                    self._confirmed = asked

    async def _acquire(self, say: Callable[[str], None]) -> None:
        """Take the Lease when it is free, or when its record has not changed for `DURATION` by this process's own
        clock: the clock of its holder may differ."""
        seen, since, asked = "", self.clock.now(), 0.0
        while True:
            lease, asked = await self.kube.get(LEASE, NAME, KUBE_SYSTEM), self.clock.now()
            holder = _holder(lease)
            with suppress(AlreadyExists, Conflict, NotFound):
                if lease is None:
                    await self.kube.create(LEASE, manifest(LEASE, NAME, KUBE_SYSTEM, spec=self._spec()))
                    break
                if holder in ("", self.identity) or asked > since + DURATION or self._abandoned(lease):
                    await self._write(lease)
                    break
            stamp = f"{holder} {_renewed(lease)}"
            if seen and stamp != seen:
                raise LeaseNotHeld(
                    f"{holder} works on this cluster (Lease {KUBE_SYSTEM}/{NAME}, renewed {_renewed(lease)}); wait "
                    "until it has finished, or end it"
                )
            if not seen:
                seen, since = stamp, asked
                say(
                    f"Lease {KUBE_SYSTEM}/{NAME} is held by {holder}, renewed {_renewed(lease)}; waiting up to "
                    f"{DURATION:.0f} s for it to be renewed or to expire."
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
                    raise LeaseNotHeld(f"Lease {KUBE_SYSTEM}/{NAME} could not be renewed: {error}") from error
            else:
                renewed = self.clock.now()

    async def _write_unless_taken(self) -> str:
        """Renew the Lease; who has taken it, if it is no longer this process's, also when it is free again."""
        lease = await self.kube.get(LEASE, NAME, KUBE_SYSTEM)
        if lease is None or (holder := _holder(lease)) != self.identity:
            return holder if lease is not None and holder else "another process"
        await self._write(lease)
        return ""

    async def _release(self) -> None:
        """Only while it is still this process's: another one may take it at this very moment."""
        lease = await self.kube.get(LEASE, NAME, KUBE_SYSTEM)
        if lease is not None and _holder(lease) == self.identity:
            await self._write(lease, holder="")

    async def _write(self, lease: Manifest, holder: str | None = None) -> None:
        """Conflict when it has changed since it was read."""
        reported = self.report() if holder is None else ""
        version = lease["metadata"]["resourceVersion"]
        metadata = {"resourceVersion": version, "annotations": {PROGRESS: reported or None}}
        await self.kube.patch(LEASE, NAME, {"metadata": metadata, "spec": self._spec(holder)}, KUBE_SYSTEM)

    def _spec(self, holder: str | None = None) -> Manifest:
        now = rfc3339(self.clock.now(), fraction=True)
        identity = self.identity if holder is None else holder
        return {"holderIdentity": identity, "leaseDurationSeconds": int(DURATION), "renewTime": now}

    def _abandoned(self, lease: Manifest) -> bool:
        """Whether no difference between two clocks explains how old the renewal is."""
        try:
            return self.clock.now() > parse_rfc3339((lease.get("spec") or {}).get("renewTime") or "") + ABANDONED
        except ValueError:
            return True


async def holder_of(kube: Kube) -> str:
    """Who holds the Lease, and since when it is not renewed; empty without a holder."""
    lease = await kube.get(LEASE, NAME, KUBE_SYSTEM)
    return f"{_holder(lease)}, Lease renewed {_renewed(lease)}" if _holder(lease) else ""


def _holder(lease: Manifest | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _renewed(lease: Manifest | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("renewTime") or "never")
