"""Checks of the settings of the subnets."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory


@Check(
    "ipv6-access-type",
    "blocker",
    reads=("network", "subnetworks"),
    fine="the nodes subnet and the services subnet can have external IPv6 addresses",
    consequence="the access type is immutable, so the subnet never gets the external /64 that nodes and Services need",
    remedy="replace the subnet by one with external IPv6 access or with IPv4 only; nodes need a new cluster for that",
)
def ipv6_access_type(inventory: Inventory) -> Iterator[Problem]:
    """Only external access has a public /64 (docs/reference/compute-engine.md#access-type-immutable)."""
    for subnet in (inventory.nodes_subnet, inventory.subnet(inventory.cluster.services_subnet)):
        if subnet is not None and subnet.get("ipv6AccessType") == "INTERNAL":
            yield Problem(f"subnet {subnet['name']}", "ipv6AccessType is INTERNAL")


@Check(
    "overlap-flag-visible",
    "blocker",
    reads=("cluster state",),
    fine="the API shows the field allowSubnetCidrRoutesOverlap",
    consequence="the API ignores the overlap flag, so the pod range cannot be added while routes exist",
    remedy="use strategy compressed or auto, which do not need the flag",
)
def overlap_flag_visible(inventory: Inventory) -> Iterator[Problem]:
    """An API without the field ignores it silently (docs/reference/cut-over.md#flag-in-clients)."""
    facts = inventory.facts
    if not inventory.strategy.lossless:
        raise NotApplicable(f"strategy {inventory.strategy.name} does not set the overlap flag")
    if facts.range_present or not facts.live_routes:
        raise NotApplicable("no route lies inside the pod range")
    if not facts.subnet.flag_visible:
        yield Problem(f"subnet {facts.subnet.name}", "the API does not show allowSubnetCidrRoutesOverlap")
