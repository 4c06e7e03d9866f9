"""What would stop a migration half way, looked for before anything of it is done (gardener-behaviour.md W2, W32).

First everything that can be read: ranges that others have, static routes in the way, quotas that can be counted,
interfaces that cannot take an alias. Then what can only be tried: an organization policy against external IPv6, say,
cannot be read through Compute. So the services subnet is made first, which carries no traffic, and asks the cloud for
all that the nodes' subnet will need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import network_filter, same_resource, secondary_ranges
from dualstack.model import cidr
from dualstack.model.cluster import Cluster
from dualstack.model.errors import InvalidInput
from dualstack.plan.automatic import MOST_INTERFACES, NetworkFacts
from dualstack.plan.blocks import unused_block
from dualstack.plan.decoy_steps import PARTS
from dualstack.plan.facts import CutoverFacts
from dualstack.preflight.neighbours import (
    ADDRESS_FIELDS,
    NETWORK_FIELDS,
    learned_conflicts,
    learned_ranges,
    peer_conflicts,
    peering_routes,
    ranges_of,
    reserved_conflicts,
)

SECONDARY_RANGES = 170
"""Secondary ranges that a subnet may have; a fixed limit (compute-api.md 4.2)."""

ALIASES = 150
"""Alias ranges that an interface may have; a fixed limit (compute-api.md 4.2)."""

SUBNET_FIELDS = "items/*/subnetworks(name,region,network,ipCidrRange,secondaryIpRanges),nextPageToken"
ROUTE_FIELDS = "items(name,description,network,destRange,nextHopNetwork,nextHopPeering,nextHopInstance),nextPageToken"


class NotFit(InvalidInput):
    """The migration would not get to its end. Its codes say whether the configuration or a quota is in the way."""

    def __init__(self, faults: Iterable[str], shortages: Iterable[str]) -> None:
        self.wrong, self.short = tuple(faults), tuple(shortages)
        super().__init__(*self.wrong, *self.short)


@dataclass(frozen=True, slots=True)
class Preflight:
    """Looks at the project of one Shoot before its migration."""

    compute: ComputeClient
    cluster: Cluster
    planned_firewalls: tuple[str, ...] = ()
    hybrid: bool = True
    """The strategy may set the overlap flag, under which more routes count."""

    async def check(self, facts: CutoverFacts) -> str:
        """Raises NotFit with a line for each obstacle; returns the selfLink of the VPC network. Changes nothing."""
        network = await self.compute.get(f"global/networks/{self.cluster.network}", fields=NETWORK_FIELDS)
        link = str(network["selfLink"])
        subnets, routes, firewalls, peers, addresses, (project,) = await gather_all(
            self.compute.aggregated("subnetworks", filter=network_filter(link), fields=SUBNET_FIELDS),
            self.compute.list("global/routes", filter=network_filter(link), fields=ROUTE_FIELDS),
            self.compute.list("global/firewalls", fields="items(name),nextPageToken"),
            peering_routes(self.compute, network),
            self.compute.list("global/addresses", fields=ADDRESS_FIELDS),
            self._project(),
        )
        learned = await learned_ranges(self.compute, network) if self.hybrid else {}
        cluster, pending = self.cluster, not facts.range_present
        ranges = ranges_of(cluster, pods=pending)
        faults = [
            *range_conflicts(subnets, self.cluster),
            *route_conflicts(routes, link, self.cluster),
            *peer_conflicts(peers, ranges),
            *reserved_conflicts(addresses, network, ranges),
            *learned_conflicts(learned, {cluster.pods: "pods", cluster.nodes: "nodes"} if pending else {}),
            *foreign_routes(facts),
            *interface_faults(facts),
        ]
        shortages = [*firewall_shortage(project, firewalls, self.planned_firewalls), *fixed_limits(facts)]
        if faults or shortages:
            raise NotFit(faults, shortages)
        return link

    async def _project(self) -> list[Resource]:
        return [await self.compute.get("", fields="quotas")]


def range_conflicts(subnets: Iterable[Resource], cluster: Cluster) -> list[str]:
    """The pod and service ranges that other subnets of the VPC have already, one line each."""
    wanted = [("pods", cluster.pods, cluster.nodes_subnet), ("services", cluster.services, cluster.services_subnet)]
    faults = []
    for subnet in subnets:
        taken = [subnet["ipCidrRange"], *(text for _, text in secondary_ranges(subnet))]
        faults += [
            f'spec.networking.{name}: Invalid value: "{text}": overlaps {other} of subnet {subnet["name"]}'
            for name, text, own in wanted
            for other in taken
            if subnet["name"] != own and cidr.overlap(text, other)
        ]
    return faults


def route_conflicts(routes: Iterable[Resource], network: str, cluster: Cluster) -> list[str]:
    """Static routes into the service range: no subnet can have it while they are there (compute-api.md 5.1)."""
    return [
        f'spec.networking.services: Invalid value: "{cluster.services}": '
        f"static route {route['name']} leads into it ({route['destRange']})"
        for route in routes
        if same_resource(route.get("network") or "", network)
        and not route.get("nextHopNetwork")
        and not route.get("nextHopPeering")
        and _inside(cluster.services, route.get("destRange") or "")
    ]


def foreign_routes(facts: CutoverFacts) -> list[str]:
    """Static routes into the pod range that are not this cluster's: nobody here may delete them (W22)."""
    return [
        f"route {route.name} leads into the pod range ({route.destination}) and is not this cluster's"
        for route in facts.foreign_routes
        if not facts.range_present
    ]


def interface_faults(facts: CutoverFacts) -> list[str]:
    """VMs whose interface is in another subnet: it can have no alias out of the pod range."""
    return [
        f"the interface of VM {name} is not in subnet {facts.subnet.name}, whose range {facts.range_name} "
        f"is to hold its pod CIDR {facts.pod_cidr_of[name]}"
        for name in facts.pod_cidr_of
        if not facts.node_of[name].subnet_ok
    ]


def decoy_faults(facts: CutoverFacts, network: NetworkFacts, *, image: str) -> list[str]:
    """What speaks against the decoy check: no pods to probe with, no blocks, no room for one VM more (R16)."""
    faults = []
    if not image:
        faults.append("metadata.annotations[dualstack.dev/decoys]: the operator runs without --prober-image")
    if unused_block(facts, holding=PARTS) is None:
        faults.append(
            f"metadata.annotations[dualstack.dev/decoys]: no {PARTS} blocks of the pod range beside each other are free"
        )
    if network.interfaces + network.surge >= MOST_INTERFACES:
        faults.append(
            f"metadata.annotations[dualstack.dev/decoys]: {network.interfaces} NICs and {network.surge} of a roll-out "
            f"leave no room for the decoys' in a VPC network with a hybrid subnet, which may have {MOST_INTERFACES}"
        )
    return faults


def firewall_shortage(project: Mapping[str, Any], firewalls: Iterable[Resource], planned: Iterable[str]) -> list[str]:
    """The two rules for IPv6 that do not fit into the project any more, if its quota can be read."""
    quota = next((entry for entry in project.get("quotas") or () if entry.get("metric") == "FIREWALLS"), None)
    if quota is None:
        return []
    there = [rule["name"] for rule in firewalls]
    wanted = set(planned)
    missing, left = len(wanted - set(there)), int(quota["limit"]) - len(there)
    if missing <= left:
        return []
    return [
        f"Quota 'FIREWALLS' exceeded.  Limit: {quota['limit']} globally: {missing} more are needed, {left} are left"
    ]


def fixed_limits(facts: CutoverFacts) -> list[str]:
    """Limits that no request can raise."""
    found = []
    if not facts.range_present and len(facts.subnet.secondary_ranges) >= SECONDARY_RANGES:
        found.append(f"subnet {facts.subnet.name} has {SECONDARY_RANGES} secondary ranges, the most there may be")
    return found + [
        f"the interface of VM {name} has {ALIASES} alias ranges, the most there may be"
        for name in facts.pod_cidr_of
        if not facts.alias_in_place(name) and len(facts.node_of[name].aliases) >= ALIASES
    ]


def _inside(outer: str, inner: str) -> bool:
    try:
        return cidr.contains(outer, inner)
    except ValueError:
        return False
