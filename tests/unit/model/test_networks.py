"""Which addresses components get in each phase (docs/reference/gardener.md#address-lists)."""

from __future__ import annotations

import pytest

from dualstack.gardener.model.names import NODES_MIGRATION
from dualstack.gardener.model.networks import all_ranges, dns_is_dual, kubelet_dns, network_families, networks
from dualstack.gardener.model.shoot import ShootView
from tests.unit.model import golden

_GATED, _OPEN = ("P0", "P1"), ("P2", "P3", "P4", "P5")


@pytest.mark.parametrize("name", _GATED)
def test_while_nodes_migrate_everything_stays_ipv4(name: str) -> None:
    found = networks(golden.view_in(name))

    assert (found.pods, found.services, found.nodes) == ((golden.P4,), (golden.S4,), (golden.N4,))
    assert (found.api_server_ips, found.dns_ips) == ((golden.API4,), (golden.DNS4,))


@pytest.mark.parametrize("name", _OPEN)
def test_once_nodes_are_ready_both_families_come_ipv4_first_and_canonical(name: str) -> None:
    found = networks(golden.view_in(name))

    assert found.pods == (golden.P4, golden.P6)
    assert found.services == (golden.S4, golden.S6)
    assert found.nodes == (golden.N4, golden.N6)
    assert found.api_server_ips == (golden.API4, golden.API6)
    assert found.dns_ips == (golden.DNS4, golden.DNS6)


def test_before_the_infrastructure_has_reported_there_is_only_the_spec() -> None:
    shoot = golden.shoot_in("P2")
    del shoot["status"]["networking"]

    assert networks(ShootView.of(shoot)).pods == (golden.P4,)


@pytest.mark.parametrize("constraint", [None, "True", "Progressing"])
def test_a_spec_that_is_ipv4_again_never_gets_ipv6(constraint: str | None) -> None:
    """Upstream appends the other family as soon as the constraint is gone (section 9)."""
    shoot = golden.shoot_in("P5")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]
    shoot["status"]["constraints"] = [{"type": NODES_MIGRATION, "status": constraint}] if constraint else []

    found = networks(ShootView.of(shoot))

    assert (found.pods, found.services, found.dns_ips) == ((golden.P4,), (golden.S4,), (golden.DNS4,))


@pytest.mark.parametrize("name", golden.PHASES)
def test_the_cni_is_gated_by_the_nodes_alone(name: str) -> None:
    assert network_families(golden.view_in(name)) == (("IPv4",) if name in _GATED else ("IPv4", "IPv6"))


@pytest.mark.parametrize("name", golden.PHASES[1:])
def test_cloud_controller_manager_is_not_gated(name: str) -> None:
    view = golden.view_in(name)

    assert all_ranges(view, "pods") == (golden.P4, golden.P6)
    assert all_ranges(view, "services") == (golden.S4, golden.S6)


def test_cloud_controller_manager_of_a_single_family_gets_one_range() -> None:
    shoot = golden.shoot_in("P5")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]

    assert all_ranges(ShootView.of(shoot), "pods") == (golden.P4,)


@pytest.mark.parametrize(("name", "expected"), [("P0", 1), ("P1", 1), ("P2", 1), ("P3", 1), ("P4", 2), ("P5", 2)])
def test_kubelets_get_the_second_dns_address_last(name: str, expected: int) -> None:
    view = golden.view_in(name)

    assert kubelet_dns(view, networks(view)) == (golden.DNS4, golden.DNS6)[:expected]


def test_kubelets_get_no_address_that_is_not_served() -> None:
    """docs/reference/weaknesses.md#w46"""
    view = golden.view_in("P4")

    assert dns_is_dual(view)
    assert kubelet_dns(view, networks(view), service_ips=[golden.DNS4]) == (golden.DNS4,)
    assert kubelet_dns(view, networks(view), service_ips=[golden.DNS4, golden.DNS6]) == (golden.DNS4, golden.DNS6)
