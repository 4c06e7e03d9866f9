"""Differences by meaning: each differing aspect costs one request (docs/reference/weaknesses.md#w29)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.unit.gardener.controllers.infrastructure.shoots import N6, NETWORK, NS, S6, SUBNET, desired

from dualstack.gardener.controllers.infrastructure.difference import (
    firewall_change,
    nats_change,
    network_change,
    nodes_subnet_changes,
    stack_type_changes,
)

SUBNET_AS_READ: dict[str, Any] = {
    "allowSubnetCidrRoutesOverlap": False,
    "fingerprint": "FzPFdmwu4-E=",
    "gatewayAddress": "10.250.0.1",
    "ipCidrRange": "10.250.0.0/16",
    "name": f"{NS}-nodes",
    "privateIpGoogleAccess": False,
    "purpose": "PRIVATE",
    "stackType": "IPV4_ONLY",
}
LOGS = {"aggregationInterval": "INTERVAL_10_MIN", "flowSampling": 0.2, "metadata": "INCLUDE_ALL_METADATA"}


def test_an_ipv4_subnet_at_rest_needs_nothing() -> None:
    assert nodes_subnet_changes(SUBNET_AS_READ, desired("IPv4")) == []
    off = SUBNET_AS_READ | {"logConfig": {"enable": False}, "enableFlowLogs": False}
    assert nodes_subnet_changes(off, desired("IPv4")) == []


def test_an_ipv4_shoot_takes_neither_range_nor_stack_type_away() -> None:
    """Upstream sends `secondaryIpRanges: []` (docs/reference/cut-over.md#gardener)."""
    dual = SUBNET_AS_READ | {
        "stackType": "IPV4_IPV6",
        "secondaryIpRanges": [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}],
    }
    assert nodes_subnet_changes(dual, desired("IPv4")) == []


def test_becoming_dual_is_one_request_with_both_fields() -> None:
    (change,) = nodes_subnet_changes(SUBNET_AS_READ, desired())
    assert change.body == {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    assert not change.expand
    assert nodes_subnet_changes(SUBNET_AS_READ | change.body, desired()) == []
    assert stack_type_changes({"name": "without the field"})[0].what == "stack-type"


def test_each_aspect_is_a_request_of_its_own_in_order() -> None:
    wanted = desired(networks={"workers": "10.240.0.0/12", "flowLogs": LOGS})
    changes = nodes_subnet_changes(SUBNET_AS_READ, wanted)
    assert [(change.what, change.expand) for change in changes] == [
        ("range", True),
        ("flow-logs", False),
        ("stack-type", False),
    ]


def test_flow_logs_are_compared_by_value() -> None:
    wanted = desired("IPv4", networks={"flowLogs": LOGS})
    same = {"enable": True, **LOGS, "flowSampling": 0.20000000298023224}
    assert nodes_subnet_changes(SUBNET_AS_READ | {"logConfig": same, "enableFlowLogs": True}, wanted) == []
    other = same | {"metadata": "EXCLUDE_ALL_METADATA"}
    (change,) = nodes_subnet_changes(SUBNET_AS_READ | {"logConfig": other}, wanted)
    assert change.body == {"logConfig": {"enable": True, **LOGS}}
    (off,) = nodes_subnet_changes(SUBNET_AS_READ | {"logConfig": same}, desired("IPv4"))
    assert off.body == {"logConfig": {"enable": False}}


def test_nat_without_the_defaults_that_the_cloud_leaves_out_is_the_same() -> None:
    wanted = desired().nat(SUBNET, ())
    kept = {
        "name",
        "natIpAllocateOption",
        "sourceSubnetworkIpRangesToNat",
        "subnetworks",
        "minPortsPerVm",
        "logConfig",
    }
    sparse = {field: value for field, value in wanted.items() if field in kept}
    sparse["subnetworks"] = [{"name": SUBNET.replace("www.", "compute."), "sourceIpRangesToNat": ["ALL_IP_RANGES"]}]
    assert nats_change({"nats": [sparse]}, wanted) is None
    assert nats_change({"nats": [sparse | {"maxPortsPerVm": 128}]}, wanted) is None  # means nothing without dynamic


@pytest.mark.parametrize(
    "change",
    [
        {"minPortsPerVm": 64},
        {"natIpAllocateOption": "MANUAL_ONLY"},
        {"natIps": ["x"]},
        {"tcpEstablishedIdleTimeoutSec": 600},
        {"logConfig": {"enable": False}},
        {"subnetworks": []},
        {"enableEndpointIndependentMapping": True},
    ],
)
def test_a_nat_that_differs_is_replaced_and_its_neighbours_stay(change: dict[str, Any]) -> None:
    wanted = desired().nat(SUBNET, ())
    before, after = {"name": "a"}, {"name": "z"}
    assert nats_change({"nats": [before, wanted | change, after]}, wanted) == {"nats": [before, wanted, after]}


def test_p05_fields_of_a_nat_that_gardener_does_not_set_stay() -> None:
    wanted = desired().nat(SUBNET, ())
    foreign = {"autoNetworkTier": "PREMIUM", "rules": [{"ruleNumber": 1}], "drainNatIps": []}
    live = wanted | foreign | {"minPortsPerVm": 64, "natIps": ["x"]}
    assert nats_change({"nats": [live]}, wanted) == {"nats": [foreign | wanted]}


def test_a_missing_nat_is_added_behind_the_others() -> None:
    wanted = desired().nat(SUBNET, ())
    assert nats_change({}, wanted) == {"nats": [wanted]}
    assert nats_change({"nats": [{"name": "of-the-user"}]}, wanted) == {"nats": [{"name": "of-the-user"}, wanted]}


def test_nat_addresses_are_a_set_of_links() -> None:
    wanted = desired().nat(SUBNET, ("projects/proj-1/regions/r/addresses/a", "projects/proj-1/regions/r/addresses/b"))
    listed = [f"https://www.googleapis.com/compute/v1/projects/proj-1/regions/r/addresses/{name}" for name in "ba"]
    assert nats_change({"nats": [wanted | {"natIps": listed}]}, wanted) is None
    assert nats_change({"nats": [wanted | {"natIps": listed[:1]}]}, wanted) is not None


def test_a_firewall_rule_in_another_spelling_is_the_same() -> None:
    wanted = desired().firewalls(NETWORK, N6, S6)[2]
    read = deepcopy(wanted)
    read["allowed"] = list(reversed(read["allowed"]))
    read["sourceRanges"] = ["2600:1900:4010:5678::/64", "2600:1900:4010:1234::/64"]
    del read["disabled"]
    del read["priority"]
    assert firewall_change(read, wanted) is None
    assert firewall_change(read | {"allowed": [{"IPProtocol": "icmpv6"}, *wanted["allowed"][1:]]}, wanted) is None


@pytest.mark.parametrize(
    "change",
    [{"sourceRanges": ["10.0.0.0/8"]}, {"priority": 900}, {"disabled": True}, {"allowed": [{"IPProtocol": "tcp"}]}],
)
def test_a_firewall_rule_that_differs_is_patched_whole(change: dict[str, Any]) -> None:
    wanted = desired().firewalls(NETWORK, None, None)[0]
    assert firewall_change(wanted | change, wanted) == wanted


def test_a_network_is_patched_only_for_its_routing_mode() -> None:
    assert network_change({"name": NS, "mtu": 1460, "routingConfig": {"routingMode": "REGIONAL"}}, desired()) is None
    assert network_change({"name": NS}, desired()) is None
    changed = network_change({"name": NS, "routingConfig": {"routingMode": "GLOBAL"}}, desired())
    assert changed == {"routingConfig": {"routingMode": "REGIONAL"}}
