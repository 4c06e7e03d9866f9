"""Packets across a peering, before and during a cut-over (docs/reference/cut-over.md#t14)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dualstack_sim.fabric import Fabric, LagProfile
from tests.sim.fabric.cloud import BASE, PODS, Cloud, cluster, node, pod, pods

NODES = (1, 2, 3)
Step = Callable[[Cloud, float], None]


def lost(fabric: Fabric, start: float, end: float) -> set[str]:
    """Why packets from the peer's VM to any node's pods were lost, probed every half second."""
    instants = [start + step / 2 for step in range(int((end - start) * 2))]
    verdicts = [fabric.probe("peer", pod(number), at) for at in instants for number in NODES]
    return {verdict.reason for verdict in verdicts if verdict.delivered_to is None}


def add_aliases(cloud: Cloud, at: float) -> None:
    for number in NODES:
        cloud.aliases(at, number, pods(number))


def drop_routes(cloud: Cloud, at: float) -> None:
    for number in NODES:
        cloud.drop_route(at, number)


OVERLAP: tuple[Step, ...] = (
    lambda cloud, at: cloud.flag(at, True),
    lambda cloud, at: cloud.ranges(at, PODS),
    add_aliases,
    drop_routes,
    lambda cloud, at: cloud.flag(at, False),
)
GARDENER: tuple[Step, ...] = (drop_routes, lambda cloud, at: cloud.ranges(at, PODS), add_aliases)


def losses(steps: tuple[Step, ...], *, custom: bool, seed: int = 0) -> list[set[str]]:
    """What was lost at rest, and after each step, with barriers between them."""
    fabric, cloud = cluster(NODES, lag=LagProfile(), seed=seed)
    cloud.peer(1.0, custom=custom)
    found = [lost(fabric, 15.0, 20.0)]
    for number, step in enumerate(steps, 1):
        step(cloud, 20.0 * number)
        found.append(lost(fabric, 20.0 * number, 20.0 * number + 20.0))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_t14_a_peers_sender_reaches_every_node_through_all_steps_of_the_overlap_strategy(seed: int) -> None:
    assert losses(OVERLAP, custom=True, seed=seed) == [set()] * 6


def test_t14_gardeners_order_loses_a_peers_packets_until_the_aliases_are_there() -> None:
    at_rest, routes_gone, range_there, _ = losses(GARDENER, custom=True)
    assert (at_rest, routes_gone) == (set(), {"NO_ROUTE"})
    assert range_there == {"NO_ROUTE", "UNKNOWN_INTERNAL_ADDRESS"}


def test_without_imported_routes_a_peer_reaches_pods_only_once_the_range_is_there() -> None:
    fabric, cloud = cluster(NODES)
    cloud.peer(1.0, custom=False)
    cloud.flag(2.0, True)
    assert lost(fabric, 3.0, 4.0) == {"NO_ROUTE"}
    cloud.ranges(5.0, PODS)
    rule = fabric.probe("peer", pod(2), 6.0).rule
    assert rule.startswith("hybrid subnet route")
    assert rule.endswith("(docs/reference/cut-over.md#r6)")
    assert lost(fabric, 7.0, 8.0) == set()


def test_packets_go_both_ways_and_the_firewall_of_the_receiver_decides() -> None:
    fabric, cloud = cluster(NODES)
    cloud.peer(1.0)
    assert fabric.probe(node(1), "10.80.0.2", 2.0).delivered_to == "peer"
    assert fabric.probe("peer", "10.250.0.11", 2.0).delivered_to == node(1)
    cloud.firewall(3.0, "allow-pods", "10.96.0.0/11")
    assert fabric.probe("peer", "10.250.0.11", 4.0).reason == "FIREWALL_RULE"
    assert fabric.probe(node(1), "10.80.0.2", 4.0).delivered_to == "peer"


def test_a_peering_that_ends_and_a_peers_peer_lead_nowhere() -> None:
    fabric, cloud = cluster(NODES)
    cloud.peer(1.0)
    far = {"name": "to-far", "network": f"{BASE}/global/networks/far", "state": "ACTIVE"}
    cloud.subnet(2.0, "far-nodes", "10.70.0.0/16")
    cloud.change(2.0, "subnetworks", "far-nodes", network=far["network"])
    cloud.network(2.0, "far", "peer")
    back = {"name": "to-net", "network": f"{BASE}/global/networks/net", "state": "ACTIVE"}
    cloud.put(2.0, "networks", {"name": "peer", "peerings": [back, far]})
    assert fabric.probe("peer", "10.70.0.9", 3.0).reason == "UNKNOWN_INTERNAL_ADDRESS"
    assert fabric.probe(node(1), "10.70.0.9", 3.0).reason == "NO_ROUTE"
    cloud.put(4.0, "networks", {"name": "net"})
    cloud.put(4.0, "networks", {"name": "peer", "peerings": [{**back, "state": "INACTIVE"}]})
    assert fabric.probe("peer", "10.250.0.11", 5.0).reason == "NO_ROUTE"


def test_a_host_that_has_not_heard_of_a_change_follows_the_old_routes_of_its_peer() -> None:
    fabric, cloud = cluster(NODES, lag=LagProfile.fixed(10.0))
    cloud.peer(1.0)
    cloud.drop_route(30.0, 2)
    assert fabric.probe("peer", pod(2), 35.0).delivered_to == node(2)
    assert fabric.probe("peer", pod(2), 41.0).reason == "NO_ROUTE"


def test_vms_of_both_networks_come_and_go() -> None:
    fabric, cloud = cluster(NODES, lag=LagProfile.fixed(1.0))
    cloud.peer(1.0)
    cloud.change(5.0, "instances", "peer", status="TERMINATED")
    cloud.vm(5.0, 4)
    assert fabric.probe(node(4), "10.80.0.2", 7.0).reason == "UNKNOWN_INTERNAL_ADDRESS"
    cloud.change(8.0, "instances", "peer", status="RUNNING")
    assert fabric.probe(node(4), "10.80.0.2", 10.0).delivered_to == "peer"
    assert fabric.probe("peer", "10.250.0.14", 10.0).delivered_to == node(4)
