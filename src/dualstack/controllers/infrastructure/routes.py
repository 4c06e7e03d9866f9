"""Which static routes are this cluster's (DESIGN.md 3.8, gardener-behaviour.md 12.9, W22).

A route is ours when all of this holds, and foreign when it merely lies in our pod CIDR:
its network is exactly the cluster's, its description is `k8s-node-route`, its name begins with the 26 characters of the
cluster name and `-`, its destination lies in the pod CIDR, and its next hop is one of the cluster's machines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.gce.resources import instance_reference, last_segment, same_resource
from dualstack.model import cidr, names
from dualstack.plan.facts import RouteFacts

FIELDS = "items(name,description,network,destRange,nextHopInstance,nextHopNetwork,tags),nextPageToken"


def network_filter(network: str) -> str:
    """The server-side filter for the routes of one network, by its selfLink, as the CCM sends it (W23)."""
    return f"(network eq {network})"


@dataclass(frozen=True, slots=True)
class Ownership:
    """What makes a route this cluster's.

    machines: names of its machines. remembered: (VM, CIDR) of routes that were proven ours when they were saved.
    deployments: names of its machine deployments. vms: names of all VMs that exist in the zones looked at.
    """

    network: str
    pods: str
    ns: str
    machines: frozenset[str]
    vms: frozenset[str]
    zones: frozenset[str]
    deployments: tuple[str, ...] = ()
    remembered: frozenset[tuple[str, str]] = frozenset()

    def owns(self, route: Mapping[str, Any]) -> bool:
        """Whether the route is provably ours; its destination is known to lie in the pod CIDR."""
        if route.get("description") != names.ROUTE_DESCRIPTION or route.get("tags"):
            return False
        if not str(route["name"]).startswith(names.route_prefix(self.ns)):
            return False
        hop = instance_reference(route.get("nextHopInstance") or "")
        if hop is None:
            return False
        if hop.name in self.machines or (hop.name, route["destRange"]) in self.remembered:
            return True
        return self._was_ours(hop.name, hop.zone)

    def _was_ours(self, name: str, zone: str) -> bool:
        """A machine of ours that is gone with its VM: its name shows which deployment made it, and nothing runs there.

        Such a route carries nothing, but it would keep the pod CIDR from becoming a range without the overlap flag.
        """
        made_here = any(name.startswith(f"{deployment}-") for deployment in self.deployments)
        return made_here and zone in self.zones and name not in self.vms


def split(routes: Iterable[Mapping[str, Any]], ownership: Ownership) -> tuple[list[RouteFacts], list[RouteFacts]]:
    """Our routes, and the foreign ones whose destination lies in the pod CIDR; all others do not concern us."""
    ours: list[RouteFacts] = []
    foreign: list[RouteFacts] = []
    for route in routes:
        if route.get("nextHopNetwork") or not same_resource(route.get("network") or "", ownership.network):
            continue
        destination = route.get("destRange") or ""
        if not is_inside(ownership.pods, destination):
            continue
        (ours if ownership.owns(route) else foreign).append(_facts(route))
    return ours, foreign


def deployments_of(pools: Iterable[tuple[str, Collection[str]]], ns: str) -> tuple[str, ...]:
    """The names of the machine deployments of pools with their zones (gardener-behaviour.md 5.1)."""
    return tuple(names.machine_deployment(ns, pool, index) for pool, zones in pools for index in range(len(zones)))


def route_body(name: str, network: str, destination: str, instance: str) -> dict[str, Any]:
    """The route that cloud-controller-manager makes for a node (GB 8.4); `network` and `instance` are links."""
    return {
        "name": name,
        "description": names.ROUTE_DESCRIPTION,
        "network": network,
        "destRange": destination,
        "nextHopInstance": instance,
        "priority": 1000,
    }


def is_inside(pods: str, destination: str) -> bool:
    """Whether the destination lies in the pod CIDR; not if it is no CIDR."""
    try:
        return cidr.contains(pods, destination)
    except ValueError:
        return False


def _facts(route: Mapping[str, Any]) -> RouteFacts:
    hop = instance_reference(route.get("nextHopInstance") or "")
    return RouteFacts(
        name=last_segment(route["name"]),
        destination=cidr.canonical(route["destRange"]),
        instance=hop.name if hop else "",
        zone=hop.zone if hop else "",
    )
