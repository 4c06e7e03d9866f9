"""A cluster that exists in memory only, without any Gardener object, on the simulated Compute Engine over HTTP.

Its VMs and routes are in Compute, as kubeadm and cloud-controller-manager would create them. Everything that depends on
how a cluster is managed is in `MemoryPlatform`, the second implementation of `dualstack.cutover.platform.Platform`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import Mock

from aiohttp import web

from dualstack.clock import ScaledClock
from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.platform import Member
from dualstack.gce import ComputeClient
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.events import AnyEvent, StepStarted
from dualstack.plan.facts import ControllerFacts, SavedRoute
from dualstack.plan.settings import Settings
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric import Fabric, LagProfile
from tests.support.loopback import on_loopback

SPEED = 1000.0
LAG = 1.0
"""Seconds after which every simulated host has applied a change."""
SETTINGS = Settings(
    barrier_flag=8 * LAG,
    barrier_range=8 * LAG,
    barrier_canary=8 * LAG,
    soak_aliases=8 * LAG,
    barrier_route_canary=8 * LAG,
    barrier_routes=8 * LAG,
    gate_timeout=30.0,
)
REGION, ZONE = "regions/europe-west1", "zones/europe-west1-b"
NETWORK = "projects/proj-1/global/networks/prod"
CLUSTER = Cluster(
    name="kubernetes",
    project="proj-1",
    region="europe-west1",
    network="prod",
    nodes_subnet="prod-nodes",
    nodes="10.0.0.0/16",
    pods="10.96.0.0/16",
    services_subnet="prod-services",
    services="10.112.0.0/20",
    pools=(NodePool("workers", ("europe-west1-b",), vm_name_prefixes=("worker-",)),),
)
NODES = ("worker-0", "worker-1", "worker-2")


def pod_cidr(number: int) -> str:
    return f"10.96.{number}.0/24"


def _node(name: str, number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"podCIDR": pod_cidr(number)},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


@dataclass
class MemoryPlatform:
    """Nodes, saved routes and the route controller as plain values. They survive a kill of the cut-over."""

    saved: tuple[SavedRoute, ...] = ()
    controller: ControllerFacts = field(default_factory=lambda: ControllerFacts(replicas=1, pods=1, ignored=False))
    calls: list[str] = field(default_factory=list)

    async def members(self) -> tuple[Member, ...]:
        return tuple(Member(name, "europe-west1-b", _node(name, number)) for number, name in enumerate(NODES))

    async def saved_routes(self) -> tuple[SavedRoute, ...]:
        return self.saved

    async def save(self, routes: Iterable[SavedRoute]) -> None:
        self.saved = tuple(dict.fromkeys((*self.saved, *routes)))

    async def forget(self, done: Callable[[SavedRoute], bool]) -> None:
        self.saved = tuple(route for route in self.saved if not done(route))

    async def route_controller(self) -> ControllerFacts:
        return self.controller

    async def stop_route_controller(self) -> None:
        self.calls.append("stop")
        self.controller = replace(self.controller, replicas=0, pods=0, ignored=True)

    async def restore_route_controller(self) -> None:
        self.calls.append("restore")
        self.controller = replace(self.controller, replicas=1, pods=1, ignored=False)


@dataclass
class MemoryCluster:
    """One cluster with its cloud. `cut_over` makes a new process, which knows nothing of the one before."""

    clock: ScaledClock
    compute: Compute
    client: ComputeClient
    fabric: Fabric
    platform: MemoryPlatform = field(default_factory=MemoryPlatform)
    events: list[AnyEvent] = field(default_factory=list)

    def cut_over(self, emit: Callable[[AnyEvent], None] | None = None, **settings: Any) -> CutOver:
        heard = emit or self.events.append
        no_kubernetes: Any = Mock(spec=[])  # any use of it is an AttributeError
        return CutOver(
            compute=self.client,
            cluster=CLUSTER,
            platform=self.platform,
            decoys=Decoys(self.client, no_kubernetes, self.clock, heard, CLUSTER),
            clock=self.clock,
            emit=heard,
            settings=replace(SETTINGS, **settings),
        )

    async def killed_at_step(self, number: int, run: Callable[[CutOver], Any]) -> str | None:
        """Run until step `number` begins, and end there without any clean-up; the step, None if there are fewer."""
        reached, steps = asyncio.Event(), list[str]()

        def listen(event: AnyEvent) -> None:
            self.events.append(event)
            if isinstance(event, StepStarted):
                steps.append(event.step)
                if len(steps) == number:
                    reached.set()

        process = asyncio.create_task(run(self.cut_over(listen)))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait({process, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if process.done():
            process.result()
            return None
        await self.clock.sleep(0.2)  # the step's first request is on its way
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)
        return steps[number - 1]

    async def subnet(self) -> dict[str, Any]:
        return await self.client.get(CLUSTER.nodes_subnet_path)

    async def aliases(self) -> dict[str, list[str]]:
        """The alias ranges of each VM."""
        found = await self.client.list(f"{ZONE}/instances")
        return {
            vm["name"]: [alias["ipCidrRange"] for alias in vm["networkInterfaces"][0].get("aliasIpRanges", ())]
            for vm in found
        }

    async def routes(self) -> dict[str, str]:
        """The destination of each node route, by the name of its VM."""
        listed = await self.client.list("global/routes")
        return {
            route["nextHopInstance"].rpartition("/")[2]: route["destRange"]
            for route in listed
            if route.get("nextHopInstance")
        }

    def blackout(self) -> float:
        """The longest interruption of any pair of nodes so far, in seconds."""
        return float(self.fabric.traffic.report(self.clock.now()).blackout_seconds["max"])


@asynccontextmanager
async def memory_cluster(
    *, knobs: Knobs | None = None, dress: Callable[[web.Application], None] | None = None
) -> AsyncIterator[MemoryCluster]:
    """A cluster at rest on its routes."""
    clock = ScaledClock(time.time(), SPEED)
    fabric = Fabric(clock, Chance(1), LagProfile.fixed(LAG))
    compute = Compute(clock, Chance(1), knobs=knobs, on_commit=fabric.on_commit)
    _create(compute)
    for number, name in enumerate(NODES):
        fabric.traffic.join(clock.now(), name, [pod_cidr(number)])
    fabric.rest(clock.now())
    fabric.traffic.mark(clock.now())
    application = create_app(compute)
    if dress is not None:
        dress(application)
    async with on_loopback(application) as url:
        client = ComputeClient("proj-1", clock, endpoint=url)
        try:
            yield MemoryCluster(clock, compute, client, fabric)
        finally:
            await client.close()
            await compute.close()


def _create(compute: Compute) -> None:
    place = compute.place
    place("networks", "global", {"name": "prod", "autoCreateSubnetworks": False})
    place("subnetworks", REGION, {"name": "prod-nodes", "network": NETWORK, "ipCidrRange": CLUSTER.nodes})
    allowed = [{"IPProtocol": "all"}]
    place(
        "firewalls", "global", {"name": "pods", "network": NETWORK, "sourceRanges": [CLUSTER.pods], "allowed": allowed}
    )
    for number, name in enumerate(NODES):
        interface = {"network": NETWORK, "subnetwork": f"{REGION}/subnetworks/prod-nodes"}
        body = {"name": name, "machineType": f"{ZONE}/machineTypes/e2-medium", "canIpForward": True}
        place("instances", ZONE, {**body, "networkInterfaces": [interface]})
        route = {"name": f"kubernetes-uid-{name}", "description": "k8s-node-route", "network": NETWORK}
        hop = {"destRange": pod_cidr(number), "nextHopInstance": f"{ZONE}/instances/{name}", "priority": 1000}
        place("routes", "global", route | hop)
