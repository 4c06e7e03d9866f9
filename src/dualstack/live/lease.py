"""One process at a time changes a cluster: a Lease in kube-system names it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
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


class Held(DualstackError):
    """Another process changes the cluster."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that wants to be the only one. identity: names it to people, and no other process."""

    kube: Kube
    clock: Clock
    identity: str

    async def alone(self, work: Awaitable[Result], say: Callable[[str], None]) -> Result:
        """Run `work` while holding the Lease, and release it. `say` gets one sentence when it has to be awaited.

        Raises Held when another process renews the Lease, or has taken it during the work, which is then cancelled.
        """
        task = asyncio.ensure_future(work)
        try:
            await self._acquire(say)
        except BaseException:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            raise
        renewal = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({task, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                renewal.result()
            return await task
        finally:
            for each in (task, renewal):
                each.cancel()
            await asyncio.gather(task, renewal, return_exceptions=True)
            with suppress(DualstackError):
                await self._release()

    async def _acquire(self, say: Callable[[str], None]) -> None:
        seen, since = "", self.clock.now()
        while True:
            lease = await self.kube.get(LEASE, NAME, KUBE_SYSTEM)
            holder = _holder(lease)
            with suppress(AlreadyExists, Conflict, NotFound):
                if lease is None:
                    await self.kube.create(LEASE, manifest(LEASE, NAME, KUBE_SYSTEM, spec=self._spec()))
                    return
                if holder in ("", self.identity) or self._expired(lease):
                    await self._write(lease)
                    return
            stamp = f"{holder} {_renewed(lease)}"
            if seen and stamp != seen:
                raise Held(
                    f"{holder} works on this cluster (Lease {KUBE_SYSTEM}/{NAME}, renewed {_renewed(lease)}); wait "
                    "until it has finished, or end it"
                )
            if not seen:
                seen = stamp
                say(
                    f"Lease {KUBE_SYSTEM}/{NAME} is held by {holder}, renewed {_renewed(lease)}; waiting up to "
                    f"{DURATION:.0f} s for it to be renewed or to expire."
                )
            if self.clock.now() > since + 2 * DURATION:
                raise Held(f"Lease {KUBE_SYSTEM}/{NAME} of {holder} cannot be taken over")
            await self.clock.sleep(RENEWAL / 2)

    async def _renew(self) -> None:
        """Until cancelled, or until the Lease is lost: then Held."""
        renewed = self.clock.now()
        while True:
            await self.clock.sleep(RENEWAL)
            try:
                taken_by = await self._write_unless_taken()
            except DualstackError as error:
                if self.clock.now() > renewed + DURATION:
                    raise Held(f"Lease {KUBE_SYSTEM}/{NAME} could not be renewed: {error}") from error
            else:
                if taken_by:
                    raise Held(f"{taken_by} has taken Lease {KUBE_SYSTEM}/{NAME}")
                renewed = self.clock.now()

    async def _write_unless_taken(self) -> str:
        """Renew the Lease; the holder if it is another."""
        lease = await self.kube.get(LEASE, NAME, KUBE_SYSTEM)
        if (holder := _holder(lease)) not in ("", self.identity):
            return holder
        if lease is None:
            await self.kube.create(LEASE, manifest(LEASE, NAME, KUBE_SYSTEM, spec=self._spec()))
        else:
            await self._write(lease)
        return ""

    async def _release(self) -> None:
        lease = await self.kube.get(LEASE, NAME, KUBE_SYSTEM)
        if _holder(lease) == self.identity:
            await self.kube.delete(LEASE, NAME, KUBE_SYSTEM)

    async def _write(self, lease: Manifest) -> None:
        metadata = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        await self.kube.patch(LEASE, NAME, {"metadata": metadata, "spec": self._spec()}, KUBE_SYSTEM)

    def _spec(self) -> Manifest:
        now = rfc3339(self.clock.now(), fraction=True)
        return {"holderIdentity": self.identity, "leaseDurationSeconds": int(DURATION), "renewTime": now}

    def _expired(self, lease: Manifest) -> bool:
        spec = lease.get("spec") or {}
        try:
            renewed = parse_rfc3339(spec.get("renewTime") or "")
        except ValueError:
            return True
        return self.clock.now() > renewed + float(spec.get("leaseDurationSeconds") or DURATION)


async def holder_of(kube: Kube) -> str:
    """Who holds the Lease, and since when it is not renewed; empty without a holder."""
    lease = await kube.get(LEASE, NAME, KUBE_SYSTEM)
    return f"{_holder(lease)}, Lease renewed {_renewed(lease)}" if _holder(lease) else ""


def _holder(lease: Manifest | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _renewed(lease: Manifest | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("renewTime") or "never")
