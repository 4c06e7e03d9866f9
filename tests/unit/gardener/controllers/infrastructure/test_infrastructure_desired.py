"""Request bodies, exactly as Gardener sends them (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from dataclasses import replace

from tests.support.nat import NAT_DEFAULTS
from tests.unit.gardener.controllers.infrastructure.shoots import N6, NETWORK, NS, S6, SUBNET, desired


def test_the_nodes_subnet_of_a_dual_stack_shoot() -> None:
    assert desired().nodes(NETWORK) == {
        "name": f"{NS}-nodes",
        "description": "gardener-managed worker subnet",
        "ipCidrRange": "10.250.0.0/16",
        "network": NETWORK,
        "stackType": "IPV4_IPV6",
        "ipv6AccessType": "EXTERNAL",
        "secondaryIpRanges": [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}],
    }


def test_the_nodes_subnet_of_an_ipv4_shoot_says_nothing_of_ipv6() -> None:
    body = desired("IPv4").nodes(NETWORK)
    assert not {"stackType", "ipv6AccessType", "secondaryIpRanges", "logConfig"} & set(body)


def test_a_shoot_taken_back_to_ipv4_stays_dual_in_the_cloud() -> None:
    """4.1: dual as long as the status has two node ranges."""
    assert desired("IPv4", status_nodes=("10.250.0.0/16", N6)).dual
    assert not desired("IPv4").dual


def test_flow_logs_get_gardeners_defaults() -> None:
    body = desired(networks={"flowLogs": {"flowSampling": 0.0}}).nodes(NETWORK)
    assert body["logConfig"] == {
        "enable": True,
        "aggregationInterval": "INTERVAL_5_MIN",
        "flowSampling": 0.0,
        "metadata": "EXCLUDE_ALL_METADATA",
    }


def test_the_services_subnet_takes_the_ipv4_service_range_and_a_prefix() -> None:
    assert desired().services_body(NETWORK) == {
        "name": f"{NS}-services",
        "description": "gardener-managed services subnet",
        "ipCidrRange": "100.64.0.0/13",
        "network": NETWORK,
        "stackType": "IPV4_IPV6",
        "ipv6AccessType": "EXTERNAL",
    }


def test_p16_the_internal_subnet_becomes_dual_stack_unless_the_shoot_keeps_it_ipv4() -> None:
    assert desired().internal(NETWORK) is None
    wanted = desired(networks={"internal": "10.251.0.0/16"})
    body = wanted.internal(NETWORK)
    assert body is not None
    assert body["ipCidrRange"] == "10.251.0.0/16"
    assert (body["stackType"], body["ipv6AccessType"]) == ("IPV4_IPV6", "EXTERNAL")
    assert wanted.cluster.internal_subnet == f"{NS}-internal"

    kept = replace(wanted, internal_ipv6=False)
    assert "stackType" not in (kept.internal(NETWORK) or {})
    assert kept.cluster.internal_subnet == ""


def test_nat_with_defaults_and_with_the_users_addresses() -> None:
    nat = desired().nat(SUBNET, ())
    assert nat == NAT_DEFAULTS | {
        "name": f"{NS}-cloud-nat",
        "subnetworks": [{"name": SUBNET, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
    }
    manual = desired().nat(SUBNET, ("link-a", "link-b"))
    assert manual["natIpAllocateOption"] == "MANUAL_ONLY"
    assert manual["natIps"] == ["link-a", "link-b"]


def test_firewall_rules_for_ipv6_come_with_the_prefixes() -> None:
    names = [rule["name"] for rule in desired().firewalls(NETWORK, None, None)]
    assert names == [f"{NS}-allow-internal-access", f"{NS}-allow-health-checks"]
    rules = {rule["name"]: rule for rule in desired().firewalls(NETWORK, N6, S6)}
    assert rules[f"{NS}-allow-internal-access"]["sourceRanges"] == ["100.96.0.0/11", "10.250.0.0/16"]
    internal = rules[f"{NS}-allow-internal-access-ipv6"]
    assert internal["sourceRanges"] == [N6, S6]
    assert [entry["IPProtocol"] for entry in internal["allowed"]] == ["58", "ipip", "tcp", "udp"]
    health = rules[f"{NS}-allow-health-checks-ipv6"]
    assert health["sourceRanges"] == ["2600:2d00:1:b029::/64", "2600:2d00:1:1::/64", "2600:1901:8001::/48"]
    assert {entry["IPProtocol"]: entry["ports"] for entry in health["allowed"]} == {
        "udp": ["30000-32767"],
        "tcp": ["30000-32767"],
    }


def test_a_users_vpc_and_router_keep_their_names() -> None:
    large = desired(example="shoot-large.yaml")
    assert (large.vpc, large.router) == ("shop-live", "shop-live-router")
    assert large.nodes_subnet == "shoot--shop--orders-nodes"
    assert (desired().vpc, desired().router) == (NS, f"{NS}-cloud-router")
