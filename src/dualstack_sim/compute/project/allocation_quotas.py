"""Allocation quotas of a network: usage, and the failure when a quota is exhausted.

Source: docs/reference/compute-engine.md#network-quotas.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from dualstack_sim.compute.api.errors import Json, OperationFailed, OperationFailure, quota_exceeded
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.network.range_conflicts import number_of_ranges, static_routes
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced


class Quota(NamedTuple):
    """A quota of a network, by its internal and its monitoring name."""

    name: str
    metric: str


STATIC_ROUTES = Quota("STATIC_ROUTES_PER_NETWORK", "static_routes_per_vpc_network")
SUBNET_RANGES = Quota("SUBNET_RANGES_PER_NETWORK", "subnet_ranges_per_vpc_network")
INSTANCES = Quota("INSTANCES_PER_NETWORK_GLOBAL", "instances_per_vpc_network")
ALIASES = Quota("ALIASES_PER_NETWORK_GLOBAL", "ip_aliases_per_vpc_network")


def used(project: Project, network: str, quota: Quota) -> int:
    """The usage of the quota in the network with this link."""
    if quota is STATIC_ROUTES:
        return len(static_routes(project, network))
    if quota is SUBNET_RANGES:
        subnetworks = project.inventory.of_network("subnetworks", network).values()
        return sum(number_of_ranges(subnetwork) for subnetwork in subnetworks)
    usage = project.inventory.usage
    return usage.interfaces[network] if quota is INSTANCES else usage.aliases[network]


def limit_of(project: Project, quota: Quota) -> int:
    limits = project.limits
    return {
        STATIC_ROUTES: limits.static_routes_per_network,
        SUBNET_RANGES: limits.subnet_ranges_per_network,
        INSTANCES: limits.instances_per_network,
        ALIASES: limits.aliases_per_network,
    }[quota]


def fits(project: Project, network: str, quota: Quota, more: int) -> bool:
    """Whether `more` fits into the quota. Zero always fits."""
    return not more or used(project, network, quota) + more <= limit_of(project, quota)


def exhausted(project: Project, network: str, quota: Quota) -> OperationFailure:
    """The failure of the operation. Raises ApiError instead if the knob moves the refusal into the request."""
    limit = float(limit_of(project, quota))
    message = f"Quota '{quota.name}' exceeded.  Limit: {limit}"
    if project.knobs.network_quotas == "request":
        raise quota_exceeded(message)
    identity = project.inventory.get(Key("networks", GLOBAL, network.rpartition("/")[2]))["id"]
    details: Json = {
        "metricName": f"compute.googleapis.com/{quota.metric}",
        "limitName": quota.metric.upper().replace("_", "-"),
        "limit": limit,
        "dimensions": {"network_id": identity},
    }
    return OperationFailure("QUOTA_EXCEEDED", message, 403, "FORBIDDEN", ({"quotaInfo": details},))


def check_interfaces(project: Project, interfaces: list[Json]) -> None:
    """Raises OperationFailed if the networks have no quota for these new interfaces or their aliases."""
    for network, number in Counter(interface["network"] for interface in interfaces).items():
        if not fits(project, network, INSTANCES, number) and enforced("quotas.instances"):
            raise OperationFailed(exhausted(project, network, INSTANCES))
        aliases = sum(len(i.get("aliasIpRanges", ())) for i in interfaces if i["network"] == network)
        check_aliases(project, network, aliases)


def check_aliases(project: Project, network: str, more: int) -> None:
    """Raises OperationFailed if the network has no quota for `more` alias ranges, including pending ones."""
    coming = project.pending_aliases[network] if more else 0
    if not fits(project, network, ALIASES, more + coming) and enforced("quotas.aliases"):
        raise OperationFailed(exhausted(project, network, ALIASES))


def ranges_failure(project: Project, network: str, more: int) -> OperationFailure | None:
    """The failure if the network has no quota for `more` subnet ranges, including pending ones."""
    if fits(project, network, SUBNET_RANGES, more + _pending_ranges(project, network) if more else 0) or not enforced(
        "quotas.subnet-ranges"
    ):
        return None
    return exhausted(project, network, SUBNET_RANGES)


def _pending_ranges(project: Project, network: str) -> int:
    """The ranges that running operations will add to subnetworks of the network."""
    return sum(
        max(0, number_of_ranges(project.pending_subnetworks[key]) - number_of_ranges(subnetwork))
        for key, subnetwork in project.inventory.of_network("subnetworks", network).items()
        if key in project.pending_subnetworks
    )
