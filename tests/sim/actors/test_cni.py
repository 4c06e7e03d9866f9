"""Families and addresses of pods."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni import CNIS
from dualstack_sim.actors.cni.calico import CALICO
from dualstack_sim.actors.cni.cilium import CILIUM
from dualstack_sim.actors.cni.host_local import CniFailure, HostLocal, cidrs_of, primary_first
from dualstack_sim.actors.cni.model import Cni, CniConfiguration
from tests.sim.actors.fixtures import calico_config

V4, V6 = ip_network("100.96.3.0/24"), ip_network("2600:1900:4010:1234:0:1::/112")


def config_map(data: dict[str, str]) -> Manifest:
    return {"metadata": {"name": "x"}, "data": data}


def test_calico_takes_the_ranges_that_its_ipam_names() -> None:
    assert CALICO.families(calico_config(dual=False)) == (4,)
    assert CALICO.families(calico_config(dual=True)) == (6, 4)


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
    manifest = config_map({"cni_network_config": f'{{"plugins": [{{"ipam": {ipam}}}]}}'})
    assert CALICO.families(manifest) == families


def test_cilium_takes_the_families_that_are_enabled() -> None:
    assert CILIUM.families(config_map({"enable-ipv4": "true", "enable-ipv6": "false"})) == (4,)
    dual = CniConfiguration.of(CILIUM, config_map({"enable-ipv4": "true", "enable-ipv6": "true"}))
    assert dual == CniConfiguration(CILIUM, (4, 6))
    assert dual.missing_families([V4]) == (6,)
    assert dual.missing_families([V4, V6]) == ()


@pytest.mark.parametrize(
    "data", [{}, {"cni_network_config": "{"}, {"cni_network_config": "{}"}, {"cni_network_config": "[]"}]
)
@pytest.mark.parametrize("cni", CNIS.values(), ids=lambda cni: cni.name)
def test_an_invalid_configuration_is_refused(cni: Cni, data: dict[str, str]) -> None:
    with pytest.raises(CniFailure):
        CniConfiguration.of(cni, config_map(data))


def test_the_lowest_free_address_is_allocated_and_released() -> None:
    local = HostLocal()
    assert local.allocate("a", [V4, V6], (6, 4)) == (ip_address("2600:1900:4010:1234:0:1::2"), ip_address("100.96.3.2"))
    assert local.allocate("b", [V4, V6], (4,)) == (ip_address("100.96.3.3"),)
    assert local.allocate("b", [V4, V6], (4,)) == (ip_address("100.96.3.3"),)
    local.release("a")
    local.release("unknown")
    assert local.allocate("c", [V4], (4,)) == (ip_address("100.96.3.2"),)


def test_the_address_of_a_running_pod_is_not_allocated_again() -> None:
    local = HostLocal()
    local.restore("a", ["100.96.3.2"])
    assert local.allocate("b", [V4], (4,)) == (ip_address("100.96.3.3"),)


def test_a_full_range_and_a_missing_range_are_refused() -> None:
    local = HostLocal()
    small = ip_network("10.0.0.0/30")
    local.allocate("a", [small], (4,))
    with pytest.raises(CniFailure, match="no IP addresses available"):
        local.allocate("b", [small], (4,))
    with pytest.raises(CniFailure, match="no IPv6 pod CIDR"):
        local.allocate("c", [V4], (4, 6))
    local.release("a")
    assert local.allocate("c", [small], (4,)) == (ip_address("10.0.0.2"),)


def test_the_clusters_primary_family_comes_first() -> None:
    assert primary_first([V6[2], V4[2]], 4) == ["100.96.3.2", "2600:1900:4010:1234:0:1:0:2"]
    assert primary_first([V4[2], V6[2]], 6)[0] == "2600:1900:4010:1234:0:1:0:2"


def test_ranges_of_a_node() -> None:
    assert cidrs_of({"spec": {"podCIDR": "100.96.3.0/24", "podCIDRs": ["100.96.3.0/24", str(V6)]}}) == [V4, V6]
    assert cidrs_of({"spec": {"podCIDR": "100.96.3.0/24"}}) == [V4]
    assert cidrs_of({"spec": {}}) == []
