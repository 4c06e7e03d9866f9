"""Forwarding in every state of the cut-over and in hybrid subnets (docs/reference/cut-over.md#forwarding)."""

from __future__ import annotations

import pytest

from dualstack_sim.fabric import Fabric, FabricKnobs, Verdict
from tests.sim.fabric.cloud import BASE, PODS, REGION, Cloud, cluster, ipv6_base, node, pod, pods


def probe(fabric: Fabric, destination: str, source: int = 1) -> Verdict:
    return fabric.probe(node(source), destination, at=1.0)


def reach(state: int, knobs: FabricKnobs | None = None) -> tuple[Fabric, Cloud]:
    """The cluster in state S0..S5."""
    fabric, cloud = cluster((1, 2), knobs=knobs)
    if state >= 1:
        cloud.flag(0.1, True)
    if state >= 2:
        cloud.ranges(0.2, PODS)
    for number in (1, 2):
        if state >= 3:
            cloud.aliases(0.3, number, pods(number))
        if state >= 4:
            cloud.drop_route(0.4, number)
    if state >= 5:
        cloud.flag(0.5, False)
    return fabric, cloud


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (0, "static route route-2 to 10.96.2.0/24 (docs/reference/cut-over.md#r5)"),
        (1, "static route route-2 to 10.96.2.0/24 (docs/reference/cut-over.md#r5)"),
        (
            2,
            (
                "hybrid subnet route 10.96.0.0/11 of nodes, unmatched, then static route route-2 to 10.96.2.0/24 "
                "(docs/reference/cut-over.md#r6)"
            ),
        ),
        (3, "subnet route 10.96.0.0/11 of nodes, matched resource (docs/reference/cut-over.md#r5)"),
        (4, "subnet route 10.96.0.0/11 of nodes, matched resource (docs/reference/cut-over.md#r5)"),
        (5, "subnet route 10.96.0.0/11 of nodes, matched resource (docs/reference/cut-over.md#r5)"),
    ],
)
def test_every_state_of_the_cut_over_delivers_to_the_same_vm(state: int, rule: str) -> None:
    fabric, _ = reach(state)
    verdict = probe(fabric, pod(2))
    assert (verdict.delivered_to, verdict.reason) == (node(2), "DELIVERED")
    assert verdict.rule == rule


def test_the_address_of_a_vm_is_matched_with_and_without_the_flag() -> None:
    for state in (0, 1, 4):
        assert probe(reach(state)[0], "10.250.0.12").delivered_to == node(2)


def test_r8_an_address_without_resource_in_a_plain_range_is_dropped() -> None:
    fabric, cloud = reach(0)
    cloud.ranges(0.1, PODS)
    assert probe(fabric, pod(2)).reason == "UNKNOWN_INTERNAL_ADDRESS"


def test_no_route_at_all() -> None:
    fabric, cloud = reach(0)
    cloud.drop_route(0.1, 2)
    assert probe(fabric, pod(2)) == Verdict(
        None, "NO_ROUTE", "no route to the destination (docs/reference/cut-over.md#r5)"
    )


def test_the_default_route_does_not_carry_pod_traffic() -> None:
    fabric, cloud = reach(0)
    gateway = f"{BASE}/global/gateways/default-internet-gateway"
    cloud.put(0.1, "routes", {"name": "default", "network": "net", "destRange": "0.0.0.0/0", "nextHopGateway": gateway})
    cloud.drop_route(0.2, 2)
    assert probe(fabric, pod(2)).reason == "PRIVATE_TRAFFIC_TO_INTERNET"


def test_r6_a_tagged_route_is_removed_in_the_second_pass_only() -> None:
    fabric, cloud = reach(0)
    cloud.drop_route(0.0, 2)
    cloud.route(0.0, 2, tags=["nodes"])
    assert probe(fabric, pod(2)).delivered_to == node(2)
    cloud.flag(1.0, True)
    cloud.ranges(1.0, PODS)
    assert probe(fabric, pod(2)).reason == "HYBRID_SUBNET_NO_ROUTE"


def test_a_tagged_route_is_for_vms_with_that_tag() -> None:
    fabric, cloud = reach(0)
    cloud.drop_route(0.0, 2)
    cloud.route(0.0, 2, tags=["other"])
    assert probe(fabric, pod(2)).reason == "NO_ROUTE"


@pytest.mark.parametrize(
    ("destination", "delivered_to"),
    [("10.0.0.0/8", None), ("10.96.0.0/10", None), ("10.96.0.0/11", node(2)), ("10.96.2.0/25", node(2))],
)
def test_r6_routes_broader_than_the_hybrid_range_are_removed(destination: str, delivered_to: str | None) -> None:
    fabric, cloud = reach(2)
    cloud.drop_route(0.5, 2)
    cloud.route(0.6, 2, destRange=destination)
    verdict = probe(fabric, pod(2))
    assert verdict.delivered_to == delivered_to
    assert delivered_to is not None or verdict.reason == "HYBRID_SUBNET_NO_ROUTE"


def test_r7_a_next_hop_in_another_region_drops() -> None:
    fabric, cloud = reach(0)
    cloud.vm(0.0, 3, zone="us-east1-b")
    cloud.route(0.0, 3, nextHopInstance=f"{BASE}/zones/us-east1-b/instances/{node(3)}")
    assert probe(fabric, pod(3)).delivered_to == node(3)
    cloud.flag(0.5, True)
    cloud.ranges(0.6, PODS)
    assert probe(fabric, pod(3)).reason == "HYBRID_SUBNET_REGION_MISMATCH"


def test_k3_no_an_alias_does_not_count_as_matched() -> None:
    knobs = FabricKnobs(alias_matched=False)
    fabric, cloud = reach(3, knobs)
    assert probe(fabric, pod(2)).rule.endswith("(docs/reference/cut-over.md#r6)")
    cloud.drop_route(0.4, 2)
    assert probe(fabric, pod(2)).reason == "HYBRID_SUBNET_NO_ROUTE"
    cloud.flag(0.5, False)
    assert probe(fabric, pod(2)).delivered_to == node(2), "in an ordinary subnet it always does"


def test_the_most_specific_route_wins_then_priority() -> None:
    fabric, cloud = reach(0)
    cloud.route(
        0.1,
        2,
        name="broad",
        destRange="10.96.0.0/16",
        priority=1,
        nextHopInstance=f"zones/{REGION}-b/instances/{node(1)}",
    )
    assert probe(fabric, "10.96.2.9").delivered_to == node(2)
    cloud.route(0.2, 2, name="better", priority=10, nextHopInstance=f"zones/{REGION}-b/instances/{node(1)}")
    assert probe(fabric, "10.96.2.9").reason == "DELIVERED_TO_ANOTHER_INSTANCE"


def test_a_next_hop_that_is_down_gives_way_to_its_equal_but_hides_the_broader_route() -> None:
    fabric, cloud = reach(0)
    hop = f"zones/{REGION}-b/instances/{node(1)}"
    cloud.route(0.1, 2, name="broad", destRange="10.96.0.0/16", nextHopInstance=hop)
    cloud.change(0.2, "instances", node(2), status="TERMINATED")
    assert probe(fabric, pod(2)).reason == "INSTANCE_NOT_RUNNING"
    cloud.route(0.3, 2, name="spare", priority=2000, nextHopInstance=hop)
    assert probe(fabric, pod(2)).delivered_to == node(1)


def test_a_route_through_a_vm_that_may_not_forward_drops() -> None:
    fabric, cloud = reach(0)
    cloud.change(0.1, "instances", node(2), canIpForward=False)
    assert probe(fabric, pod(2)).reason == "FOREIGN_IP_DISALLOWED"


def test_a_pod_whose_address_is_routed_may_not_send_without_can_ip_forward_but_an_alias_may() -> None:
    fabric, cloud = reach(4)
    cloud.change(0.6, "instances", node(1), canIpForward=False)
    assert probe(fabric, pod(2)).delivered_to == node(2)
    cloud.aliases(0.7, 1)
    assert probe(fabric, pod(2)).reason == "FOREIGN_IP_DISALLOWED"


def test_a_vm_that_takes_over_an_address_that_others_route_to_wins_against_the_route() -> None:
    fabric, cloud = reach(2)
    cloud.vm(0.5, 3)
    cloud.aliases(0.6, 3, pods(2))
    assert probe(fabric, pod(2)).reason == "DELIVERED_TO_ANOTHER_INSTANCE"


def test_a_decoy_block_that_no_end_point_owns_goes_where_the_network_takes_it() -> None:
    fabric, cloud = reach(4)
    cloud.aliases(0.6, 2, pods(2), "10.96.200.0/24")
    assert probe(fabric, "10.96.200.7").delivered_to == node(2)


def dual_stack_cluster() -> tuple[Fabric, Cloud]:
    fabric, cloud = cluster()
    cloud.change(0.0, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    for number in (1, 2):
        cloud.dual_stack(0.0, number)
        fabric.traffic.join(0.0, node(number), [pods(number), f"{ipv6_base(number)}/112"])
    return fabric, cloud


def test_ipv6_goes_to_the_vm_that_has_the_96_if_the_firewall_lets_it() -> None:
    fabric, cloud = dual_stack_cluster()
    target = ipv6_base(2)[:-1] + "2"
    assert probe(fabric, target).reason == "FIREWALL_RULE"
    cloud.firewall(0.1, "allow-pods-ipv6", "2600:1900:4010:1::/64")
    assert probe(fabric, target).delivered_to == node(2)
    assert probe(fabric, "2600:1900:4010:1:0:9::2").reason == "UNKNOWN_INTERNAL_ADDRESS"
    assert probe(fabric, "2600:1900:4010:2::2").reason == "NO_ROUTE"


def test_a_host_without_ipv6_cannot_send_it() -> None:
    fabric, _ = reach(0)
    assert probe(fabric, "2600::1").reason == "NO_ROUTE"
    assert fabric.probe("missing", pod(1), at=1.0).reason == "INSTANCE_NOT_RUNNING"
    with pytest.raises(ValueError, match="nonsense"):
        fabric.probe(node(1), "nonsense", at=1.0)


class TestFirewall:
    def test_without_a_rule_nothing_comes_in(self) -> None:
        fabric, cloud = reach(0)
        cloud.delete(0.1, "firewalls", "allow-pods")
        assert probe(fabric, pod(2)).reason == "FIREWALL_RULE"

    def test_deny_goes_before_allow_of_the_same_priority_and_lower_numbers_first(self) -> None:
        fabric, cloud = reach(0)
        denied = [{"IPProtocol": "all"}]
        cloud.firewall(0.1, "deny", "10.96.1.0/24", denied=denied, allowed=None)
        assert probe(fabric, pod(2)).reason == "FIREWALL_RULE"
        cloud.firewall(0.2, "allow-first", "10.96.1.0/24", priority=999)
        assert probe(fabric, pod(2)).delivered_to == node(2)

    @pytest.mark.parametrize(
        ("fields", "admitted"),
        [
            ({"targetTags": ["nodes"]}, True),
            ({"targetTags": ["others"]}, False),
            ({"sourceRanges": ["10.96.1.0/24"]}, True),
            ({"sourceRanges": ["10.250.0.0/16"]}, False),
            ({"sourceRanges": None}, True),
            ({"sourceRanges": None, "sourceTags": ["nodes"]}, False),
            ({"allowed": [{"IPProtocol": "tcp", "ports": ["443"]}]}, False),
            ({"allowed": [{"IPProtocol": "icmp"}]}, False),
            ({"disabled": True}, False),
            ({"direction": "EGRESS"}, False),
        ],
    )
    def test_what_a_rule_applies_to(self, fields: dict[str, object], admitted: bool) -> None:
        fabric, cloud = reach(0)
        cloud.change(0.1, "firewalls", "allow-pods", **fields)
        assert (probe(fabric, pod(2)).reason == "DELIVERED") == admitted
