"""The cluster of `tests.support.memory_platform` on a Compute Engine in memory, and an actuator for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

from dualstack.cutover.actuator import CloudActuator, Redirection
from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.gce import Resource
from dualstack.model.events import AnyEvent
from dualstack.plan.settings import Settings
from tests.support.memory_compute import MemoryCompute
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform, pod_cidr
from tests.unit.cutover.fake_cluster import FakeClock

BASE = "https://www.googleapis.com/compute/v1/projects/proj-1"
NETWORK = f"{BASE}/global/networks/prod"
SUBNET = CLUSTER.nodes_subnet_path
ZONE = "zones/europe-west1-b"
RANGE = CLUSTER.pod_range_name


def instance(name: str, *aliases: dict[str, str], **fields: Any) -> Resource:
    nic = {"name": "nic0", "network": NETWORK, "subnetwork": f"{BASE}/{SUBNET}", "fingerprint": f"of-{name}"}
    held = {"aliasIpRanges": list(aliases)} if aliases else {}
    return {
        "name": name,
        "status": "RUNNING",
        "networkInterfaces": [nic | held],
        "disks": [{"source": f"{BASE}/{ZONE}/disks/data"}, {"boot": True, "source": f"{BASE}/{ZONE}/disks/{name}"}],
        **fields,
    }


def route(name: str, number: int, **fields: Any) -> Resource:
    return {
        "name": f"kubernetes-uid-{name}",
        "description": "k8s-node-route",
        "network": NETWORK,
        "destRange": pod_cidr(number),
        "nextHopInstance": f"{BASE}/{ZONE}/instances/{name}",
        **fields,
    }


def alias(number: int) -> dict[str, str]:
    return {"ipCidrRange": pod_cidr(number), "subnetworkRangeName": RANGE}


class Cloud(MemoryCompute):
    """Completes the VMs that are created, as Compute does."""

    async def post(self, path: str, body: Mapping[str, Any]) -> Resource:
        answer = await super().post(path, body)
        if path.endswith("/instances"):
            created = self.resources[f"{path}/{body['name']}"]
            (nic,) = created["networkInterfaces"]
            created["networkInterfaces"] = [{"name": "nic0", "network": NETWORK, "fingerprint": "new", **nic}]
            created["status"] = "RUNNING"
        return answer


def at_rest() -> MemoryCompute:
    """Three VMs with a route each."""
    subnet = {"name": "prod-nodes", "network": NETWORK, "selfLink": f"{BASE}/{SUBNET}", "fingerprint": "of-subnet"}
    found: dict[str, Resource] = {SUBNET: {**subnet, "allowSubnetCidrRoutesOverlap": False}}
    for number, name in enumerate(NODES):
        found[f"{ZONE}/instances/{name}"] = instance(name)
        found[f"{ZONE}/disks/{name}"] = {"name": name, "sourceImage": f"image-of-{name}"}
        found[f"global/routes/kubernetes-uid-{name}"] = route(name, number)
    return Cloud(found)


def no_kubernetes() -> Any:
    return Mock(spec=[])  # any use of it is an AttributeError


@dataclass
class Parts:
    """An actuator with what it acts on."""

    compute: MemoryCompute = field(default_factory=at_rest)
    platform: MemoryPlatform = field(default_factory=MemoryPlatform)
    clock: FakeClock = field(default_factory=FakeClock)
    kube: Any = field(default_factory=no_kubernetes)
    events: list[AnyEvent] = field(default_factory=list)

    def decoys(self, **options: Any) -> Decoys:
        return Decoys(self.compute.client, self.kube, self.clock, self.events.append, CLUSTER, **options)

    def actuator(
        self, redirection: Redirection | None = None, decoys: Decoys | None = None, **options: Any
    ) -> CloudActuator:
        return CloudActuator(
            compute=self.compute.client,
            cluster=CLUSTER,
            platform=self.platform,
            decoys=decoys or self.decoys(),
            clock=self.clock,
            redirection=redirection,
            **options,
        )

    def cut_over(self, decoys: Decoys | None = None, **options: Any) -> CutOver:
        return CutOver(
            compute=self.compute.client,
            cluster=CLUSTER,
            platform=self.platform,
            decoys=decoys or self.decoys(),
            clock=self.clock,
            emit=self.events.append,
            **{"settings": Settings(), **options},
        )

    @property
    def routes(self) -> list[str]:
        """The paths of all routes."""
        return sorted(path for path in self.compute.resources if path.startswith("global/routes/"))

    def aliases(self, name: str) -> list[dict[str, str]]:
        (nic,) = self.compute.resources[f"{ZONE}/instances/{name}"]["networkInterfaces"]
        return list(nic.get("aliasIpRanges", ()))
