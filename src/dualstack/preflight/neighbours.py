"""What others say of our ranges: peers (cutover.md R10), services that have a range of the network allocated to them
(cutover.md 3.4), and who speaks BGP to our routers (cutover.md 3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import last_segment, same_resource
from dualstack.model import cidr
from dualstack.model.cluster import Cluster

NETWORK_FIELDS = "selfLink,peerings(state)"
ROUTER_FIELDS = "items/*/routers(name,region,network,bgpPeers(name)),nextPageToken"
ADDRESS_FIELDS = "items(name,address,prefixLength,purpose,network),nextPageToken"
STATUS_FIELDS = "result(bestRoutes(destRange),bestRoutesForRouter(destRange))"


async def peering_routes(compute: ComputeClient, network: Resource) -> list[Resource]:
    """The ranges and routes of all peers of the network, as far as peers send them; nothing without a peer."""
    if not any(peering.get("state") == "ACTIVE" for peering in network.get("peerings") or ()):
        return []
    path = f"global/networks/{last_segment(network['selfLink'])}/listPeeringRoutes"
    return await compute.list(path, direction="INCOMING")


async def learned_ranges(compute: ComputeClient, network: Resource) -> dict[str, set[str]]:
    """What each Cloud Router of the network has learned by BGP, by the router's name."""
    routers = [
        router
        for router in await compute.aggregated("routers", fields=ROUTER_FIELDS)
        if router.get("bgpPeers") and same_resource(router.get("network") or "", network["selfLink"])
    ]
    paths = [f"regions/{last_segment(router['region'])}/routers/{router['name']}" for router in routers]
    told = await gather_all(*(compute.get(f"{path}/getRouterStatus", fields=STATUS_FIELDS) for path in paths))
    return {
        router["name"]: _destinations(status.get("result") or {}) for router, status in zip(routers, told, strict=True)
    }


def peer_conflicts(routes: Iterable[Mapping[str, object]], ranges: Mapping[str, str]) -> list[str]:
    """R10: a range may overlap no range of a peer, nor contain a route that was imported from one.

    `ranges`: field of the Shoot's networking by range.
    """
    faults = []
    for route in routes:
        there, static = str(route.get("destRange") or ""), route.get("type") != "SUBNET_PEERING_ROUTE"
        if static and not route.get("imported"):
            continue
        what = f"contains route {there}" if static else f"overlaps {there}"
        faults += [
            f'spec.networking.{field}: Invalid value: "{text}": {what} of a peered network'
            for text, field in ranges.items()
            if _overlap(text, there, inside=static)
        ]
    return list(dict.fromkeys(faults))


def reserved_conflicts(addresses: Iterable[Resource], network: Resource, ranges: Mapping[str, str]) -> list[str]:
    """Ranges of the network that are allocated to private services access: no subnet can have them."""
    return [
        f'spec.networking.{field}: Invalid value: "{text}": overlaps {there} of reserved range {address["name"]}'
        for address in addresses
        if address.get("purpose") == "VPC_PEERING"
        and same_resource(address.get("network") or "", network["selfLink"])
        and (there := f"{address.get('address')}/{address.get('prefixLength')}")
        for text, field in ranges.items()
        if _overlap(text, there, inside=False)
    ]


def learned_conflicts(learned: Mapping[str, set[str]], ranges: Mapping[str, str]) -> list[str]:
    """Prefixes inside the nodes' or pods' range: a subnet with the overlap flag may let them carry traffic."""
    return [
        f'spec.networking.{field}: Invalid value: "{text}": Cloud Router {router} has learned {there}, which lies in '
        "it and could carry its traffic while the overlap flag is set"
        for router, found in sorted(learned.items())
        for there in sorted(found)
        for text, field in ranges.items()
        if _overlap(text, there, inside=True)
    ]


def ranges_of(cluster: Cluster, *, pods: bool) -> dict[str, str]:
    """The ranges that are about to become those of subnets, each with its field."""
    return ({cluster.pods: "pods"} if pods else {}) | {cluster.services: "services"}


def _destinations(result: Mapping[str, list[Mapping[str, str]]]) -> set[str]:
    routes = [*(result.get("bestRoutes") or ()), *(result.get("bestRoutesForRouter") or ())]
    return {route["destRange"] for route in routes if route.get("destRange")}


def _overlap(ours: str, theirs: str, *, inside: bool) -> bool:
    """Whether they share an address; `inside`: whether ours contains theirs. What is no range does neither."""
    try:
        return cidr.contains(ours, theirs) if inside else cidr.overlap(ours, theirs)
    except ValueError:
        return False
