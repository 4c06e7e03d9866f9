"""The calls of every client: the calls of the migration, and each documented refusal.

A step is a call in the terms of the discovery document, so that the same table drives every client: `service`, `verb`,
`where` (path and query parameters), `resource` (the name of the body in clients generated from protocol buffers) and
`body`. A fingerprint of `CURRENT` is read first.

The refusals need three worlds: one at rest (`REFUSALS`), one whose time stands still, so that operations keep running
(`BUSY`), and one with small quotas (`QUOTAS`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import Setting

Json = dict[str, Any]

SETTING = Setting(latency=LatencyProfile(ipv6_prefix=(0.0, 0.0)))
"""The story does not poll for the subnet's /64, so it is assigned when the operation is done."""

STANDING = Setting(
    by_hand=True,
    quotas=Limits(
        by_group={"ListRequestsPerMinutePerProject": 2}, concurrent_operations_by_type={"networks.insert": 1}
    ),
)
SMALL = Setting(
    quotas=Limits(
        static_routes_per_network=2,
        aliases_per_network=3,
        instances_per_network=4,
        subnet_ranges_per_network=4,
        secondary_ranges_per_subnetwork=2,
        alias_ranges_per_interface=2,
    )
)

PROJECT, REGION, ZONE = "proj-1", "europe-west1", "europe-west1-b"
NETWORK = f"projects/{PROJECT}/global/networks/vpc"
NODES = f"regions/{REGION}/subnetworks/nodes"
MACHINE = f"zones/{ZONE}/machineTypes/n1-standard-2"
PODS = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
SPARE = {"rangeName": "spare", "ipCidrRange": "10.77.0.0/24"}
CURRENT = "<current>"
STALE = base64.b64encode(b"longgone").decode()

_PLACES: dict[str, Json] = {
    "networks": {}, "routes": {}, "subnetworks": {"region": REGION}, "instances": {"zone": ZONE},
}  # fmt: skip
_RESOURCES = {
    "updateNetworkInterface": "networkInterfaceResource",
    "expandIpCidrRange": "subnetworksExpandIpCidrRangeRequestResource",
    "setTags": "tagsResource",
    "setLabels": "instancesSetLabelsRequestResource",
    "setMetadata": "metadataResource",
}


@dataclass(frozen=True)
class Step:
    """`refused`: HTTP status of the refusal, or the code of the operation's error; "" for a call that succeeds.

    `waits`: until the operation has ended.
    """

    service: str
    verb: str
    name: str = ""
    body: Json = field(default_factory=dict)
    refused: str = ""
    query: Json = field(default_factory=dict)
    waits: bool = True

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
        return _RESOURCES.get(self.verb, f"{self.singular}Resource")

    def as_json(self) -> Json:
        return {**asdict(self), "singular": self.singular, "where": self.where, "resource": self.resource}


def _patch(refused: str = "", fingerprint: str = CURRENT, name: str = "nodes", **change: Any) -> Step:
    body = {"fingerprint": fingerprint, **change} if fingerprint else change
    return Step("subnetworks", "patch", name, body, refused)


def _interface(name: str, refused: str = "", fingerprint: str = CURRENT, nic: str = "nic0", **change: Any) -> Step:
    body = {"fingerprint": fingerprint, **change} if fingerprint else change
    return Step("instances", "updateNetworkInterface", name, body, refused, {"networkInterface": nic})


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


def _alias(*cidrs: str) -> list[Json]:
    return [{"ipCidrRange": cidr, "subnetworkRangeName": "ipv4-pod-cidr"} for cidr in cidrs]


def _changed(step: Step, **change: Any) -> Step:
    return replace(step, body={**step.body, **change})


ONCE = "5cf2f0a6-0f0e-4d1c-9a76-7b1f1d9e3a10"
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

RESOURCE_NAMES: tuple[Step, ...] = (  # docs/reference/compute-engine.md#names-paths-and-references
    Step("networks", "get", "none", refused="404"),
    Step("routes", "delete", "none", refused="404"),
    Step("subnetworks", "patch", "none", {"allowSubnetCidrRoutesOverlap": True}, "404"),
    Step("instances", "delete", "none", refused="404"),
    Step("networks", "insert", "", {"name": "Not_A_Name", "autoCreateSubnetworks": False}, "400"),
    Step("networks", "insert", "", {"name": "vpc", "autoCreateSubnetworks": False}, "409"),
    _subnetwork("nodes", "10.1.0.0/16", "409"),
    _route("outside", "172.16.0.0/24", "409"),
    _vm("vm0", "409"),
)

REQUESTS: tuple[Step, ...] = (  # docs/reference/compute-engine.md#lists
    Step("routes", "list", refused="400", query={"filter": "name = ("}),
    Step("routes", "list", refused="400", query={"filter": "(name eq a) (name = b)"}),
    Step("routes", "list", refused="400", query={"orderBy": "priority"}),
    Step("routes", "list", refused="400", query={"maxResults": 501}),
    Step("routes", "list", refused="400", query={"pageToken": "none"}),
    replace(_route("again", "172.18.0.0/24", "400"), query={"requestId": "00000000-0000-0000-0000-000000000000"}),
    replace(_route("again", "172.18.0.0/24", "400"), query={"requestId": "not-a-uuid"}),
    replace(_route("once", "172.18.0.0/24"), query={"requestId": ONCE}),
    replace(_route("once", "172.18.0.0/24"), query={"requestId": ONCE}),
    _route("once", "172.18.0.0/24", "409"),
)

NETWORKS: tuple[Step, ...] = (  # docs/reference/compute-engine.md#networks
    Step("networks", "insert", "", {"name": "legacy"}, "400"),
    Step("networks", "delete", "vpc", refused=IN_USE),
)

SUBNETWORKS: tuple[Step, ...] = (  # docs/reference/compute-engine.md#subnetwork-updates
    _subnetwork("other", "10.250.4.0/24", "400"),
    _subnetwork("other", "10.77.0.0/25", "400"),
    _subnetwork("other", "10.1.0.7/16", "400"),
    _subnetwork("other", "10.1.0.0/30", "400"),
    _subnetwork("other", "172.16.0.0/24", "400"),
    _patch("412", "", allowSubnetCidrRoutesOverlap=True),
    _patch("412", STALE, allowSubnetCidrRoutesOverlap=True),
    _patch("400", enableFlowLogs=True, allowSubnetCidrRoutesOverlap=True),
    _patch("400", description="other"),
    _patch("400", network="global/networks/six"),
    _patch("400", region="regions/europe-west2"),
    _patch("400", privateIpGoogleAccess=True),
    _patch("400", secondaryIpRanges=[{**PODS, "ipCidrRange": "100.64.0.0/10"}, SPARE]),
    _patch("400", secondaryIpRanges=[PODS, {**SPARE, "rangeName": "renamed"}]),
    _patch("400", secondaryIpRanges=[PODS, {"rangeName": "other", "ipCidrRange": "10.9.0.0/16"}]),
    _patch("400", secondaryIpRanges=[PODS, SPARE, {"rangeName": "twice", "ipCidrRange": "10.250.0.0/24"}]),
    _patch("400", secondaryIpRanges=[PODS, SPARE, {"rangeName": "spare", "ipCidrRange": "10.78.0.0/24"}]),
    _patch("400", secondaryIpRanges=[PODS, SPARE, {"rangeName": "over", "ipCidrRange": "172.16.0.0/12"}]),
    _patch("400", secondaryIpRanges=[SPARE]),
    _patch("400", stackType="IPV4_IPV6"),
    _patch("400", stackType="IPV4_IPV6", ipv6AccessType="INTERNAL"),
    _patch("400", stackType="IPV6_ONLY", ipv6AccessType="EXTERNAL"),
    _patch("400", name="inner", stackType="IPV4_ONLY"),
    _patch("400", name="inner", stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL"),
    Step("subnetworks", "expandIpCidrRange", "nodes", {"ipCidrRange": "10.250.0.0/17"}, "400"),
    Step("subnetworks", "expandIpCidrRange", "nodes", {"ipCidrRange": "10.0.0.0/8"}, "400"),
    Step("subnetworks", "delete", "nodes", refused="400"),
)

ROUTES: tuple[Step, ...] = (  # docs/reference/compute-engine.md#routes
    _route("inside", "100.96.0.0/24", "UNSUPPORTED_OPERATION"),
    _route("inside", "10.250.0.0/24", "UNSUPPORTED_OPERATION"),
    _route("hopless", "172.17.0.0/24", "400", hop="none"),
    _route("untidy", "172.17.0.7/24", "400"),
    _changed(_route("far", "172.17.0.0/24", "400"), priority=65536),
    _changed(_route("torn", "172.17.0.0/24", "400"), nextHopIp="10.250.0.9"),
    Step("routes", "insert", "", {"name": "aimless", "network": NETWORK, "destRange": "172.17.0.0/24"}, "400"),
    _patch(allowSubnetCidrRoutesOverlap=True),
    _patch(secondaryIpRanges=[PODS, SPARE, {"rangeName": "over", "ipCidrRange": "172.16.0.0/12"}]),
    _patch("400", allowSubnetCidrRoutesOverlap=False),
)

INSTANCES: tuple[Step, ...] = (  # docs/reference/compute-engine.md#interface-updates
    _vm("lost", "400", subnetwork=f"regions/{REGION}/subnetworks/none"),
    _vm("six", "400", stackType="IPV4_IPV6"),
    _vm("taken", "IP_IN_USE_BY_ANOTHER_RESOURCE", aliasIpRanges=_alias("100.96.0.0/24")),
    _vm("full", "IP_SPACE_EXHAUSTED_WITH_DETAILS", aliasIpRanges=_alias("/11")),
    _vm("astray", "400", aliasIpRanges=_alias("10.9.0.0/24")),
    _interface("vm0", "400", "", aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm0", "412", STALE, aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm0", "400", nic="nic7", aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm0", "400", aliasIpRanges=_alias("100.96.7.0/24")),
    _interface("vm1", "400", aliasIpRanges=_alias("10.9.0.0/24")),
    _interface("vm1", "400", aliasIpRanges=[{"ipCidrRange": "100.96.7.0/24", "subnetworkRangeName": "none"}]),
    _interface("vm1", "IP_IN_USE_BY_ANOTHER_RESOURCE", aliasIpRanges=_alias("100.96.0.0/24")),
    _interface("vm0", "400", accessConfigs=[{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]),
    _interface("vm0", "400", networkIP="10.250.0.99"),
    _interface("vm0", "400", stackType="IPV4_IPV6", aliasIpRanges=_alias("100.96.0.0/24")),
    Step("instances", "setTags", "vm0", {"items": ["a"], "fingerprint": STALE}, "412"),
    Step("instances", "setLabels", "vm0", {"labels": {"a": "b"}, "labelFingerprint": STALE}, "412"),
    Step("instances", "setMetadata", "vm0", {"items": [{"key": "a", "value": "b"}], "fingerprint": STALE}, "412"),
)

REFUSALS = (*RESOURCE_NAMES, *REQUESTS, *NETWORKS, *SUBNETWORKS, *INSTANCES, *ROUTES)

BUSY = tuple(
    replace(step, waits=False)
    for step in (  # docs/reference/compute-engine.md#concurrency, docs/reference/compute-engine.md#api-rate-quotas
        _route("begun", "172.20.0.0/24"),
        _route("begun", "172.20.0.0/24", "409"),
        _interface("vm1", aliasIpRanges=_alias("100.96.1.0/24")),
        _patch(allowSubnetCidrRoutesOverlap=True),
        _patch("400", secondaryIpRanges=[PODS]),
        _subnetwork("nodes", "10.1.0.0/16", "409"),
        _vm("vm2", "400"),
        Step("subnetworks", "expandIpCidrRange", "nodes", {"ipCidrRange": "10.248.0.0/14"}, "400"),
        Step("subnetworks", "delete", "nodes", refused="400"),
        Step("instances", "delete", "vm0"),
        _vm("vm0", "409"),
        Step("networks", "insert", "", {"name": "one", "autoCreateSubnetworks": False}),
        Step("networks", "insert", "", {"name": "two", "autoCreateSubnetworks": False}, "403"),
        Step("networks", "list"),
        Step("networks", "list"),
        Step("networks", "list", refused="403"),
    )
)

QUOTAS: tuple[Step, ...] = (  # docs/reference/compute-engine.md#allocation-quotas
    _route("third", "172.21.0.0/24", "QUOTA_EXCEEDED"),
    _patch("400", secondaryIpRanges=[PODS, SPARE, {"rangeName": "third", "ipCidrRange": "10.78.0.0/24"}]),
    _interface("vm0", "400", aliasIpRanges=_alias("100.96.0.0/24", "100.96.7.0/24", "100.96.8.0/24")),
    _interface("vm1", aliasIpRanges=_alias("100.96.1.0/24", "100.96.2.0/24")),
    _interface("vm0", "QUOTA_EXCEEDED", aliasIpRanges=_alias("100.96.0.0/24", "100.96.7.0/24")),
)

WORLDS: dict[str, tuple[Setting, tuple[Step, ...]]] = {
    "at rest": (SETTING, REFUSALS),
    "busy": (STANDING, BUSY),
    "small quotas": (SMALL, QUOTAS),
}


def refused(outcomes: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """The differences from the expected outcome, as sentences."""
    return [
        f"{step.service}.{step.verb} {step.name} {step.query} {step.body}: {outcome!r}, not {step.refused!r}"
        for outcome, step in zip(outcomes, steps, strict=True)
        if outcome != step.refused
    ]


def populate(compute: Compute) -> None:
    """The world of the refusals: aliases in use, a route outside of the ranges, a subnetwork with internal IPv6."""
    place = compute.place
    place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    ranges = [PODS, SPARE]
    nodes = {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16", "secondaryIpRanges": ranges}
    place("subnetworks", f"regions/{REGION}", nodes)
    place("networks", "global", {"name": "six", "autoCreateSubnetworks": False, "enableUlaInternalIpv6": True})
    inner = {"network": "global/networks/six", "stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL"}
    place("subnetworks", f"regions/{REGION}", {"name": "inner", "ipCidrRange": "10.2.0.0/24", **inner})
    place("instances", f"zones/{ZONE}", _vm("vm0", aliasIpRanges=_alias("100.96.0.0/24")).body)
    place("instances", f"zones/{ZONE}", _vm("vm1").body)
    place("routes", "global", _route("outside", "172.16.0.0/24").body)


def check_end_of_life(compute: Compute) -> None:
    """After `LIFE`: two VMs with aliases, one of them dual-stack, and no pod route."""
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
