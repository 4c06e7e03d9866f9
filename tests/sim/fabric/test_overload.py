"""Networks beyond the limits of hybrid subnets: hosts lose packets (docs/reference/cut-over.md#e14)."""

from __future__ import annotations

import pytest

from dualstack_sim.fabric import Fabric, FabricKnobs, LagProfile
from tests.sim.fabric.cloud import PODS, cluster, node, pod, pods

pytestmark = pytest.mark.slow

MOST = 130
TARGET = "10.250.0.12"


def suffering(fabric: Fabric, at: float, hosts: int = MOST + 1) -> list[int]:
    """The hosts that do not reach node 2."""
    reasons = {number: fabric.probe(node(number), TARGET, at).reason for number in range(1, hosts + 1) if number != 2}
    assert set(reasons.values()) <= {"DELIVERED", "HYBRID_SUBNET_BEYOND_LIMITS"}
    return [number for number, reason in reasons.items() if reason != "DELIVERED"]


def test_e14_some_hosts_lose_packets_as_long_as_there_are_too_many_interfaces() -> None:
    fabric, cloud = cluster(range(1, MOST + 2))
    assert suffering(fabric, 1.0) == []
    cloud.flag(2.0, True)
    some = suffering(fabric, 3.0)
    assert 0 < len(some) < MOST / 4
    cloud.delete(4.0, "instances", node(MOST + 1))
    assert suffering(fabric, 5.0, MOST) == []
    cloud.vm(6.0, MOST + 1)
    assert suffering(fabric, 7.0) == some
    cloud.flag(8.0, False)
    assert suffering(fabric, 9.0) == []


def test_e14_at_the_limit_nothing_is_lost() -> None:
    fabric, cloud = cluster(range(1, MOST + 1))
    cloud.flag(2.0, True)
    assert suffering(fabric, 3.0, MOST) == []


def test_e14_too_many_routes_count_as_well() -> None:
    fabric, cloud = cluster(range(1, 41))
    cloud.flag(2.0, True)
    for number in range(40, 301):
        cloud.route(3.0, 1, name=f"extra-{number}", destRange=f"172.16.{number % 256}.0/24")
    assert suffering(fabric, 4.0, 40) != []


def test_e14_what_is_lost_is_accounted_and_only_inside_hybrid_ranges() -> None:
    fabric, cloud = cluster(range(1, MOST + 2), lag=LagProfile.fixed(1.0))
    cloud.flag(10.0, True)
    assert fabric.probe(node(suffering(fabric, 20.0)[0]), pod(2), 20.0).delivered_to == node(2)
    assert fabric.traffic.report(20.0).ipv4.current == 0
    cloud.ranges(30.0, PODS)
    assert fabric.traffic.report(40.0).ipv4.current > 0
    assert fabric.traffic.unreachable_pairs(40.0) != []
    cloud.ranges(50.0)
    assert fabric.traffic.unreachable_pairs(60.0) == []


def test_e14_the_optimistic_answer_is_that_nothing_happens() -> None:
    fabric, cloud = cluster(range(1, MOST + 2), knobs=FabricKnobs(beyond_limits="works"))
    cloud.flag(2.0, True)
    cloud.aliases(2.0, 1, pods(1))
    assert suffering(fabric, 3.0) == []
    assert any("131 NICs, and no packet is lost" in sentence for sentence in fabric.assumptions())
