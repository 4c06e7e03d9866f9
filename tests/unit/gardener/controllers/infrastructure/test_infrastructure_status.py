"""What the Infrastructure publishes (docs/reference/gardener.md#published-status)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.gardener.controllers.infrastructure.shoots import N6, NS, S6, desired, view

from dualstack.gardener.controllers.infrastructure.record import (
    Prefixes,
    egress,
    families,
    networking,
    provider_status,
    state_data,
)
from dualstack.gardener.model.infrastructure import InfrastructureState
from dualstack.model.errors import InvalidInput

BOTH = Prefixes(N6, S6)


def test_networking_of_the_golden_scenario() -> None:
    """docs/reference/gardener.md#golden-r2-13"""
    assert networking(view(), BOTH) == {
        "nodes": ["10.250.0.0/16", "2600:1900:4010:1234::/64"],
        "pods": ["100.96.0.0/11", "2600:1900:4010:1234::/64"],
        "services": ["100.64.0.0/13", "2600:1900:4010:5678::/108"],
    }


def test_networking_of_an_ipv4_shoot_has_one_entry_each() -> None:
    assert networking(view("IPv4"), Prefixes()) == {
        "nodes": ["10.250.0.0/16"],
        "pods": ["100.96.0.0/11"],
        "services": ["100.64.0.0/13"],
    }


def test_a_shoot_without_nodes_range_is_refused_in_gardeners_words() -> None:
    with pytest.raises(InvalidInput, match="a nodes CIDR must be provided for GCP shoots"):
        networking(replace(view(), nodes=None), BOTH)


def test_provider_status_before_and_after() -> None:
    state = InfrastructureState()
    before = provider_status(desired("IPv4"), view("IPv4"), nat_ips=(), state=state)
    assert before["kind"] == "InfrastructureStatus"
    assert before["networks"] == {
        "vpc": {"name": NS, "cloudRouter": {"name": f"{NS}-cloud-router"}},
        "subnets": [{"name": f"{NS}-nodes", "purpose": "nodes"}],
        "ipfamilies": ["IPv4"],
    }
    after = provider_status(desired(), view(), nat_ips=("34.1.2.3",), state=state)
    assert [subnet["purpose"] for subnet in after["networks"]["subnets"]] == ["nodes", "services"]
    assert after["networks"]["ipfamilies"] == ["IPv4", "IPv6"]
    assert after["networks"]["natIPs"] == [{"ip": "34.1.2.3"}]


def test_subnets_are_in_gardeners_order_and_the_status_has_the_service_account_of_the_state() -> None:
    internal = {"internal": "10.251.0.0/16"}
    state = InfrastructureState(data={"ids/service-account-email": "nodes@proj-1.iam"})
    raw = provider_status(desired(networks=internal), view(networks=internal), nat_ips=(), state=state)
    assert [subnet["purpose"] for subnet in raw["networks"]["subnets"]] == ["nodes", "internal", "services"]
    assert raw["serviceAccountEmail"] == "nodes@proj-1.iam"


def test_families_of_the_status_win_when_there_are_two() -> None:
    assert families(view("IPv4", status_nodes=("10.250.0.0/16", N6))) == ("IPv4", "IPv6")
    assert families(view("IPv4")) == ("IPv4",)
    assert families(view()) == ("IPv4", "IPv6")


def test_egress_lists_the_users_addresses_and_then_the_nodes_prefix() -> None:
    assert egress((), BOTH) == []
    assert egress(("34.1.2.3", "34.1.2.4"), BOTH) == ["34.1.2.3/32", "34.1.2.4/32", "2600:1900:4010:1234::/64"]
    assert egress(("34.1.2.3",), Prefixes()) == ["34.1.2.3/32"]


def test_state_keeps_the_clouds_spelling_and_only_what_is_known() -> None:
    assert state_data(Prefixes()) == {"resources_exist": "true"}
    assert state_data(BOTH) == {
        "resources_exist": "true",
        "nodes-subnet-ipv6-cidr": N6,
        "services-subnet-ipv6-cidr": S6,
    }
