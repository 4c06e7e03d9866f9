"""The operator's controllers, queue and watches in this process, on the servers and the clock of a scene."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from dualstack.gardener.controllers.controlplane import ControlPlaneController
from dualstack.gardener.controllers.network import NetworkController
from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.controllers.shoot.annotations import AnnotationController
from dualstack.gardener.controllers.workers import WorkersController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.kube.watching import follow
from dualstack.model.kinds import Manifest
from dualstack.operator.assembly import Controller
from dualstack.operator.landscape import CONTROLLERS
from dualstack.operator.queue import Key, KeyedQueue
from dualstack.operator.shoot_nodes import ShootNodes
from dualstack.operator.watches import Watches
from tests.sim.infrastructure.scene import QUICK, Scene
from tests.support.clusters import OneShoot, one_api_server

LONGEST = 60.0
"""Wall seconds until a test gives up; simulated time would depend on the load of the machine."""


class Operating:
    """An operator that runs. `outcomes` counts the reconciles by controller and result."""

    def __init__(self, made: Scene, **options: Any) -> None:
        kube, clock, emit = made.kube, made.clock, made.events.append
        self.made = made
        self.outcomes: Counter[tuple[str, str]] = Counter()
        infrastructure = made.controller(**{"settings": QUICK, "prober_image": made.prober_image} | options)
        self._controllers: dict[str, Controller] = {
            "shoot": ShootController(one_api_server(kube), clock, emit),
            "annotations": AnnotationController(one_api_server(kube), clock, emit),
            "infrastructure": infrastructure,
            "controlplane": ControlPlaneController(one_api_server(kube), clock),
            "network": NetworkController(one_api_server(kube), clock),
            "worker": WorkersController(one_api_server(kube), clock),
        }
        self.queue = KeyedQueue(self._reconcile, clock, self._count)

    async def _reconcile(self, key: Key) -> float | None:
        return await self._controllers[key.controller].reconcile(key.name, key.namespace)

    def _count(self, key: Key, result: str) -> None:
        self.outcomes[key.controller, result] += 1

    def failures(self, controller: str) -> int:
        """How many reconciles of the controller failed."""
        return sum(n for (name, result), n in self.outcomes.items() if name == controller and result != "Succeeded")

    async def until_rest(self) -> None:
        """Return when nothing is reconciled and no retry is scheduled; only a watch event starts work again."""
        deadline = time.monotonic() + LONGEST
        while len(self.queue):
            assert time.monotonic() < deadline, self.shoot()["status"]
            await asyncio.sleep(1.0)

    def shoot(self) -> Manifest:
        """The Shoot as it is in the garden."""
        found = self.made.store.get(
            gardener_kinds.SHOOT, self.made.shoot, self.made.world.shoot["metadata"]["namespace"]
        )
        assert found is not None
        return found

    def edit(self, **change: Any) -> None:
        """Merge `change` into the Shoot, as its owner does; the operator notices it through its watch."""
        namespace = self.made.world.shoot["metadata"]["namespace"]
        self.made.store.patch(gardener_kinds.SHOOT, self.made.shoot, change, namespace)


@asynccontextmanager
async def operating(
    made: Scene, *, controllers: Collection[str] = CONTROLLERS, **options: Any
) -> AsyncIterator[Operating]:
    """The operator runs, with these controllers. `options` are those of the Infrastructure controller."""
    running = Operating(made, **options)
    nodes = ShootNodes(OneShoot(made.kube_over_http), running.queue.add, lambda _: True)
    watches = Watches(running.queue.add, controllers, lambda _: True, nodes).handlers()
    listed = {kind: asyncio.Event() for kind in watches}
    tasks = [
        asyncio.create_task(follow(made.kube_over_http, kind, handle, listed[kind].set))
        for kind, handle in watches.items()
    ]
    try:
        await asyncio.gather(*(event.wait() for event in listed.values()))
        yield running
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await nodes.close()
        await running.queue.close()
