"""The probing pods of the decoy check, played in a scene that has no pods: the fabric says what answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from dualstack.clock import Clock
from dualstack.model import kinds
from dualstack.prober.manifest import addresses_of
from dualstack.prober.report import NAME, NAMESPACE, ProbeLog
from dualstack_sim.fabric import Fabric
from dualstack_sim.kube.store import KubeStore

PERIOD = 5.0


class Probed(Protocol):
    """What a scene has."""

    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> KubeStore: ...
    @property
    def fabric(self) -> Fabric: ...


@asynccontextmanager
async def probing(made: Probed, *, silent: Collection[str] = ()) -> AsyncIterator[None]:
    """While entered, each node but the `silent` ones reports as long as the DaemonSet is there."""
    task = asyncio.create_task(_probe(made, silent))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _probe(made: Probed, silent: Collection[str]) -> None:
    books: dict[str, ProbeLog] = {}
    while True:
        daemon_set = made.store.get(kinds.DAEMON_SET, NAME, NAMESPACE)
        if daemon_set is None:
            books.clear()
        else:
            for node in made.store.list(kinds.NODE):
                if (name := node["metadata"]["name"]) not in silent:
                    _round(made, name, books.setdefault(name, ProbeLog(name, addresses_of(daemon_set))))
        await made.clock.sleep(PERIOD)


def _round(made: Probed, node: str, book: ProbeLog) -> None:
    now = made.clock.now()
    for address in book.addresses:
        book.note(address, arrived=made.fabric.traffic.reaches(now, node, address), at=now)
    if book.due(now):
        made.store.upsert(kinds.LEASE, book.lease(now))
        book.written(now)
