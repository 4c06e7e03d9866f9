"""Cloud Routers that will tell the other end of a VPN or interconnect of the pod range (cutover.md 3.6).

Nothing in the VPC breaks by that, and dualstack changes no router: whoever runs the network on the other side has to
know before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.resources import last_segment, same_resource
from dualstack.model.cluster import Cluster

ROUTER_FIELDS = (
    "items/*/routers(name,region,network,bgp(advertiseMode,advertisedGroups),"
    "bgpPeers(advertiseMode,advertisedGroups)),nextPageToken"
)


async def advertising_routers(compute: ComputeClient, cluster: Cluster) -> list[str]:
    """`name (region)` of the routers that advertise whatever range the nodes' subnet has. Raises ComputeRefusal."""
    network = await compute.get(f"global/networks/{cluster.network}", fields="selfLink,routingConfig(routingMode)")
    routers = await compute.aggregated("routers", fields=ROUTER_FIELDS)
    return sorted(found_in(routers, network, cluster.region))


def found_in(routers: Iterable[Resource], network: Resource, region: str) -> list[str]:
    """Those of `routers` in the network that advertise the subnets of `region`: its own, or all with GLOBAL routing."""
    everywhere = (network.get("routingConfig") or {}).get("routingMode") == "GLOBAL"
    return [
        f"{router['name']} ({last_segment(router['region'])})"
        for router in routers
        if same_resource(router.get("network") or "", str(network["selfLink"]))
        and (everywhere or last_segment(router["region"]) == region)
        and _advertises_subnets(router)
    ]


def _advertises_subnets(router: Resource) -> bool:
    """By its own mode, or by that of a peer, which goes before. A router without BGP is there for NAT."""
    bgp = router.get("bgp")
    if not bgp:
        return False
    peers = [peer if peer.get("advertiseMode") else bgp for peer in router.get("bgpPeers") or ()]
    return any(map(_says_subnets, peers or [bgp]))


def _says_subnets(policy: Mapping[str, Any]) -> bool:
    if policy.get("advertiseMode") == "CUSTOM":
        return "ALL_SUBNETS" in (policy.get("advertisedGroups") or ())
    return True
