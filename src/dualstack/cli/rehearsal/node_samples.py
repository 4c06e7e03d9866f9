"""Samples what leads to the pods of each node from the simulated Compute Engine."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.cli.node_history import History, NodeWay
from dualstack.cli.rehearsal.world import World
from dualstack.cutover.decoys import decoy_name
from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import alias_ranges, first_interface, instance_reference
from dualstack.model.names import ROUTE_DESCRIPTION

_INSTANCES = "items(name,networkInterfaces(name,stackType,aliasIpRanges)),nextPageToken"
_ROUTES = "items(description,nextHopInstance),nextPageToken"


async def sample(history: History, world: World, at: float) -> None:
    """Add the present state, unless the cluster has too many nodes."""
    if history.too_large:
        return
    compute, cluster = world.sources.compute, world.sources.cluster
    routes, *zones = await gather_all(
        compute.list("global/routes", fields=_ROUTES),
        *(compute.list(f"zones/{zone}/instances", fields=_INSTANCES) for zone in cluster.zones),
    )
    decoy = decoy_name(cluster.name)
    nodes = (each for found in zones for each in found if each["name"] != decoy)
    history.see(ways(routes, nodes, cluster.pod_range_name), at)


def ways(routes: Iterable[Resource], instances: Iterable[Resource], pod_range: str) -> dict[str, NodeWay]:
    """What leads to the pods of each VM, by its name."""
    routed = {
        found.name
        for route in routes
        if route.get("description") == ROUTE_DESCRIPTION
        and (found := instance_reference(route.get("nextHopInstance") or ""))
    }
    return {each["name"]: _way(each, each["name"] in routed, pod_range) for each in instances}


def _way(instance: Resource, routed: bool, pod_range: str) -> NodeWay:
    interface = first_interface(instance)
    if not any(name == pod_range for _, name in alias_ranges(interface)):
        return "route" if routed else "none"
    if routed:
        return "overlap"
    return "dual" if interface.get("stackType") == "IPV4_IPV6" else "alias"
