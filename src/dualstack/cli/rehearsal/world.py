"""Access to a simulated world: Kubernetes and Compute by the product's clients, the rest by the control endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dualstack.clock import Pauses, ScaledClock
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClients
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import NODE, SECRET, Manifest
from dualstack.verify.checks import taint_of
from dualstack.verify.facts import Sources, existing


class RequestRefused(DualstackError):
    """The world answered with an error; the message has the method, the path and the answer."""


@dataclass(frozen=True, slots=True)
class WorldAddress:
    """Where a simulated world listens, and how its time runs.

    kubeconfig: of the cluster with the nodes. left_out: what of a given cluster is not simulated.
    """

    compute: str
    control: str
    kubeconfig: Path
    seed_kubeconfig: Path
    garden_kubeconfig: Path
    clock: ScaledClock
    left_out: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: bytes, pauses: Pauses | None = None) -> WorldAddress:
        """Read the line of JSON that `dualstack sim serve` prints. pauses: those of its clock."""
        facts = msgspec.json.decode(line)
        return cls(
            compute=facts["computeEndpoint"],
            control=facts["controlEndpoint"],
            kubeconfig=Path(facts["kubeconfig"]),
            seed_kubeconfig=Path(facts.get("seedKubeconfig", facts["kubeconfig"])),
            garden_kubeconfig=Path(facts.get("gardenKubeconfig", facts["kubeconfig"])),
            clock=ScaledClock(facts["clock"]["origin"], facts["clock"]["speed"], pauses),
            left_out=tuple(facts.get("leftOut", ())),
        )

    def garden(self) -> str:
        """The URL of the API server with the Shoots."""
        return find_connection(self.garden_kubeconfig).cluster.server.rstrip("/")


@dataclass(frozen=True, slots=True)
class World:
    """A world with one Shoot. `sources` reads the state of the Shoot's cluster for the checks.

    kube: the Shoot's cluster; seed, garden: where its control plane and the Shoot itself are.
    """

    address: WorldAddress
    shoot: ShootView
    kube: Kube
    seed: Kube
    garden: Kube
    sources: Sources
    session: aiohttp.ClientSession

    @property
    def clock(self) -> ScaledClock:
        return self.address.clock

    async def read_shoot(self) -> Manifest:
        """The Shoot as it is now."""
        return await existing(self.garden, SHOOT, self.shoot.name, self.shoot.namespace)

    async def edit_shoot(self, body: Manifest) -> Manifest:
        """Apply a JSON merge patch to the Shoot."""
        return await self.garden.patch(SHOOT, self.shoot.name, body, self.shoot.namespace)

    async def watch_shoot(self) -> AsyncIterator[Manifest]:
        """The Shoot as it is, and again after every change, until the server ends the watch."""
        url = self.address.garden() + SHOOT.collection(self.shoot.namespace)
        parameters = {"watch": "1", "fieldSelector": f"metadata.name={self.shoot.name}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get(url, params=parameters, timeout=timeout) as response:
            if response.status >= 400:  # it does not answer now
                return
            async for line in response.content:
                event = msgspec.json.decode(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif event["type"] == "ERROR":
                    return

    async def nodes(self) -> list[Manifest]:
        """The Nodes as they are now."""
        return await self.kube.list(NODE)

    async def control(self, path: str, method: str = "GET") -> Any:
        """The answer of the control endpoint at `path`; RequestRefused when it is an error."""
        url = self.address.control.rstrip("/") + path
        try:
            async with self.session.request(method, url) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RequestRefused(f"{method} {url}: {error}") from error
        if response.status >= 400:
            raise RequestRefused(f"{method} {url}: {response.status}: {body.decode(errors='replace')}")
        return msgspec.json.decode(body)


@asynccontextmanager
async def open_world(address: WorldAddress, shoot: ShootView) -> AsyncIterator[World]:
    """Connect to the world at `address` as the owner of `shoot` would to a live cluster.

    The Compute client's endpoint is the control endpoint, which serves reads by the protocol of the Compute API: they
    are not counted, use no quota and trigger no fault, so that verifying a run does not affect it.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        files = (address.kubeconfig, address.seed_kubeconfig, address.garden_kubeconfig)
        kube, seed, garden = (LightkubeKube.connect(find_connection(file)) for file in files)
        for client in (kube, seed, garden):
            stack.push_async_callback(client.close)
        clients = ComputeClients(address.clock, endpoint=address.control)
        stack.push_async_callback(clients.close)
        namespace = shoot.technical_id
        compute = clients.of(await existing(seed, SECRET, CLOUD_PROVIDER_SECRET, namespace))
        cluster = Desired.of(shoot, project=compute.project, region=shoot.region).cluster
        taints = frozenset(taint_of(taint) for pool in shoot.pools for taint in pool.taints)
        sources = Sources(cluster, kube, compute, seed, namespace, taints)
        yield World(address, shoot, kube, seed, garden, sources, session)
