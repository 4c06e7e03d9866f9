"""The provider's objects on the wire (docs/reference/gardener.md#provider-types)."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from dualstack.gardener.model.infrastructure import (
    API_VERSION,
    InfrastructureConfig,
    InfrastructureState,
    InfrastructureStatus,
    NatIP,
    NetworkStatus,
    SavedRoute,
    StatusRouter,
    StatusVPC,
    Subnet,
    has_flow_state,
    state_of,
)
from dualstack.model.errors import InvalidInput

_STATUS = InfrastructureStatus(
    networks=NetworkStatus(
        vpc=StatusVPC(name="NS", cloud_router=StatusRouter(name="NS-cloud-router")),
        subnets=(Subnet(name="NS-nodes", purpose="nodes"), Subnet(name="NS-services", purpose="services")),
        nat_ips=(NatIP(ip="34.1.2.3"),),
        ipfamilies=("IPv4", "IPv6"),
    )
)


def test_the_status_has_gardeners_spelling() -> None:
    assert _STATUS.to_raw() == {
        "apiVersion": API_VERSION,
        "kind": "InfrastructureStatus",
        "networks": {
            "vpc": {"name": "NS", "cloudRouter": {"name": "NS-cloud-router"}},
            "subnets": [{"name": "NS-nodes", "purpose": "nodes"}, {"name": "NS-services", "purpose": "services"}],
            "natIPs": [{"ip": "34.1.2.3"}],
            "ipfamilies": ["IPv4", "IPv6"],
        },
        "serviceAccountEmail": "",
    }


def test_the_status_survives_the_wire() -> None:
    assert InfrastructureStatus.from_raw(_STATUS.to_raw()) == _STATUS
    assert (_STATUS.subnet("services"), _STATUS.subnet("internal")) == ("NS-services", None)


def test_saved_routes_are_left_out_when_there_are_none() -> None:
    """11.4 #8."""
    state = InfrastructureState(data={"resources_exist": "true"})

    assert state.to_raw() == {
        "apiVersion": API_VERSION,
        "kind": "InfrastructureState",
        "data": {"resources_exist": "true"},
    }


def test_saved_routes_have_gardeners_spelling() -> None:
    route = SavedRoute(instance_name="vm", destination_cidr="100.96.0.0/24", zone="europe-west1-b")

    raw = InfrastructureState(routes=(route,)).to_raw()

    assert raw["routes"] == [{"instanceName": "vm", "destinationCIDR": "100.96.0.0/24", "zone": "europe-west1-b"}]
    assert state_of(raw).routes == (route,)


def test_the_kind_of_a_saved_state_does_not_matter() -> None:
    """Section 3.5: historically the kind was FlowState."""
    raw = {"apiVersion": API_VERSION, "kind": "FlowState", "data": {"a": "b"}}

    assert state_of(raw).data == {"a": "b"}
    assert state_of(None) == InfrastructureState()


def test_the_status_has_the_very_bytes_of_upstream() -> None:
    """Go writes kind, then version, then the fields in the order of the type; the e-mail even if empty."""
    assert msgspec.json.encode(_STATUS.to_raw()) == (
        b'{"kind":"InfrastructureStatus","apiVersion":"gcp.provider.extensions.gardener.cloud/v1alpha1",'
        b'"networks":{"vpc":{"name":"NS","cloudRouter":{"name":"NS-cloud-router"}},'
        b'"subnets":[{"name":"NS-nodes","purpose":"nodes"},{"name":"NS-services","purpose":"services"}],'
        b'"natIPs":[{"ip":"34.1.2.3"}],"ipfamilies":["IPv4","IPv6"]},"serviceAccountEmail":""}'
    )


def test_the_state_has_the_very_bytes_of_upstream() -> None:
    """Go sorts the keys of a map."""
    data = {"services-subnet-ipv6-cidr": "2600::/64", "resources_exist": "true", "a": "b"}
    state = InfrastructureState(data=data, routes=(SavedRoute("vm", "100.96.0.0/24", "europe-west1-b"),))
    assert msgspec.json.encode(state.to_raw()) == (
        b'{"kind":"InfrastructureState","apiVersion":"gcp.provider.extensions.gardener.cloud/v1alpha1",'
        b'"data":{"a":"b","resources_exist":"true","services-subnet-ipv6-cidr":"2600::/64"},'
        b'"routes":[{"instanceName":"vm","destinationCIDR":"100.96.0.0/24","zone":"europe-west1-b"}]}'
    )


def test_the_config_has_the_very_bytes_of_upstream() -> None:
    config = InfrastructureConfig.from_raw(
        {
            "networks": {
                "flowLogs": {"flowSampling": 0.5},
                "workers": "10.250.0.0/16",
                "internal": "10.251.0.0/16",
                "cloudNAT": {
                    "natIPNames": [{"name": "one"}, {}],
                    "endpointIndependentMapping": {},
                    "minPortsPerVM": 64,
                },
                "vpc": {"name": "mine"},
            }
        }
    )
    assert msgspec.json.encode(config.to_raw()) == (
        b'{"kind":"InfrastructureConfig","apiVersion":"gcp.provider.extensions.gardener.cloud/v1alpha1",'
        b'"networks":{"vpc":{"name":"mine"},'
        b'"cloudNAT":{"endpointIndependentMapping":{"enabled":false},"minPortsPerVM":64,"natIPNames":[{"name":"one"},{"name":""}]},'
        b'"internal":"10.251.0.0/16","worker":"","workers":"10.250.0.0/16","flowLogs":{"flowSampling":0.5}}}'
    )


def test_the_list_of_subnets_is_written_although_it_is_empty() -> None:
    assert msgspec.json.encode(InfrastructureStatus().to_raw()) == (
        b'{"kind":"InfrastructureStatus","apiVersion":"gcp.provider.extensions.gardener.cloud/v1alpha1",'
        b'"networks":{"vpc":{},"subnets":[]},"serviceAccountEmail":""}'
    )


_ACCOUNT = {"type": "google_service_account", "name": "serviceaccount", "instances": [{"attributes": {}}]}
_TERRAFORM = {"version": 4, "resources": [{"type": "google_compute_network", "instances": [{}]}, _ACCOUNT]}
_OLDER = {"version": 3, "modules": [{"resources": {"google_service_account.x": {"type": "google_service_account"}}}]}
_BOTH = {"resources_exist": "true", "service_account_exist": "true"}


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        ({"version": 4, "resources": []}, {"resources_exist": "true"}),
        (_TERRAFORM, _BOTH),
        (_OLDER, _BOTH),
        ({"data": json.dumps(_TERRAFORM), "encoding": "none"}, _BOTH),
        ({"data": base64.b64encode(json.dumps(_TERRAFORM).encode()).decode(), "encoding": "base64"}, _BOTH),
        ({"data": "", "encoding": "none"}, {}),
        ({"data": "no JSON", "encoding": "none"}, {"resources_exist": "true"}),
        ({"data": "~", "encoding": "base64"}, {"resources_exist": "true"}),
        (
            {"version": 4, "resources": [{"type": "google_service_account", "instances": []}]},
            {"resources_exist": "true"},
        ),
    ],
)
def test_a_state_of_terraform_says_only_what_exists(raw: Any, data: dict[str, str]) -> None:
    """Section 10."""
    assert not has_flow_state(raw)
    assert state_of(raw).data == data


def test_the_config_has_every_field_of_the_table() -> None:
    config = InfrastructureConfig.from_raw(
        {
            "networks": {
                "vpc": {"name": "mine", "cloudRouter": {"name": "router"}},
                "internal": None,
                "worker": "10.0.0.0/16",
                "mtu": 1500,
                "futureField": 1,
                "cloudNAT": {
                    "endpointIndependentMapping": {"enabled": True},
                    "minPortsPerVM": 64,
                    "maxPortsPerVM": 128,
                    "enableDynamicPortAllocation": True,
                    "natIPNames": [{"name": "one"}, {"name": "two"}],
                    "icmpIdleTimeoutSec": 1,
                    "tcpEstablishedIdleTimeoutSec": 2,
                    "tcpTimeWaitTimeoutSec": 3,
                    "tcpTransitoryIdleTimeoutSec": 4,
                    "udpIdleTimeoutSec": 5,
                },
                "flowLogs": {"aggregationInterval": "INTERVAL_30_SEC", "flowSampling": 1, "metadata": None},
            }
        }
    )

    nat, logs = config.networks.cloud_nat, config.networks.flow_logs
    assert nat is not None
    assert logs is not None
    assert (config.workers, config.user_vpc, config.user_router) == ("10.0.0.0/16", "mine", "router")
    assert (config.nat_ip_names, config.networks.internal) == (("one", "two"), None)
    assert (nat.min_ports_per_vm, nat.max_ports_per_vm, nat.enable_dynamic_port_allocation) == (64, 128, True)
    assert (nat.icmp_idle_timeout_sec, nat.tcp_established_idle_timeout_sec) == (1, 2)
    assert (nat.tcp_time_wait_timeout_sec, nat.tcp_transitory_idle_timeout_sec, nat.udp_idle_timeout_sec) == (3, 4, 5)
    assert (logs.aggregation_interval, logs.flow_sampling, logs.metadata) == ("INTERVAL_30_SEC", 1.0, None)


def test_a_wrong_type_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"InfrastructureConfig: .*networks\.mtu"):
        InfrastructureConfig.from_raw({"networks": {"mtu": "large"}})
