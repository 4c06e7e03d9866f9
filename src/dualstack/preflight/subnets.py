"""Checks of the network and of the cluster's subnets: nodes, services and internal."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack.gce.resources import last_segment
from dualstack.model import cidr
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory


@Check(
    "network-mode",
    "blocker",
    reads=("network",),
    fine="the VPC network is in custom mode",
    consequence="only subnets of a network in custom mode can be dual-stack",
    remedy="switch the network to custom mode, which cannot be reverted: gcloud compute networks update <network> "
    "--switch-to-custom-subnet-mode",
)
def network_mode(inventory: Inventory) -> Iterator[Problem]:
    """Neither auto mode nor legacy networks have IPv6 subnets (docs/reference/compute-engine.md#to-dual-stack)."""
    network = f"network {inventory.cluster.network}"
    match inventory.network.get("autoCreateSubnetworks"):
        case True:
            yield Problem(network, "it is in auto mode")
        case None:
            yield Problem(network, "it is a legacy network, which has no subnets")


@Check(
    "subnet-purpose",
    "blocker",
    reads=("network", "subnetworks"),
    fine="the subnets of the cluster are ordinary ones",
    consequence="Compute uses the subnet for a service of its own and refuses IPv6, VMs or alias ranges in it",
    remedy="give the cluster a subnet with purpose PRIVATE; the nodes subnet needs a new cluster for that",
)
def subnet_purpose(inventory: Inventory) -> Iterator[Problem]:
    """Only subnets of purpose PRIVATE hold VMs (docs/reference/compute-engine.md#subnetwork-purpose)."""
    for subnet in inventory.subnets:
        if subnet.get("purpose", "PRIVATE") != "PRIVATE":
            role = f" with role {subnet['role']}" if subnet.get("role") else ""
            yield Problem(f"subnet {subnet['name']}", f"its purpose is {subnet['purpose']}{role}")


@Check(
    "subnet-name-taken",
    "blocker",
    reads=("network", "subnetworks"),
    fine="no other network has a subnet with the name of one that the cluster needs",
    consequence="a name is unique in its region, so the subnet of the cluster can neither be found nor created",
    remedy="delete the subnet of the other network",
)
def subnet_name_taken(inventory: Inventory) -> Iterator[Problem]:
    """Names of subnets are unique in project and region (docs/reference/compute-engine.md#subnetwork-names)."""
    own = inventory.in_network("subnetworks")
    for subnet in inventory.of("subnetworks"):
        if subnet not in own and any(inventory.is_subnet(subnet, name) for name in inventory.cluster.subnets):
            yield Problem(f"subnet {subnet['name']}", f"it belongs to network {last_segment(subnet['network'])}")


@Check(
    "subnet-range",
    "blocker",
    reads=("network", "subnetworks"),
    fine="the subnets of the cluster have their ranges, or can be expanded to them",
    consequence="the range of a subnet can only be expanded, so the subnet never has the range that the cluster needs",
    remedy="correct the range in the configuration of the cluster, or replace the subnet",
)
def subnet_range(inventory: Inventory) -> Iterator[Problem]:
    """A primary range only grows (docs/reference/compute-engine.md#expand-primary-range).

    The services subnet is never expanded: its range is that of the Services.
    """
    for subnet in inventory.subnets:
        given, wanted = subnet.get("ipCidrRange"), inventory.cluster.subnets[subnet["name"]]
        if not given:
            yield Problem(f"subnet {subnet['name']}", "it has no IPv4 range")
        elif wanted and not cidr.same(given, wanted):
            services = subnet["name"] == inventory.cluster.services_subnet
            if services or not cidr.contains(wanted, given):
                yield Problem(f"subnet {subnet['name']}", f"its range {given} cannot become {wanted}")


@Check(
    "ipv6-access-type",
    "blocker",
    reads=("network", "subnetworks"),
    fine="the subnets of the cluster can have external IPv6 addresses",
    consequence="the access type is immutable, so the subnet never gets the external /64 that nodes and Services need",
    remedy="replace the subnet by one with external IPv6 access or with IPv4 only; nodes need a new cluster for that",
)
def ipv6_access_type(inventory: Inventory) -> Iterator[Problem]:
    """Only external access has a public /64 (docs/reference/compute-engine.md#access-type-immutable)."""
    for subnet in inventory.subnets:
        access = subnet.get("ipv6AccessType", "EXTERNAL")
        if access != "EXTERNAL":
            yield Problem(f"subnet {subnet['name']}", f"ipv6AccessType is {access}")


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
