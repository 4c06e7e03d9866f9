"""What every client does: the life of what the migration touches, and what it is refused on the way.

A step is a call in the words of the published description, so that each client can be driven by the same table:
`service`, `verb`, `where` (path and query parameters), `resource` (what clients generated from protocol buffers call
the body) and `body`. A fingerprint of `CURRENT` means: read it first.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from typing import Any

from dualstack_sim.compute.backend import Compute
from dualstack_sim.compute.latency import LatencyProfile
from tests.sim.compute.cloud import Setting

Json = dict[str, Any]

SETTING = Setting(latency=LatencyProfile(ipv6_prefix=(0.0, 0.0)))
"""The story does not poll for the subnet's /64, so it is there when the operation is done."""

PROJECT, REGION, ZONE = "proj-1", "europe-west1", "europe-west1-b"
NETWORK = f"projects/{PROJECT}/global/networks/vpc"
NODES = f"regions/{REGION}/subnetworks/nodes"
MACHINE = f"zones/{ZONE}/machineTypes/n1-standard-2"
PODS = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
CURRENT = "<current>"
STALE = base64.b64encode(b"longgone").decode()

_PLACES: dict[str, Json] = {
    "networks": {}, "routes": {}, "subnetworks": {"region": REGION}, "instances": {"zone": ZONE},
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """`refused`: HTTP status of the refusal, or the code inside the operation; "" where the call succeeds."""

    service: str
    verb: str
    name: str = ""
    body: Json = field(default_factory=dict)
    refused: str = ""
    query: Json = field(default_factory=dict)

    @property
    def singular(self) -> str:
        return self.service.removesuffix("s")

    @property
    def where(self) -> Json:
        named = {self.singular: self.name} if self.name else {}
        return {"project": PROJECT, **_PLACES[self.service], **named, **self.query}

    @property
    def resource(self) -> str:
        if not self.body:
            return ""
        if self.verb == "updateNetworkInterface":
            return "networkInterfaceResource"
        return f"{self.singular}Resource"

    def as_json(self) -> Json:
        return {**asdict(self), "singular": self.singular, "where": self.where, "resource": self.resource}


def _patch(refused: str = "", fingerprint: str = CURRENT, **change: Any) -> Step:
    return Step("subnetworks", "patch", "nodes", {"fingerprint": fingerprint, **change}, refused)


def _interface(name: str, refused: str = "", fingerprint: str = CURRENT, **change: Any) -> Step:
    body = {"fingerprint": fingerprint, **change} if fingerprint else change
    return Step("instances", "updateNetworkInterface", name, body, refused, {"networkInterface": "nic0"})


def _vm(name: str, refused: str = "", **interface: Any) -> Step:
    nic = {"subnetwork": NODES, **interface}
    body = {"name": name, "machineType": MACHINE, "canIpForward": True, "networkInterfaces": [nic]}
    return Step("instances", "insert", "", body, refused)


def _route(name: str, cidr: str, refused: str = "", hop: str = "vm0") -> Step:
    body = {"name": name, "network": NETWORK, "destRange": cidr, "nextHopInstance": f"zones/{ZONE}/instances/{hop}"}
    return Step("routes", "insert", "", body, refused)


def _subnetwork(name: str, cidr: str, refused: str = "") -> Step:
    body = {"name": name, "network": NETWORK, "ipCidrRange": cidr}
    return Step("subnetworks", "insert", "", body, refused)


def _alias(cidr: str) -> list[Json]:
    return [{"ipCidrRange": cidr, "subnetworkRangeName": "ipv4-pod-cidr"}]


IN_USE = "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"

LIFE: tuple[Step, ...] = (
    Step("networks", "insert", "", {"name": "vpc", "autoCreateSubnetworks": False}),
    _subnetwork("nodes", "10.250.0.0/16"),
    _vm("vm0"),
    _vm("vm1"),
    _route("r0", "100.96.0.0/24"),
    _route("r1", "100.96.1.0/24", hop="vm1"),
    _patch(allowSubnetCidrRoutesOverlap=True),
    _patch(secondaryIpRanges=[PODS]),
    _interface("vm0", aliasIpRanges=_alias("100.96.0.0/24")),
    _interface("vm1", aliasIpRanges=_alias("100.96.1.0/24")),
    Step("routes", "delete", "r0"),
    Step("routes", "delete", "r1"),
    _patch(allowSubnetCidrRoutesOverlap=False),
    _patch(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL"),
    _interface("vm0", stackType="IPV4_IPV6", aliasIpRanges=_alias("100.96.0.0/24")),
    _vm("vm2", stackType="IPV4_IPV6", aliasIpRanges=_alias("/24")),
    Step("instances", "delete", "vm2"),
)

REFUSALS: tuple[Step, ...] = (
    Step("networks", "get", "none", refused="404"),
    Step("routes", "delete", "none", refused="404"),
    Step("networks", "insert", "", {"name": "Not_A_Name", "autoCreateSubnetworks": False}, "400"),
    Step("networks", "insert", "", {"name": "vpc", "autoCreateSubnetworks": False}, "409"),
    _subnetwork("nodes", "10.1.0.0/16", "409"),
    _subnetwork("other", "10.250.4.0/24", "400"),
    _subnetwork("other", "10.1.0.7/16", "400"),
    _subnetwork("other", "172.16.0.0/24", "400"),
    _patch("412", STALE, allowSubnetCidrRoutesOverlap=True),
    _patch("400", stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL", allowSubnetCidrRoutesOverlap=True),
    _patch("400", secondaryIpRanges=[{**PODS, "ipCidrRange": "100.64.0.0/10"}]),
    _patch("400", secondaryIpRanges=[{"rangeName": "other", "ipCidrRange": "10.9.0.0/16"}]),
    _patch("400", secondaryIpRanges=[PODS, {"rangeName": "over", "ipCidrRange": "172.16.0.0/12"}]),
    Step("subnetworks", "delete", "nodes", refused="400"),
    Step("networks", "delete", "vpc", refused=IN_USE),
    _route("outside", "172.16.0.0/24", "409"),
    _route("inside", "100.96.0.0/24", "UNSUPPORTED_OPERATION"),
    _route("inside", "10.250.0.0/24", "UNSUPPORTED_OPERATION"),
    _route("hopless", "172.17.0.0/24", "400", hop="none"),
    _vm("vm0", "409"),
    _vm("six", "400", stackType="IPV4_IPV6"),
    _vm("taken", "IP_IN_USE_BY_ANOTHER_RESOURCE", aliasIpRanges=_alias("100.96.0.0/24")),
    _interface("vm0", "400", "", aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm0", "412", STALE, aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm0", "400", aliasIpRanges=_alias("10.9.0.0/24")),
    _interface("vm0", "400", stackType="IPV4_IPV6", aliasIpRanges=_alias("100.96.0.0/24")),
)


def furnish(compute: Compute) -> None:
    """The world in which every call of `REFUSALS` is refused: aliases in use, a route outside of the ranges."""
    place = compute.place
    place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    nodes = {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16", "secondaryIpRanges": [PODS]}
    place("subnetworks", f"regions/{REGION}", nodes)
    place("instances", f"zones/{ZONE}", _vm("vm0", aliasIpRanges=_alias("100.96.0.0/24")).body)
    place("routes", "global", _route("outside", "172.16.0.0/24").body)


def check_end_of_life(compute: Compute) -> None:
    """After `LIFE`: two VMs with aliases, one of them dual-stack, and no route of a node."""
    shown = compute.snapshot()
    interfaces = {found["name"]: found["networkInterfaces"][0] for found in shown["instances"].values()}
    assert {name: nic["aliasIpRanges"][0]["ipCidrRange"] for name, nic in interfaces.items()} == {
        "vm0": "100.96.0.0/24",
        "vm1": "100.96.1.0/24",
    }
    assert interfaces["vm0"]["ipv6AccessConfigs"][0]["externalIpv6PrefixLength"] == 96
    (nodes,) = shown["subnetworks"].values()
    assert nodes["externalIpv6Prefix"].endswith("/64")
    assert nodes["allowSubnetCidrRoutesOverlap"] is False
    assert all(found["name"].startswith("default-route-") for found in shown["routes"].values())
