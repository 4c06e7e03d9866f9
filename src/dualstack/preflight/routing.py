"""Checks of routes and of the Cloud Routers of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualstack.gce import Resource
from dualstack.gce.resources import last_segment
from dualstack.model import cidr
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.finding import Subject
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.ranges import pending_pod_range


@Check(
    "foreign-routes",
    "blocker",
    reads=("cluster state",),
    fine="every static route in the pod range belongs to the cluster",
    consequence="the migration does not delete routes of others, and cannot finish while the route exists",
    remedy="delete the route, or give it a destination outside the pod range",
)
def foreign_routes(inventory: Inventory) -> Iterator[Problem]:
    """Only routes that are provably the cluster's are deleted (docs/reference/weaknesses.md#w22)."""
    facts = inventory.facts
    if facts.finished:
        raise NotApplicable("the cut-over is finished")
    for route in facts.foreign_routes:
        evidence = f"destination {route.destination} lies in the pod range, and the route is not this cluster's"
        yield Problem(f"route {route.name}", evidence)


@Check(
    "learned-routes",
    "blocker",
    reads=("cluster state", "network", "subnetworks", "router status"),
    fine="no Cloud Router has learned a prefix in the pod range or the nodes range",
    consequence="the prefix could carry traffic of the cluster while the overlap flag is set",
    remedy="stop the BGP peer from advertising the prefix",
)
def learned_routes(inventory: Inventory) -> Iterator[Problem]:
    """A subnet with the overlap flag yields to such prefixes (docs/reference/cut-over.md#pre-routing)."""
    if not inventory.strategy.lossless:
        raise NotApplicable(f"strategy {inventory.strategy.name} does not set the overlap flag")
    ranges: dict[Subject, str] = {
        "pods": pending_pod_range(inventory),
        "nodes": inventory.nodes_subnet["ipCidrRange"],
    }
    for status in inventory.of("router status"):
        result = status.get("result") or {}
        routes = [*(result.get("bestRoutes") or ()), *(result.get("bestRoutesForRouter") or ())]
        for there in sorted({str(route.get("destRange")) for route in routes}):
            for subject, text in ranges.items():
                if cidr.lies_in(text, there):
                    yield Problem(f"Cloud Router {status['name']}", f"learned prefix {there} lies in {text}", subject)


@Check(
    "tagged-routes",
    "blocker",
    reads=("cluster state", "network", "routes"),
    fine="no route inside the pod range has network tags",
    consequence="the route serves nothing once the subnet has the pod range",
    remedy="replace the route by one without tags",
)
def tagged_routes(inventory: Inventory) -> Iterator[Problem]:
    """A hybrid subnet does not yield to tagged routes (docs/reference/cut-over.md#r6)."""
    pods = pending_pod_range(inventory)
    for route in inventory.static_routes:
        if route.get("tags") and cidr.lies_in(pods, str(route.get("destRange"))):
            evidence = f"destination {route['destRange']}, tags {', '.join(route['tags'])}"
            yield Problem(f"route {route['name']}", evidence, "pods")


@Check(
    "broader-routes",
    "risk",
    reads=("cluster state", "network", "routes"),
    fine="no route besides the default route contains the pod range",
    consequence="it serves no address of the pod range any more once the subnet has the range",
    remedy="check that it carries no traffic of pods; add narrower routes if it does",
)
def broader_routes(inventory: Inventory) -> Iterator[Problem]:
    """A subnet range takes precedence over broader routes (docs/reference/cut-over.md#pre-routing)."""
    pods = pending_pod_range(inventory)
    for route in inventory.static_routes:
        there = str(route.get("destRange"))
        if there not in ("0.0.0.0/0", "::/0") and not cidr.lies_in(pods, there) and cidr.lies_in(there, pods):
            yield Problem(f"route {route['name']}", f"destination {there} contains the pod range {pods}", "pods")


@Check(
    "advertised-pod-range",
    "risk",
    reads=("cluster state", "network", "routers"),
    fine="no Cloud Router advertises the subnets of the cluster",
    consequence="its BGP peers learn the range as soon as the nodes subnet has it",
    remedy="inform the operators of the peers, or set the advertise mode of the router to CUSTOM first",
)
def advertised_pod_range(inventory: Inventory) -> Iterator[Problem]:
    """Routers in DEFAULT mode advertise secondary ranges (docs/reference/cut-over.md#r15)."""
    pods = pending_pod_range(inventory)
    everywhere = (inventory.network.get("routingConfig") or {}).get("routingMode") == "GLOBAL"
    for router in sorted(inventory.in_network("routers"), key=lambda router: str(router["name"])):
        region = last_segment(router["region"])
        if (everywhere or region == inventory.cluster.region) and _advertises_subnets(router):
            yield Problem(f"Cloud Router {router['name']} ({region})", f"it will advertise pod range {pods}")


def _advertises_subnets(router: Resource) -> bool:
    """By the mode of a peer, which takes precedence, or by its own. A router without BGP only serves NAT."""
    bgp = router.get("bgp")
    if not bgp:
        return False
    peers = [peer if peer.get("advertiseMode") else bgp for peer in router.get("bgpPeers") or ()]
    return any(map(_includes_subnets, peers or [bgp]))


def _includes_subnets(policy: Mapping[str, Any]) -> bool:
    return policy.get("advertiseMode") != "CUSTOM" or "ALL_SUBNETS" in (policy.get("advertisedGroups") or ())
