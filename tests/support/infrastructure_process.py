"""Our Infrastructure controller in a virtual world: the queue and the watches of the operator, in its loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import is_pending
from dualstack.gardener.controllers.infrastructure import InfrastructureController
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.gce import ComputeClients
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent
from dualstack.operator.watches import PreparationInterest
from tests.support.virtual_world import Owner

LOOK = 2.0
"""Seconds between two looks at what a watch would show."""


class Process:
    """Reconciles one Infrastructure when the operator would: on request, on a change of the Cluster, and when due."""

    def __init__(self, owner: Owner, kube: Kube, controller: InfrastructureController) -> None:
        self._owner = owner
        self._kube = kube
        self._controller = controller
        self.events: list[AnyEvent] = []
        self.errors: list[str] = []

    async def run(self) -> None:
        """Until cancelled, which is how a process is killed."""
        owner, clock = self._owner, self._owner.clock
        interest, due = PreparationInterest(), clock.now()  # a process that starts looks at everything
        while True:
            cluster = await self._kube.get(CLUSTER, owner.namespace)
            assert cluster is not None
            found = await self._kube.get(INFRASTRUCTURE, owner.name, owner.namespace)
            assert found is not None
            if interest.wakes(cluster) or is_pending(found) or clock.now() >= due:
                due = float("inf")
                try:
                    again = await self._controller.reconcile(owner.name, owner.namespace)
                except DualstackError as error:
                    self.errors.append(str(error))
                    again = 5.0
                due = float("inf") if again is None else clock.now() + again
            await clock.sleep(LOOK)


@asynccontextmanager
async def our_infrastructure(owner: Owner) -> AsyncIterator[Process]:
    """Our Infrastructure controller, until the block is left."""
    stack = AsyncExitStack()
    kubes = {}
    for name in ("garden", "seed", "shoot"):
        kubes[name] = kube = LightkubeKube.connect(find_connection(Path(owner.facts[f"{name}Kubeconfig"])))
        stack.push_async_callback(kube.close)
    clusters = Clusters(garden=kubes["garden"], seed=kubes["seed"], shoot=lambda _: kubes["shoot"])
    clients = ComputeClients(owner.clock, endpoint=owner.facts["computeEndpoint"])
    events: list[AnyEvent] = []
    controller = InfrastructureController(clusters, clients, owner.clock, events.append)
    process = Process(owner, kubes["seed"], controller)
    process.events = events
    task = asyncio.create_task(process.run())
    try:
        yield process
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await clients.close()
        await stack.aclose()
