"""What led to the pods of each node, and when it changed: sampled from the simulated Compute Engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from dualstack.cli.rehearsal.world import World
from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import alias_ranges, first_interface, instance_reference
from dualstack.model.names import ROUTE_DESCRIPTION

NodeWay = Literal["route", "overlap", "alias", "dual", "none", "gone"]
"""overlap: both a route and an alias. dual: an alias, and a NIC with both families. gone: there is no such VM."""

MOST_NODES = 100
"""In larger clusters, sampling would slow down the rehearsal."""

_INSTANCES = "items(name,networkInterfaces(name,stackType,aliasIpRanges)),nextPageToken"
_ROUTES = "items(description,nextHopInstance),nextPageToken"


class WayChange(msgspec.Struct, frozen=True):
    """at: simulated seconds since the start of the rehearsal."""

    at: float
    way: NodeWay


class NodeHistory(msgspec.Struct, frozen=True):
    """The changes of one VM, the first of which is when it was first seen."""

    node: str
    changes: tuple[WayChange, ...]


class History:
    """Collects samples. The times are those of the samples: what changes back between two of them is not seen."""

    def __init__(self) -> None:
        self._changes: dict[str, list[WayChange]] = {}
        self._too_large = False

    async def sample(self, world: World, at: float) -> None:
        """Read the present state, unless the cluster has more than `MOST_NODES` nodes."""
        if self._too_large:
            return
        compute, cluster = world.sources.compute, world.sources.cluster
        routes, *zones = await gather_all(
            compute.list("global/routes", fields=_ROUTES),
            *(compute.list(f"zones/{zone}/instances", fields=_INSTANCES) for zone in cluster.zones),
        )
        self.see(ways(routes, (each for found in zones for each in found), cluster.pod_range_name), at)

    def see(self, now: Mapping[str, NodeWay], at: float) -> None:
        """Add what has changed; nothing more once there are more than `MOST_NODES` nodes."""
        self._too_large = self._too_large or len(now) > MOST_NODES
        gone: dict[str, NodeWay] = dict.fromkeys(self._changes.keys() - now.keys(), "gone")
        for name, way in {**gone, **now}.items():
            changes = self._changes.setdefault(name, [])
            if not changes or changes[-1].way != way:
                changes.append(WayChange(round(at, 1), way))

    def nodes(self) -> tuple[NodeHistory, ...]:
        """One for each VM, in the order in which they were seen; empty in a cluster that is too large."""
        if self._too_large:
            return ()
        return tuple(NodeHistory(name, tuple(changes)) for name, changes in self._changes.items())


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
