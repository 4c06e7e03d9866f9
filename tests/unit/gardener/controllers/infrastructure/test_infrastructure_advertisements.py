"""Which Cloud Routers tell the other side of the pod range (cutover.md 3.6, R15)."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.preflight.advertisements import found_in

BASE = "https://www.googleapis.com/compute/v1/projects/p"
NETWORK = {"selfLink": f"{BASE}/global/networks/vpc", "routingConfig": {"routingMode": "REGIONAL"}}
DEFAULT = {"asn": 64512, "advertiseMode": "DEFAULT"}
CUSTOM = DEFAULT | {"advertiseMode": "CUSTOM"}


def router(**fields: Any) -> dict[str, Any]:
    found = {"name": "r", "region": f"{BASE}/regions/europe-west1", "network": NETWORK["selfLink"], "bgp": DEFAULT}
    return found | fields


@pytest.mark.parametrize(
    ("fields", "advertises"),
    [
        ({}, True),
        ({"bgp": {"asn": 64512}}, True),
        ({"bgp": None}, False),
        ({"bgp": CUSTOM}, False),
        ({"bgp": CUSTOM | {"advertisedGroups": ["ALL_SUBNETS"]}}, True),
        ({"bgp": CUSTOM, "bgpPeers": [{"name": "a"}, {"name": "b", "advertiseMode": "DEFAULT"}]}, True),
        ({"bgpPeers": [{"name": "a", "advertiseMode": "CUSTOM"}]}, False),
        ({"network": f"{BASE}/global/networks/other"}, False),
        ({"region": f"{BASE}/regions/us-east1"}, False),
    ],
)
def test_a_router_advertises_by_mode_network_and_region(fields: dict[str, Any], advertises: bool) -> None:
    assert found_in([router(**fields)], NETWORK, "europe-west1") == (["r (europe-west1)"] if advertises else [])


def test_with_global_routing_every_region_counts() -> None:
    network = NETWORK | {"routingConfig": {"routingMode": "GLOBAL"}}
    far = router(region=f"{BASE}/regions/us-east1")
    assert found_in([far], network, "europe-west1") == ["r (us-east1)"]
