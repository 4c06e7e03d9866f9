"""A kind of cluster is one registry entry: a world without any Gardener object is served."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from dualstack.clock import Clock, ScaledClock
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, NAMESPACE, NODE, POD, Kind, Manifest
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.guests import TaggedGuests
from dualstack_sim.actors.hosts import Registration
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.platforms import PLATFORMS, Platform
from dualstack_sim.world.serve import WorldOptions, start
from tests.sim.actors.fixtures import calico_config, daemon_set, ready_node

ZONE = "europe-west1-b"
TAG = "node"


class PlainPlatform:
    """Nodes with calico and nothing else."""

    def __init__(self, description: Manifest, nodes: int | None) -> None:
        self.namespace, self.api_server = "control-plane", "component=kube-apiserver"
        self.control_plane_host: str | None = None
        self.api_servers: Sequence[str] = ("shoot",)
        self.guest_agent = False
        self.workloads: Sequence[Kind] = ()
        self.controls: Sequence[ControlPart] = ()
        self.regions = {"europe-west1": [ZONE]}
        self.quotas = Limits()
        self.node_count = nodes or 1
        self._names = [f"{description['name']}-{number}" for number in range(nodes or 1)]
        self.store: ObjectStore | None = None

    def build(self, servers: ApiServers, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> None:
        self.store = store = servers.shoot
        network = compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})["selfLink"]
        subnet = {"name": "nodes", "network": network, "ipCidrRange": "10.250.0.0/16"}
        compute.place("subnetworks", "regions/europe-west1", subnet)
        firewall = {"name": "internal", "network": network, "allowed": [{"IPProtocol": "all"}]}
        compute.place("firewalls", "global", {**firewall, "sourceRanges": ["10.250.0.0/16", "100.96.0.0/16"]})
        for index, name in enumerate(self._names):
            body = {
                "name": name,
                "machineType": f"zones/{ZONE}/machineTypes/n1-standard-2",
                "canIpForward": True,
                "tags": {"items": [TAG]},
                "networkInterfaces": [{"subnetwork": "regions/europe-west1/subnetworks/nodes"}],
            }
            vm, pod_cidr = compute.place("instances", f"zones/{ZONE}", body), f"100.96.{index}.0/24"
            route = {"name": name, "network": network, "destRange": pod_cidr, "nextHopInstance": vm["selfLink"]}
            compute.place("routes", "global", route)
            store.create(NODE, ready_node(name, pod_cidr))
        store.create(NAMESPACE, {"metadata": {"name": self.namespace}})
        store.create(CONFIG_MAP, calico_config(dual=False))
        for name in ("calico-node", "echo"):
            store.create(DAEMON_SET, daemon_set(name))

    left_out: Sequence[str] = ()

    def access(self, server: str, token: str | None, authority: bytes | None) -> Sequence[Manifest]:
        return ()

    def guests(self, context: ActorContext) -> TaggedGuests:
        return TaggedGuests(context, [TAG], "echo", lambda _: Registration())

    def actors(self, context: ActorContext) -> list[Actor]:
        return []


async def test_a_platform_is_one_registry_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PlainPlatform] = []

    def plain(description: Manifest, nodes: int | None, _: Any) -> Platform:
        made.append(PlainPlatform(description, nodes))
        return made[-1]

    monkeypatch.setitem(PLATFORMS, "plain", plain)
    clock = ScaledClock(time.time(), 100.0)
    options = WorldOptions(cluster={"name": "node"}, nodes=2, seed=1, faults=None, clock=clock, platform="plain")
    async with AsyncExitStack() as stack:
        facts = await start(options, stack)
        store = made[0].store
        assert isinstance(store, KubeStore)
        pods = [pod["status"]["podIPs"][0]["ip"] for pod in store.list(POD, "kube-system")]
        assert sorted(pods) == ["100.96.0.2", "100.96.0.3", "100.96.1.2", "100.96.1.3"]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await session.post(f"{facts['controlEndpoint']}/trigger")
        report: dict[str, Any] = {}
        deadline = time.monotonic() + 60.0
        while report.get("pairs", 0) + report.get("laterPairs", 0) < 2 and time.monotonic() < deadline:
            await clock.sleep(10.0)
            async with session.get(f"{facts['controlEndpoint']}/traffic") as response:
                report = await response.json()
        assert (report["pairs"] + report["laterPairs"], report["brokenPairs"]) == (2, [])
