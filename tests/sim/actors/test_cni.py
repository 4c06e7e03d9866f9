"""Families and addresses of pods."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni import (
    CniConfiguration,
    CniFailure,
    HostLocal,
    cidrs_of,
    configuration,
    missing_families,
    primary_first,
)
from tests.sim.actors.fixtures import calico_config

V4, V6 = ip_network("100.96.3.0/24"), ip_network("2600:1900:4010:1234:0:1::/112")


def config_map(**data: str) -> Manifest:
    return {"metadata": {"name": "x"}, "data": {name.replace("_ipv", "-ipv"): value for name, value in data.items()}}


def test_calico_takes_the_ranges_that_its_ipam_names() -> None:
    assert configuration(calico_config(dual=False)) == CniConfiguration("calico", (4,))
    assert configuration(calico_config(dual=True)) == CniConfiguration("calico", (6, 4))


@pytest.mark.parametrize(
    ("ipam", "families"),
    [
        ('{"type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": "false"}', (4,)),
        ('{"type": "calico-ipam", "assign_ipv4": true, "assign_ipv6": true}', (4, 6)),
        ('{"type": "host-local", "subnet": "usePodCidr", "assign_ipv6": "false"}', (4,)),
        ('{"type": "host-local", "ranges": [[{"subnet": "2001:db8::/112"}]]}', (6,)),
    ],
)
def test_other_spellings_of_calicos_ipam(ipam: str, families: tuple[int, ...]) -> None:
    manifest = {"metadata": {"name": "x"}, "data": {"cni_network_config": f'{{"plugins": [{{"ipam": {ipam}}}]}}'}}
    assert configuration(manifest).families == families


def test_cilium_takes_the_families_that_are_enabled() -> None:
    assert configuration(config_map(enable_ipv4="true", enable_ipv6="false")).families == (4,)
    dual = configuration(config_map(enable_ipv4="true", enable_ipv6="true"))
    assert dual == CniConfiguration("cilium", (4, 6))
    assert missing_families(dual, [V4]) == (6,)
    assert missing_families(dual, [V4, V6]) == ()


@pytest.mark.parametrize(
    "data", [{}, {"cni_network_config": "{"}, {"cni_network_config": "{}"}, {"cni_network_config": "[]"}]
)
def test_a_configuration_without_sense_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(CniFailure):
        configuration({"metadata": {"name": "x"}, "data": data})


def test_the_lowest_free_address_is_given_and_comes_back() -> None:
    given = HostLocal()
    assert given.allocate("a", [V4, V6], (6, 4)) == (ip_address("2600:1900:4010:1234:0:1::2"), ip_address("100.96.3.2"))
    assert given.allocate("b", [V4, V6], (4,)) == (ip_address("100.96.3.3"),)
    assert given.allocate("b", [V4, V6], (4,)) == (ip_address("100.96.3.3"),)
    given.release("a")
    given.release("unknown")
    assert given.allocate("c", [V4], (4,)) == (ip_address("100.96.3.2"),)


def test_what_was_given_before_is_not_given_again() -> None:
    given = HostLocal()
    given.restore("a", ["100.96.3.2"])
    assert given.allocate("b", [V4], (4,)) == (ip_address("100.96.3.3"),)


def test_a_full_range_and_a_missing_range_are_refused() -> None:
    given = HostLocal()
    small = ip_network("10.0.0.0/30")
    given.allocate("a", [small], (4,))
    with pytest.raises(CniFailure, match="no IP addresses available"):
        given.allocate("b", [small], (4,))
    with pytest.raises(CniFailure, match="no IPv6 pod CIDR"):
        given.allocate("c", [V4], (4, 6))
    given.release("a")
    assert given.allocate("c", [small], (4,)) == (ip_address("10.0.0.2"),)


def test_the_clusters_primary_family_comes_first() -> None:
    assert primary_first([V6[2], V4[2]], 4) == ["100.96.3.2", "2600:1900:4010:1234:0:1:0:2"]
    assert primary_first([V4[2], V6[2]], 6)[0] == "2600:1900:4010:1234:0:1:0:2"


def test_ranges_of_a_node() -> None:
    assert cidrs_of({"spec": {"podCIDR": "100.96.3.0/24", "podCIDRs": ["100.96.3.0/24", str(V6)]}}) == [V4, V6]
    assert cidrs_of({"spec": {"podCIDR": "100.96.3.0/24"}}) == [V4]
    assert cidrs_of({"spec": {}}) == []
