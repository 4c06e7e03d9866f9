"""IPv6 from the internet to a dual-stack cluster (docs/reference/compute-engine.md#ipv6-internet-route)."""

from __future__ import annotations

import pytest

from dualstack_sim.fabric import Fabric
from tests.sim.fabric.cloud import BASE, Cloud, cluster, ipv6_base, node, pods

OUTSIDE = "2620:0:1000::1"
INTERNET = f"{BASE}/global/gateways/default-internet-gateway"


def reach(fabric: Fabric, destination: str = ipv6_base(2)[:-1] + "2", source: str = OUTSIDE) -> str:
    verdict = fabric.probe_from_internet(source, destination, at=100.0)
    return verdict.delivered_to or verdict.reason


def exposed(*sources: str) -> tuple[Fabric, Cloud]:
    """A dual-stack cluster with a route to the internet, and a firewall rule for `sources`."""
    fabric, cloud = cluster()
    cloud.put(0.5, "routes", {"name": "out", "network": "net", "destRange": "::/0", "nextHopGateway": INTERNET})
    for number in (1, 2):
        cloud.dual_stack(1.0, number)
    cloud.firewall(1.0, "outside", *sources)
    return fabric, cloud


@pytest.mark.parametrize(
    ("sources", "outcome"),
    [
        (["::/0"], node(2)),
        (["2620::/16"], node(2)),
        (["2600:1900:4010:1::/64"], "FIREWALL_RULE"),
        (["0.0.0.0/0"], "FIREWALL_RULE"),
    ],
)
def test_the_firewall_decides_who_comes_in_and_rules_for_ipv4_say_nothing(sources: list[str], outcome: str) -> None:
    assert reach(exposed(*sources)[0]) == outcome


def test_without_a_route_back_nothing_is_heard() -> None:
    fabric, cloud = exposed("::/0")
    cloud.delete(2.0, "routes", "out")
    assert reach(fabric) == "NO_ROUTE"


def test_only_running_vms_with_external_addresses_are_reached() -> None:
    fabric, cloud = exposed("::/0")
    assert reach(fabric, "2600:1900:4010:1:0:9::2") == "NO_ROUTE"
    assert reach(fabric, "10.250.0.12") == "NO_ROUTE"
    cloud.internal_six(2.0, 1, "fd20:1:2:3:0:1:0:0")
    assert reach(fabric, "fd20:1:2:3:0:1:0:2") == "NO_ROUTE"
    cloud.change(3.0, "instances", node(2), status="TERMINATED")
    assert reach(fabric) == "NO_ROUTE"


def test_the_guest_agent_takes_what_comes_for_the_pods() -> None:
    fabric, cloud = exposed("::/0")
    cloud.aliases(2.0, 2, pods(2))
    fabric.traffic.join(2.0, node(2), [pods(2), f"{ipv6_base(2)}/112"], steals_aliases=True)
    assert reach(fabric) == "STOLEN_BY_GUEST_AGENT"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        exposed("::/0")[0].probe_from_internet("nonsense", "::1")
