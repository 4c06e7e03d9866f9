"""What Cloud Routers advertise outside of the VPC, and when (docs/reference/cut-over.md#e17)."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack_sim.fabric.advertisements import Advertisement
from tests.sim.fabric.cloud import BASE, NETWORK, PODS, REGION, Cloud, cluster, pods

NODES = "10.250.0.0/16"
PEER = {"name": "on-premises", "peerIpAddress": "169.254.1.2"}


def router(at: float, cloud: Cloud, **fields: Any) -> None:
    body = {"name": "router", "network": NETWORK, "region": f"{BASE}/regions/{REGION}"}
    cloud.put(at, "routers", body | fields)


def said(at: float, *cidrs: str, advertised: bool = True) -> list[Advertisement]:
    return [Advertisement(at, REGION, "router", cidr, advertised) for cidr in cidrs]


def test_e17_a_router_in_default_mode_advertises_the_pod_range_as_soon_as_it_is_there() -> None:
    fabric, cloud = cluster()
    router(1.0, cloud, bgp={"asn": 64512}, bgpPeers=[PEER])
    cloud.flag(2.0, True)
    assert fabric.advertisements.events == said(1.0, NODES)
    cloud.ranges(3.0, PODS)
    assert fabric.advertisements.events[1:] == said(3.0, PODS)
    cloud.aliases(4.0, 1, pods(1))
    cloud.drop_route(5.0, 1)
    assert fabric.advertisements.events[2:] == []
    cloud.ranges(6.0)
    assert fabric.advertisements.events[2:] == said(6.0, PODS, advertised=False)


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({}, []),
        ({"bgp": {"asn": 64512}}, [NODES, PODS]),
        ({"bgp": {"advertiseMode": "CUSTOM"}, "bgpPeers": [PEER]}, []),
        ({"bgp": {"advertiseMode": "CUSTOM", "advertisedIpRanges": [{"range": NODES}]}}, [NODES]),
        ({"bgp": {"advertiseMode": "CUSTOM", "advertisedGroups": ["ALL_SUBNETS"]}}, [NODES, PODS]),
        ({"bgp": {"advertiseMode": "CUSTOM"}, "bgpPeers": [PEER | {"advertiseMode": "DEFAULT"}]}, [NODES, PODS]),
        ({"bgp": {"asn": 64512}, "bgpPeers": [PEER | {"advertiseMode": "CUSTOM"}]}, []),
    ],
    ids=["nat-only", "default", "custom", "custom-range", "custom-subnets", "peer-default", "peer-custom"],
)
def test_what_is_advertised_depends_on_the_mode_of_the_router_or_of_its_peer(fields: Any, heard: list[str]) -> None:
    fabric, cloud = cluster()
    cloud.ranges(1.0, PODS)
    router(2.0, cloud, **fields)
    assert fabric.advertisements.events == said(2.0, *heard)


@pytest.mark.parametrize(("mode", "heard"), [("REGIONAL", []), ("GLOBAL", [NODES])])
def test_a_router_elsewhere_advertises_with_global_routing_only(mode: str, heard: list[str]) -> None:
    fabric, cloud = cluster()
    cloud.put(0.5, "networks", {"name": "net", "routingConfig": {"routingMode": mode}})
    router(1.0, cloud, bgp={"asn": 64512}, region=f"{BASE}/regions/us-east1")
    assert [event.cidr for event in fabric.advertisements.events] == heard


def test_switching_to_custom_or_deleting_the_router_withdraws() -> None:
    fabric, cloud = cluster()
    router(1.0, cloud, bgp={"asn": 64512})
    router(2.0, cloud, bgp={"asn": 64512, "advertiseMode": "CUSTOM"})
    router(3.0, cloud, bgp={"asn": 64512})
    cloud.delete(4.0, "routers", "router")
    withdrawn = [(event.at, event.advertised) for event in fabric.advertisements.events]
    assert withdrawn == [(1.0, True), (2.0, False), (3.0, True), (4.0, False)]
