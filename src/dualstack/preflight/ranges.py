"""Checks of the pod range and the service range, which are about to become ranges of subnets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from dualstack.gce import Resource
from dualstack.gce.resources import secondary_ranges
from dualstack.model import cidr
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.finding import Subject
from dualstack.preflight.inventory import Inventory

PROHIBITED = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "199.36.153.4/30",
    "199.36.153.8/30",
    "224.0.0.0/4",
    "255.255.255.255/32",
)
"""No subnet has addresses of these (docs/reference/compute-engine.md#valid-ranges)."""

LONGEST_PREFIX = 29
"""Of a range of a subnet (docs/reference/compute-engine.md#smallest-range)."""


@Check(
    "range-valid",
    "blocker",
    reads=("cluster state", "network", "subnetworks"),
    fine="a subnet can have the pod range and the service range",
    consequence="Compute refuses the range",
    remedy="the range of a running cluster cannot be changed, so this cluster cannot become dual-stack",
)
def range_valid(inventory: Inventory) -> Iterator[Problem]:
    """Some addresses, and very small ranges, are prohibited (docs/reference/compute-engine.md#valid-ranges)."""
    for subject, text in _pending_ranges(inventory).items():
        about = f"range {text}"
        if IPv4Network(text).prefixlen > LONGEST_PREFIX:
            yield Problem(about, f"it is smaller than a /{LONGEST_PREFIX}", subject)
        for there in PROHIBITED:
            if cidr.overlap(text, there):
                yield Problem(about, f"it overlaps {there}, which no subnet can have", subject)


@Check(
    "pod-range-overlap",
    "blocker",
    reads=("cluster state", "network", "subnetworks"),
    fine="no other subnet of the network overlaps the pod range",
    consequence="Compute refuses to add the pod range to the nodes subnet",
    remedy="delete the other range, or move its subnet to another network",
)
def pod_range_overlap(inventory: Inventory) -> Iterator[Problem]:
    """Two ranges of a network cannot overlap, in whatever region (docs/reference/compute-engine.md#range-overlap)."""
    pods = pending_pod_range(inventory)
    nodes_subnet = inventory.cluster.nodes_subnet
    for subnet in inventory.in_network("subnetworks"):
        own = inventory.is_subnet(subnet, nodes_subnet)
        # Secondary ranges of the nodes subnet are those of `pod-range-taken`.
        for text in _primary(subnet) if own else _ranges(subnet):
            if cidr.overlap(pods, text):
                yield Problem(f"subnet {subnet['name']}", f"range {text} overlaps the pod range {pods}", "pods")


@Check(
    "pod-range-taken",
    "blocker",
    reads=("cluster state",),
    fine="the name and the addresses of the pod range are free in the nodes subnet",
    consequence="the pod range cannot be added, and Compute cannot rename a range",
    remedy="remove the alias ranges that use the other range, then remove that range from the subnet",
)
def pod_range_taken(inventory: Inventory) -> Iterator[Problem]:
    """A range cannot be renamed or resized (docs/reference/cut-over.md#r11)."""
    pods, facts = pending_pod_range(inventory), inventory.facts
    for name, text in facts.subnet.secondary_ranges:
        if name == facts.range_name or cidr.overlap(text, pods):
            evidence = f"secondary range {name} ({text}) conflicts with {facts.range_name} ({pods})"
            yield Problem(f"subnet {facts.subnet.name}", evidence, "pods")


@Check(
    "service-range-overlap",
    "blocker",
    reads=("network", "subnetworks"),
    fine="no other subnet of the network overlaps the service range",
    consequence="Compute refuses to create the services subnet",
    remedy="delete the other range, or move its subnet to another network",
)
def service_range_overlap(inventory: Inventory) -> Iterator[Problem]:
    """It becomes the primary range of a subnet (docs/reference/compute-engine.md#range-overlap)."""
    services = _pending_service_range(inventory)
    for subnet in inventory.in_network("subnetworks"):
        for text in _ranges(subnet):
            if cidr.overlap(services, text):
                evidence = f"range {text} overlaps the service range {services}"
                yield Problem(f"subnet {subnet['name']}", evidence, "services")


@Check(
    "service-range-routes",
    "blocker",
    reads=("network", "subnetworks", "routes"),
    fine="no static route has its destination in the service range",
    consequence="Compute refuses to create the services subnet while the route exists",
    remedy="delete the route",
)
def service_range_routes(inventory: Inventory) -> Iterator[Problem]:
    """A static route cannot lie within the range of a subnet (docs/reference/cut-over.md#r8)."""
    services = _pending_service_range(inventory)
    for route in inventory.static_routes:
        there = str(route.get("destRange"))
        if cidr.lies_in(services, there):
            yield Problem(f"route {route['name']}", f"destination {there} lies in the service range", "services")


@Check(
    "peer-ranges",
    "blocker",
    reads=("cluster state", "network", "subnetworks", "peering routes"),
    fine="no peer has a conflicting range or exports a conflicting route",
    consequence="Compute refuses the range",
    remedy="remove the range or the route from the peered network, or end the peering",
)
def peer_ranges(inventory: Inventory) -> Iterator[Problem]:
    """A range may overlap no range of a peer, nor contain an imported route (docs/reference/cut-over.md#r10)."""
    ranges = _pending_ranges(inventory)
    if not any(peering.get("state") == "ACTIVE" for peering in inventory.network.get("peerings") or ()):
        raise NotApplicable(f"network {inventory.cluster.network} has no active peering")
    seen = set()
    for route in inventory.of("peering routes"):
        there, custom = str(route.get("destRange")), route.get("type") != "SUBNET_PEERING_ROUTE"
        if there in seen or (custom and not route.get("imported")):
            continue
        seen.add(there)
        for subject, text in ranges.items():
            if cidr.lies_in(text, there) if custom else _shares(text, there):
                what = f"an imported route to {there} lies in" if custom else f"range {there} of a peer overlaps"
                yield Problem(f"network {inventory.cluster.network}", f"{what} {text}", subject)


@Check(
    "reserved-ranges",
    "blocker",
    reads=("cluster state", "network", "subnetworks", "addresses"),
    fine="no range is reserved for private services access that overlaps the pod range or the service range",
    consequence="Compute refuses the range",
    remedy="release the reserved range, or reserve another one for private services access",
)
def reserved_ranges(inventory: Inventory) -> Iterator[Problem]:
    """Reserved ranges cannot become ranges of subnets (docs/reference/compute-engine.md#reserved-range-overlap)."""
    ranges = _pending_ranges(inventory)
    for address in inventory.in_network("addresses"):
        there = f"{address.get('address')}/{address.get('prefixLength')}"
        for subject, text in ranges.items():
            if address.get("purpose") == "VPC_PEERING" and _shares(text, there):
                yield Problem(f"reserved range {address['name']}", f"{there} overlaps {text}", subject)


def pending_pod_range(inventory: Inventory) -> str:
    """The pod range that is going to be added; NotApplicable when it is there."""
    if inventory.facts.range_present:
        raise NotApplicable(f"subnet {inventory.cluster.nodes_subnet} has the pod range")
    return inventory.cluster.pods


def _shares(one: str, other: str) -> bool:
    return cidr.lies_in(one, other) or cidr.lies_in(other, one)


def _primary(subnet: Resource) -> list[str]:
    """Its primary range; none if it is IPv6-only."""
    return list(filter(None, [subnet.get("ipCidrRange")]))


def _ranges(subnet: Resource) -> list[str]:
    return [*_primary(subnet), *(text for _, text in secondary_ranges(subnet))]


def _pending_service_range(inventory: Inventory) -> str:
    if inventory.subnet(inventory.cluster.services_subnet) is not None:
        raise NotApplicable(f"subnet {inventory.cluster.services_subnet} has the service range")
    return inventory.cluster.services


def _pending_ranges(inventory: Inventory) -> dict[Subject, str]:
    """The ranges that are about to become those of subnets; NotApplicable when there is none."""
    ranges: dict[Subject, str] = {} if inventory.facts.range_present else {"pods": inventory.cluster.pods}
    if inventory.subnet(inventory.cluster.services_subnet) is None:
        ranges["services"] = inventory.cluster.services
    if not ranges:
        raise NotApplicable("the subnets have the pod range and the service range")
    return ranges
