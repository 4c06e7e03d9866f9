"""The checks of DNS, egress, NetworkPolicies and packet sizes: each for its reason, in a world where it must appear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dualstack.verify.facts import Reading
from tests.unit.verify.right_cluster import calico_config, facts, not_passed, pod, policy, router

EVERY = ["routes", "prepared", "aliases", "dual-stack"]


def routes(*destinations: str, **hop: str) -> Reading[Any]:
    return Reading([{"destRange": each, **(hop or {"nextHopGateway": "x"})} for each in destinations])


@pytest.mark.parametrize("state", EVERY)
def test_dns_without_a_ready_pod_fails(state: str) -> None:
    down = pod(state == "dual-stack")
    down["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    found = not_passed(replace(facts(state), pods=Reading([down])), state)
    assert found["dns.endpoints"][0] == "failed"
    assert "0 of 1 DNS pods are Ready" in found["dns.endpoints"][1]


def test_dns_pods_of_one_family_do_not_serve_a_service_of_both() -> None:
    found = not_passed(replace(facts("dual-stack"), pods=Reading([pod(False)])), "dual-stack")
    assert found["dns.endpoints"] == ("failed", "0 of 1 DNS pods are Ready with an IPv4 and an IPv6 address")


@pytest.mark.parametrize("state", EVERY)
def test_a_vm_without_address_or_nat_has_no_way_to_the_internet(state: str) -> None:
    no_nat = replace(facts(state), routers=Reading([router(subnetworks=[{"name": "x/subnetworks/other"}])]))
    no_range = {} if state == "routes" else {"compute.nat-ranges": ("not-applicable", "no Cloud NAT serves the nodes")}
    assert not_passed(no_nat, state) == no_range | {
        "compute.egress": ("risk", "VM n1 has no external IPv4 address, and no Cloud NAT serves its subnet")
    }
    for place in ({"network": "x/other"}, {"region": "x/regions/us-east1"}):
        elsewhere = replace(no_nat, routers=Reading([router() | place]))
        assert "compute.egress" in not_passed(elsewhere, state)
    whole = router(sourceSubnetworkIpRangesToNat="ALL_SUBNETWORKS_ALL_IP_RANGES")
    assert not_passed(replace(no_nat, routers=Reading([whole])), state) == {}
    own = replace(no_nat, default_routes=routes("0.0.0.0/0", "::/0", nextHopIp="10.0.0.9"))
    assert not_passed(own, state) == no_range, "an appliance has addresses of its own"


def test_a_missing_default_route_is_named_by_its_family() -> None:
    found = not_passed(replace(facts("dual-stack"), default_routes=routes("0.0.0.0/0")), "dual-stack")
    assert found == {"compute.egress": ("risk", "the network has no default route of IPv6")}
    assert not_passed(replace(facts("aliases"), default_routes=routes("0.0.0.0/0")), "aliases") == {}


def test_an_internal_ipv6_address_does_not_leave_the_network() -> None:
    good = facts("dual-stack")
    interface = {name: value for name, value in good.interfaces.value["n1"].items() if name != "ipv6AccessConfigs"}
    found = not_passed(replace(good, interfaces=Reading({"n1": interface})), "dual-stack")
    assert found["compute.egress"] == ("risk", "VM n1 has no external IPv6 address")


def test_policies_with_ipv4_blocks_alone_are_a_risk_in_a_dual_stack_cluster() -> None:
    found = replace(facts("dual-stack"), network_policies=Reading([policy("10.0.0.0/8"), policy(), policy("::/0")]))
    assert not_passed(found, "dual-stack") == {
        "policies.families": ("risk", "NetworkPolicy shop/p has IPv4 blocks alone")
    }
    assert not_passed(replace(facts("aliases"), network_policies=found.network_policies), "aliases") == {}


@pytest.mark.parametrize("state", EVERY)
def test_an_mtu_above_that_of_the_network_fails(state: str) -> None:
    large = replace(facts(state), cni_configurations=Reading([calico_config("1500")]), network=Reading({"name": "vpc"}))
    assert not_passed(large, state) == {
        "pods.mtu": ("failed", "ConfigMap kube-system/calico-config has MTU 1500, the network 1460")
    }
    derived = replace(large, cni_configurations=Reading([calico_config("0")]))
    assert not_passed(derived, state) == {}
    assert not_passed(replace(large, cni_configurations=Reading([])), state)["pods.mtu"][0] == "not-applicable"


def nat_of(which: list[str], names: tuple[str, ...] = ()) -> dict[str, Any]:
    entry = {"name": "x/subnetworks/nodes", "sourceIpRangesToNat": which, "secondaryIpRangeNames": list(names)}
    return router(sourceSubnetworkIpRangesToNat="LIST_OF_SUBNETWORKS", subnetworks=[entry])


@pytest.mark.parametrize("state", EVERY)
@pytest.mark.parametrize(
    "gateway",
    [
        nat_of(["PRIMARY_IP_RANGE"]),
        nat_of(["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"], ("other",)),
        router(sourceSubnetworkIpRangesToNat="ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"),
    ],
)
def test_a_nat_without_the_range_of_the_pods_is_a_risk_once_they_have_aliases(
    state: str, gateway: dict[str, Any]
) -> None:
    found = not_passed(replace(facts(state), routers=Reading([gateway])), state)
    if state == "routes":
        assert found == {}, "no pod has an address in a secondary range"
        return
    assert list(found) == ["compute.nat-ranges"]
    status, evidence = found["compute.nat-ranges"]
    assert status == "risk"
    assert "no Cloud NAT translates secondary range ipv4-pod-cidr of subnet nodes" in evidence
    second = nat_of(["LIST_OF_SECONDARY_IP_RANGES"], ("ipv4-pod-cidr",))
    assert not_passed(replace(facts(state), routers=Reading([gateway, second])), state) == {}


def test_a_node_that_masquerades_its_pods_needs_no_nat_of_their_range() -> None:
    primary = replace(facts("aliases"), routers=Reading([nat_of(["PRIMARY_IP_RANGE"])]))
    agent = {"metadata": {"name": "ip-masq-agent"}, "status": primary.daemon_sets.value[0]["status"]}
    sets = Reading([*primary.daemon_sets.value, agent])
    by = "DaemonSet kube-system/ip-masq-agent, whose nonMasqueradeCIDRs are not the internet"
    assert not_passed(replace(primary, daemon_sets=sets), "aliases") == {
        "compute.nat-ranges": ("not-applicable", f"packets of pods leave with the address of their node: {by}")
    }
