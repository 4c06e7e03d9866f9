"""Egress firewall rules (docs/reference/compute-engine.md#firewall-defaults)."""

from __future__ import annotations

import pytest

from dualstack_sim.fabric import LagProfile
from tests.sim.fabric.cloud import PODS, cluster, ipv6_base, node, pod


def test_what_is_denied_to_the_destination_does_not_leave_and_all_else_does() -> None:
    fabric, cloud = cluster((1, 2, 3))
    cloud.egress(1.0, "10.96.2.0/24", allow=False)
    verdict = fabric.probe(node(1), pod(2), 2.0)
    assert (verdict.delivered_to, verdict.reason) == (None, "FIREWALL_RULE")
    assert verdict.rule.startswith(f"the firewall of {node(1)}")
    assert fabric.probe(node(1), pod(3), 2.0).delivered_to == node(3)


@pytest.mark.parametrize(("priority", "arrives"), [(900, True), (1000, False), (1100, False)])
def test_priority_decides_and_a_deny_comes_first_among_equals(priority: int, arrives: bool) -> None:
    fabric, cloud = cluster()
    cloud.egress(1.0, PODS, allow=False, name="deny")
    cloud.egress(1.0, PODS, allow=True, name="allow", priority=priority)
    assert (fabric.probe(node(1), pod(2), 2.0).delivered_to == node(2)) is arrives


def test_only_targets_are_held_and_each_family_on_its_own() -> None:
    fabric, cloud = cluster()
    cloud.change(0.5, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    for number in (1, 2):
        cloud.dual_stack(0.5, number)
    cloud.firewall(0.5, "six", "2600:1900::/32")
    cloud.change(0.5, "instances", node(1), tags={"items": ["held"]})
    cloud.egress(1.0, "::/0", allow=False, targetTags=["held"])
    assert fabric.probe(node(1), ipv6_base(2), 2.0).reason == "FIREWALL_RULE"
    assert fabric.probe(node(1), pod(2), 2.0).delivered_to == node(2)
    assert fabric.probe(node(2), ipv6_base(1), 2.0).delivered_to == node(1)


def test_an_egress_rule_causes_a_blackout_from_when_the_sender_sees_it() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(1.0))
    cloud.egress(10.0, "10.96.2.0/24", allow=False)
    cloud.delete(20.0, "firewalls", "egress")
    report = fabric.traffic.report(30.0)
    assert [(pair.source, pair.destination) for pair in report.broken_pairs] == [(node(1), node(2))]
    assert report.ipv4.current == 0
    assert report.ipv4.total == pytest.approx(10.0)
