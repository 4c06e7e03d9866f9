"""The ranges that Cloud Routers advertise over BGP (docs/reference/cut-over.md#r15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.rules import enforced

BGP_DEFAULTS: Json = {"advertiseMode": "DEFAULT", "keepaliveInterval": 20}


def advertised(router: Json, network: Json, subnetworks: Iterable[Json]) -> list[str]:
    """The IPv4 ranges that the router advertises to any peer; without peers, those of its own policy.

    `subnetworks` are those of the router's network. A router without `bgp` (for NAT only) advertises nothing.
    """
    policies = [policy(router, peer) for peer in router.get("bgpPeers", ())] or [router.get("bgp", {})]
    there = list(subnetworks)
    return sorted({text for one in policies for text in advertised_by(one, router, network, there)})


def policy(router: Json, peer: Json) -> Json:
    """The policy for a peer: the peer's own if it has a mode, else the router's."""
    bgp: Json = router.get("bgp", {})
    return peer if bgp and peer.get("advertiseMode") else bgp


def advertised_by(policy: Json, router: Json, network: Json, subnetworks: Iterable[Json]) -> Iterator[str]:
    """The ranges of one policy: the listed ones in CUSTOM mode, else all subnet ranges in the router's reach."""
    if not policy:
        return
    custom = policy.get("advertiseMode") == "CUSTOM"
    if custom:
        yield from (entry["range"] for entry in policy.get("advertisedIpRanges", ()))
    groups = policy.get("advertisedGroups", ())
    if "ALL_SUBNETS" in groups if custom else enforced("routers.default-mode-advertises-subnets"):
        yield from _subnet_ranges(router, network, subnetworks)


def _subnet_ranges(router: Json, network: Json, subnetworks: Iterable[Json]) -> Iterator[str]:
    everywhere = network.get("routingConfig", {}).get("routingMode") == "GLOBAL"
    regional = enforced("routers.advertise-their-region") and not everywhere
    for subnetwork in subnetworks:
        if not regional or _last(subnetwork["region"]) == _last(router["region"]):
            yield subnetwork["ipCidrRange"]
            yield from (entry["ipCidrRange"] for entry in subnetwork.get("secondaryIpRanges", ()))


def _last(url: str) -> str:
    return url.rpartition("/")[2]
