"""A cluster that exists in memory only, without any Gardener object, on the simulated Compute Engine over HTTP.

Its VMs and routes are in Compute, as kubeadm and cloud-controller-manager would create them. Everything that depends on
how a cluster is managed is in `MemoryPlatform`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import Mock

from aiohttp import web

from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.gce import ComputeClient
from dualstack.model.events import AnyEvent, StepStarted
from dualstack.plan.settings import Settings
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric import Fabric, LagProfile
from tests.support.loopback import on_loopback
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform, pod_cidr
from tests.support.virtual_time import VirtualClock

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
POD_CIDRS = {name: pod_cidr(number) for number, name in enumerate(NODES)}
REGION, ZONE = "regions/europe-west1", "zones/europe-west1-b"
NETWORK = "projects/proj-1/global/networks/prod"


@dataclass
class MemoryCluster:
    """One cluster with its cloud. `cut_over` makes a new process, which knows nothing of the one before."""

    clock: VirtualClock
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
    clock = VirtualClock()
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


async def assert_on_aliases(made: MemoryCluster) -> None:
    subnet = await made.subnet()
    assert subnet["allowSubnetCidrRoutesOverlap"] is False
    assert [(entry["rangeName"], entry["ipCidrRange"]) for entry in subnet["secondaryIpRanges"]] == [
        ("ipv4-pod-cidr", CLUSTER.pods)
    ]
    assert await made.aliases() == {name: [cidr] for name, cidr in POD_CIDRS.items()}
    assert await made.routes() == {}
    assert made.platform.saved == ()
    assert made.platform.controller.gone


async def assert_on_routes(made: MemoryCluster) -> None:
    subnet = await made.subnet()
    assert not subnet.get("allowSubnetCidrRoutesOverlap")
    assert not subnet.get("secondaryIpRanges")
    assert await made.aliases() == {name: [] for name in NODES}
    assert await made.routes() == POD_CIDRS
    assert made.platform.saved == ()
    assert not made.platform.controller.ignored


def steps(made: MemoryCluster) -> list[str]:
    return [event.step for event in made.events if isinstance(event, StepStarted)]
