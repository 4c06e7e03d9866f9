"""A small VPC as Compute API resources: one node subnet, a few VMs, and a route for each. Each change is a commit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dualstack_sim.chance import Chance
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric import Fabric, FabricKnobs, LagProfile

BASE = "https://www.googleapis.com/compute/v1/projects/proj-1"
NETWORK = f"{BASE}/global/networks/net"
REGION = "europe-west1"
PODS = "10.96.0.0/11"


@dataclass
class StillClock:
    """A clock that stands still; tests pass every instant as an argument."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def node(number: int) -> str:
    return f"node-{number}"


def pods(number: int) -> str:
    return f"10.96.{number}.0/24"


def pod(number: int) -> str:
    return f"10.96.{number}.2"


def ipv6_base(number: int) -> str:
    return f"2600:1900:4010:1:0:{number:x}:0:0"


class Cloud:
    """Resources that pass a commit for each change to `sink`."""

    def __init__(self, sink: Callable[[Commit], None]) -> None:
        self._sink = sink
        self._resources: dict[tuple[str, str], dict[str, Any]] = {}

    def put(self, at: float, collection: str, resource: dict[str, Any]) -> None:
        place = (collection, resource["name"])
        before = self._resources.get(place)
        self._resources[place] = resource
        self._sink(Commit(at, collection, resource["name"], before, resource))

    def change(self, at: float, collection: str, name: str, **fields: Any) -> None:
        resource = copy.deepcopy(self._resources[collection, name])
        resource.update(fields)
        self.put(at, collection, resource)

    def delete(self, at: float, collection: str, name: str) -> None:
        self._sink(Commit(at, collection, name, self._resources.pop((collection, name)), None))

    def subnet(self, at: float, name: str = "nodes", cidr: str = "10.250.0.0/16", region: str = REGION) -> None:
        body = {"name": name, "network": NETWORK, "region": f"{BASE}/regions/{region}", "ipCidrRange": cidr}
        self.put(at, "subnetworks", {**body, "stackType": "IPV4_ONLY", "allowSubnetCidrRoutesOverlap": False})

    def flag(self, at: float, value: bool) -> None:
        self.change(at, "subnetworks", "nodes", allowSubnetCidrRoutesOverlap=value)

    def ranges(self, at: float, *cidrs: str) -> None:
        listing = [{"rangeName": f"range-{cidr}", "ipCidrRange": cidr} for cidr in cidrs]
        self.change(at, "subnetworks", "nodes", secondaryIpRanges=listing)

    def vm(self, at: float, number: int, *, zone: str = f"{REGION}-b", status: str = "RUNNING", **fields: Any) -> None:
        nic = {"name": "nic0", "network": NETWORK, "networkIP": f"10.250.0.{number + 10}", "stackType": "IPV4_ONLY"}
        body = {"name": node(number), "zone": f"{BASE}/zones/{zone}", "status": status, "canIpForward": True}
        self.put(at, "instances", {**body, "tags": {"items": ["nodes"]}, "networkInterfaces": [nic], **fields})

    def aliases(self, at: float, number: int, *cidrs: str) -> None:
        self._interface(at, number, aliasIpRanges=[{"ipCidrRange": cidr} for cidr in cidrs])

    def dual_stack(self, at: float, number: int) -> None:
        config = {"type": "DIRECT_IPV6", "externalIpv6": ipv6_base(number), "externalIpv6PrefixLength": 96}
        self._interface(at, number, stackType="IPV4_IPV6", ipv6AccessConfigs=[config])

    def internal_six(self, at: float, number: int, base: str) -> None:
        self._interface(at, number, stackType="IPV4_IPV6", ipv6Address=base, internalIpv6PrefixLength=96)

    def route(self, at: float, number: int, **fields: Any) -> None:
        body = {"name": f"route-{number}", "network": NETWORK, "destRange": pods(number), "priority": 1000}
        hop = f"{BASE}/zones/{REGION}-b/instances/{node(number)}"
        self.put(at, "routes", {**body, "nextHopInstance": hop, **fields})

    def drop_route(self, at: float, number: int) -> None:
        self.delete(at, "routes", f"route-{number}")

    def firewall(self, at: float, name: str = "allow-pods", *sources: str, **fields: Any) -> None:
        body = {"name": name, "network": NETWORK, "direction": "INGRESS", "priority": 1000}
        allowed = [{"IPProtocol": "tcp", "ports": ["1-65535"]}, {"IPProtocol": "icmp"}]
        ranges = list(sources) or ["10.0.0.0/8"]
        self.put(at, "firewalls", {**body, "sourceRanges": ranges, "allowed": allowed, **fields})

    def egress(self, at: float, *ranges: str, allow: bool, name: str = "egress", **fields: Any) -> None:
        entry = {"allowed" if allow else "denied": [{"IPProtocol": "all"}]}
        body = {"name": name, "network": NETWORK, "direction": "EGRESS", "priority": 1000}
        self.put(at, "firewalls", {**body, "destinationRanges": list(ranges), **entry, **fields})

    def peer(self, at: float, *, custom: bool = True, stack: str = "IPV4_ONLY", name: str = "peer") -> None:
        """A peer network with a VM of the same name; `custom`: the main network exports custom routes to it."""
        self.network(at, "net", name, exportCustomRoutes=True, stackType=stack)
        self.network(at, name, "net", importCustomRoutes=custom, stackType=stack)
        link = f"{BASE}/global/networks/{name}"
        self.subnet(at, f"{name}-nodes", "10.80.0.0/16")
        self.change(at, "subnetworks", f"{name}-nodes", network=link)
        self.firewall(at, f"{name}-allow", network=link)
        nic = {"name": "nic0", "network": link, "networkIP": "10.80.0.2"}
        self.vm(at, 99, name=name, networkInterfaces=[nic])

    def network(self, at: float, name: str, peer: str, **peering: Any) -> None:
        body = {"name": f"to-{peer}", "network": f"{BASE}/global/networks/{peer}", "state": "ACTIVE"}
        self.put(at, "networks", {"name": name, "peerings": [{**body, **peering}]})

    def _interface(self, at: float, number: int, **fields: Any) -> None:
        nic = {**self._resources["instances", node(number)]["networkInterfaces"][0], **fields}
        self.change(at, "instances", node(number), networkInterfaces=[nic])


def cluster(
    numbers: Iterable[int] = (1, 2),
    *,
    lag: LagProfile | None = None,
    knobs: FabricKnobs | None = None,
    seed: int = 0,
    joined: bool = True,
) -> tuple[Fabric, Cloud]:
    """A settled cluster in state S0 (docs/reference/cut-over.md#s0) at time 0, nodes as endpoints, traffic marked."""
    fabric = Fabric(StillClock(), Chance(seed), lag or LagProfile.fixed(0.0), knobs)
    cloud = Cloud(fabric.on_commit)
    cloud.subnet(0.0)
    cloud.firewall(0.0)
    for number in numbers:
        cloud.vm(0.0, number)
        cloud.route(0.0, number)
        if joined:
            fabric.traffic.join(0.0, node(number), [pods(number)])
    fabric.rest(0.0)
    fabric.traffic.mark(0.0)
    return fabric, cloud
