"""Decides which static routes are this cluster's (docs/reference/design-rules.md#provably-ours).

A route is the cluster's when all of this holds: its network is exactly the cluster's, its description is
`k8s-node-route`, it has no network tags, its name begins with the route prefix of the cluster's name, its destination
lies in the pod CIDR, and its next hop is one of the cluster's machines, was one when the route was saved, or is a
deleted VM whose name shows its pool. A route that only has its destination in the pod CIDR is foreign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from dualstack.gce.resources import instance_reference, last_segment, same_resource
from dualstack.model import cidr, names
from dualstack.model.cluster import Cluster
from dualstack.plan.facts import RouteFacts, SavedRoute

FIELDS = "items(name,description,network,destRange,nextHopInstance,nextHopNetwork,tags),nextPageToken"


@dataclass(frozen=True, slots=True)
class Ownership:
    """What makes a route this cluster's.

    network: link. machines: names of its machines. vms: names of all VMs in `zones`. saved: pairs of VM and CIDR of
    the routes that were its own when they were saved.
    """

    cluster: Cluster
    network: str
    machines: frozenset[str]
    vms: frozenset[str]
    zones: frozenset[str]
    saved: frozenset[tuple[str, str]]

    @classmethod
    def of(
        cls,
        cluster: Cluster,
        network: str,
        *,
        machines: Collection[str] = (),
        vms: Collection[str] = (),
        zones: Iterable[str] = (),
        saved: Iterable[SavedRoute] = (),
    ) -> Self:
        """From what was read; `zones` are those of the cluster's pools where none are given."""
        pairs = frozenset((route.instance_name, route.destination_cidr) for route in saved)
        return cls(cluster, network, frozenset(machines), frozenset(vms), frozenset(zones or cluster.zones), pairs)

    def owns(self, route: Mapping[str, Any]) -> bool:
        """Whether the route is provably the cluster's; its destination must lie in the pod CIDR."""
        if route.get("description") != names.ROUTE_DESCRIPTION or route.get("tags"):
            return False
        if not str(route["name"]).startswith(names.route_prefix(self.cluster.name)):
            return False
        hop = instance_reference(route.get("nextHopInstance") or "")
        if hop is None:
            return False
        if hop.name in self.machines or (hop.name, route["destRange"]) in self.saved:
            return True
        return self._led_to_former_machine(hop.name, hop.zone)

    def _led_to_former_machine(self, name: str, zone: str) -> bool:
        """A deleted machine: the VM does not exist, and its name shows the pool that it was created for.

        Such a route carries nothing, but without the overlap flag it keeps the pod CIDR from becoming a range.
        """
        prefixes = [prefix for pool in self.cluster.pools for prefix in pool.vm_name_prefixes]
        return name.startswith(tuple(prefixes)) and zone in self.zones and name not in self.vms


def split(routes: Iterable[Mapping[str, Any]], ownership: Ownership) -> tuple[list[RouteFacts], list[RouteFacts]]:
    """The cluster's routes, and the foreign routes whose destination lies in the pod CIDR. Skips all others."""
    ours: list[RouteFacts] = []
    foreign: list[RouteFacts] = []
    for route in routes:
        if route.get("nextHopNetwork") or not same_resource(route.get("network") or "", ownership.network):
            continue
        if not cidr.lies_in(ownership.cluster.pods, route.get("destRange") or ""):
            continue
        (ours if ownership.owns(route) else foreign).append(_facts(route))
    return ours, foreign


def route_body(name: str, network: str, destination: str, instance: str) -> dict[str, Any]:
    """The route that cloud-controller-manager creates for a node (docs/reference/gardener.md#route-controller).

    `network` and `instance` are links.
    """
    return {
        "name": name,
        "description": names.ROUTE_DESCRIPTION,
        "network": network,
        "destRange": destination,
        "nextHopInstance": instance,
        "priority": names.ROUTE_PRIORITY,
    }


def _facts(route: Mapping[str, Any]) -> RouteFacts:
    hop = instance_reference(route.get("nextHopInstance") or "")
    return RouteFacts(
        name=last_segment(route["name"]),
        destination=cidr.canonical(route["destRange"]),
        instance=hop.name if hop else "",
        zone=hop.zone if hop else "",
    )
