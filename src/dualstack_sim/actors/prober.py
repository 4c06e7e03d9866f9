"""The product's prober pods of the decoy check, for all nodes: the fabric decides which addresses answer."""

from __future__ import annotations

from dualstack.model.kinds import DAEMON_SET, LEASE, POD, Manifest
from dualstack.prober.manifest import addresses_of
from dualstack.prober.report import NAME, NAMESPACE, ProbeLog
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.pods import BY_OWNER, by_owner, is_ready, is_terminating
from dualstack_sim.actors.refusals import KubeRefusal, NotFound

PERIOD = 5.0
"""Seconds between two rounds. A real pod probes every second."""


class Prober:
    """Writes the Lease of each node with a ready pod of the DaemonSet, as `dualstack prober` does."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._endpoints = context.endpoints
        self._kube, _ = context.named("dualstack-prober")
        self._informers = context.informers
        self._sets = context.informers.of(DAEMON_SET)
        self._pods = context.informers.of(POD)
        self._books: dict[str, ProbeLog] = {}
        """By pod uid: a new pod starts with an empty logbook."""

    async def run(self) -> None:
        """Until cancelled."""
        self._pods.index(BY_OWNER, by_owner)
        await self._informers.synced(DAEMON_SET, POD)
        while True:
            daemon_set = self._sets.get(NAME, NAMESPACE)
            if daemon_set is None:
                self._books.clear()
            else:
                await self._round(daemon_set)
            await self._clock.sleep(PERIOD)

    async def _round(self, daemon_set: Manifest) -> None:
        addresses = addresses_of(daemon_set)
        for pod in self._pods.indexed(BY_OWNER, daemon_set["metadata"]["uid"]):
            if not is_ready(pod) or is_terminating(pod):
                continue
            node, now = str(pod["spec"]["nodeName"]), self._clock.now()
            book = self._books.setdefault(pod["metadata"]["uid"], ProbeLog(node, addresses))
            for address in addresses:
                book.note(address, arrived=self._endpoints.reaches(now, node, address), at=now)
            if book.due(now):
                await self._write(book, node, now)

    async def _write(self, book: ProbeLog, node: str, now: float) -> None:
        """A write that fails is repeated in the next round."""
        lease = book.lease(now)
        try:
            await self._kube.patch(LEASE, node, lease, NAMESPACE)
        except NotFound:
            try:
                await self._kube.create(LEASE, lease)
            except KubeRefusal:
                return
        except KubeRefusal:
            return
        book.written(now)
