"""Scenarios of the area `forwarding`: packets through the fabric, from node 1 to a pod of node 2 by default."""

from __future__ import annotations

from dualstack_sim.fabric import Fabric, LagProfile
from tests.sim.fabric.cloud import BASE, PODS, cluster, ipv6_base, node, pod, pods
from tests.sim.rules.scenarios import in_fabric

OUTSIDE = "2620:0:1000::1"
INTERNET = f"{BASE}/global/gateways/default-internet-gateway"


def arrives(fabric: Fabric, destination: str = pod(2), *, at: float = 100.0, source: int = 1, target: int = 2) -> bool:
    return fabric.probe(node(source), destination, at).delivered_to == node(target)


@in_fabric("forwarding.subnet-before-static")
def subnet_before_static() -> bool:
    fabric, cloud = cluster()
    cloud.ranges(1.0, PODS)
    cloud.aliases(1.0, 1, pods(2))
    return not arrives(fabric)


def peer_arrives(fabric: Fabric, destination: str = pod(2), target: str = node(2)) -> bool:
    return fabric.probe("peer", destination, 100.0).delivered_to == target


@in_fabric("forwarding.peer-subnets")
def peer_subnets() -> bool:
    fabric, cloud = cluster()
    cloud.peer(1.0)
    return peer_arrives(fabric, "10.250.0.12")


@in_fabric("forwarding.peer-custom-routes")
def peer_custom_routes() -> bool:
    fabric, cloud = cluster()
    cloud.peer(1.0, custom=False)
    return not peer_arrives(fabric)


@in_fabric("forwarding.peer-untagged")
def peer_untagged() -> bool:
    fabric, cloud = cluster()
    cloud.peer(1.0)
    cloud.route(2.0, 2, tags=["nodes"])
    return not peer_arrives(fabric)


@in_fabric("forwarding.peer-ipv6")
def peer_ipv6() -> bool:
    fabric, cloud = cluster()
    cloud.peer(1.0)
    cloud.change(1.0, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    cloud.dual_stack(2.0, 2)
    cloud.firewall(2.0, "six", "2600::/16")
    nic = {"name": "nic0", "network": f"{BASE}/global/networks/peer", "networkIP": "10.80.0.2"}
    six = [{"externalIpv6": "2600:1900:4010:2:0:1:0:0", "externalIpv6PrefixLength": 96}]
    cloud.change(2.0, "instances", "peer", networkInterfaces=[{**nic, "ipv6AccessConfigs": six}])
    return not peer_arrives(fabric, ipv6_base(2))


@in_fabric("forwarding.local-before-peer")
def local_before_peer() -> bool:
    fabric, cloud = cluster(joined=False)
    cloud.peer(1.0)
    network = f"{BASE}/global/networks/peer"
    hop = f"{BASE}/zones/europe-west1-b/instances/peer"
    cloud.route(2.0, 2, name="own", network=network, nextHopInstance=hop, priority=2000)
    return peer_arrives(fabric, target="peer")


@in_fabric("forwarding.unmatched-drops")
def unmatched_drops() -> bool:
    fabric, cloud = cluster()
    cloud.ranges(1.0, PODS)
    return not arrives(fabric)


@in_fabric("forwarding.hybrid-second-pass")
def hybrid_second_pass() -> bool:
    fabric, cloud = cluster()
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    return arrives(fabric)


@in_fabric("forwarding.hybrid-to-instances")
def hybrid_to_instances() -> bool:
    fabric, cloud = cluster()
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    return arrives(fabric)


@in_fabric("forwarding.hybrid-untagged-only")
def hybrid_untagged_only() -> bool:
    fabric, cloud = cluster()
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    cloud.route(3.0, 2, tags=["nodes"])
    return not arrives(fabric)


@in_fabric("forwarding.hybrid-no-broader")
def hybrid_no_broader() -> bool:
    fabric, cloud = cluster()
    cloud.flag(1.0, True)
    cloud.ranges(2.0, pods(2))
    cloud.route(3.0, 2, destRange=PODS)
    return not arrives(fabric)


@in_fabric("forwarding.hybrid-same-region")
def hybrid_same_region() -> bool:
    fabric, cloud = cluster(numbers=(1,))
    cloud.vm(0.5, 2, zone="us-east1-b")
    hop = "https://www.googleapis.com/compute/v1/projects/proj-1/zones/us-east1-b/instances/node-2"
    cloud.route(0.5, 2, nextHopInstance=hop)
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    return not arrives(fabric)


@in_fabric("forwarding.hybrid-ipv4-only")
def hybrid_ipv4_only() -> bool:
    fabric, cloud = cluster()
    for number in (1, 2):
        cloud.dual_stack(1.0, number)
    cloud.firewall(1.0, "allow-six", "::/0")
    cloud.change(2.0, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    cloud.flag(2.0, True)
    cloud.route(2.0, 2, destRange="2600:1900:4010:1:0:99:0:0/96")
    return not arrives(fabric, "2600:1900:4010:1:0:99:0:5")


@in_fabric("forwarding.hybrid-limits")
def hybrid_limits() -> bool:
    fabric, cloud = cluster(range(1, 132))
    cloud.flag(1.0, True)
    return not all(fabric.probe(node(number), "10.250.0.12", 100.0).delivered_to for number in range(1, 132))


@in_fabric("forwarding.alias-matched")
def alias_matched() -> bool:
    fabric, cloud = cluster()
    cloud.ranges(2.0, PODS)
    cloud.aliases(3.0, 2, pods(2))
    return arrives(fabric)


@in_fabric("forwarding.owner-runs")
def owner_runs() -> bool:
    """An alias of a stopped VM leaves the address to the static route."""
    fabric, cloud = cluster(joined=False)
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    cloud.vm(3.0, 3)
    cloud.aliases(4.0, 3, pods(2))
    cloud.change(5.0, "instances", node(3), status="TERMINATED")
    return arrives(fabric)


@in_fabric("forwarding.most-specific")
def most_specific() -> bool:
    fabric, cloud = cluster()
    cloud.route(1.0, 1, name="broad", destRange=PODS)
    return arrives(fabric)


@in_fabric("forwarding.route-priority")
def route_priority() -> bool:
    fabric, cloud = cluster()
    cloud.route(1.0, 1, name="a-second-choice", destRange=pods(2), priority=2000)
    return arrives(fabric)


@in_fabric("forwarding.running-next-hop")
def running_next_hop() -> bool:
    fabric, cloud = cluster(joined=False)
    cloud.vm(1.0, 3, status="TERMINATED")
    cloud.route(1.0, 3, name="preferred", destRange=pods(2), priority=10)
    return arrives(fabric)


@in_fabric("forwarding.route-tags")
def route_tags() -> bool:
    fabric, cloud = cluster()
    cloud.route(1.0, 2, tags=["others"])
    return not arrives(fabric)


@in_fabric("forwarding.next-hop-forwards")
def next_hop_forwards() -> bool:
    fabric, cloud = cluster()
    cloud.change(1.0, "instances", node(2), canIpForward=False)
    return not arrives(fabric)


@in_fabric("forwarding.source-check")
def source_check() -> bool:
    fabric, cloud = cluster()
    cloud.change(1.0, "instances", node(1), canIpForward=False)
    return not arrives(fabric)


@in_fabric("forwarding.alias-source")
def alias_source() -> bool:
    fabric, cloud = cluster()
    cloud.change(1.0, "instances", node(1), canIpForward=False)
    cloud.aliases(1.0, 1, pods(1))
    return arrives(fabric)


@in_fabric("forwarding.implied-deny")
def implied_deny() -> bool:
    fabric, cloud = cluster()
    cloud.delete(1.0, "firewalls", "allow-pods")
    return not arrives(fabric)


@in_fabric("forwarding.firewall-priority")
def firewall_priority() -> bool:
    fabric, cloud = cluster()
    cloud.firewall(1.0, "late-deny", allowed=None, denied=[{"IPProtocol": "all"}], priority=2000)
    return arrives(fabric)


@in_fabric("forwarding.firewall-deny-first")
def firewall_deny_first() -> bool:
    fabric, cloud = cluster()
    cloud.firewall(1.0, "deny", allowed=None, denied=[{"IPProtocol": "all"}], priority=1000)
    return not arrives(fabric)


@in_fabric("forwarding.firewall-egress")
def firewall_egress() -> bool:
    fabric, cloud = cluster()
    cloud.egress(1.0, PODS, allow=False)
    return not arrives(fabric)


@in_fabric("forwarding.firewall-targets")
def firewall_targets() -> bool:
    fabric, cloud = cluster()
    cloud.firewall(1.0, "allow-pods", targetTags=["others"])
    return not arrives(fabric)


@in_fabric("forwarding.firewall-disabled")
def firewall_disabled() -> bool:
    fabric, cloud = cluster()
    cloud.firewall(1.0, "allow-pods", disabled=True)
    return not arrives(fabric)


@in_fabric("forwarding.ipv6-outlives-subnet")
def ipv6_outlives_subnet() -> bool:
    fabric, cloud = cluster()
    for number in (1, 2):
        cloud.dual_stack(0.5, number)
    cloud.firewall(0.5, "six", "2600:1900::/32")
    cloud.change(1.0, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    assert arrives(fabric, ipv6_base(2), at=2.0)
    cloud.change(3.0, "subnetworks", "nodes", externalIpv6Prefix=None)
    return arrives(fabric, ipv6_base(2), at=4.0)


@in_fabric("forwarding.internet-external-only")
def internet_external_only() -> bool:
    fabric, cloud = cluster()
    cloud.put(0.5, "routes", {"name": "out", "network": "net", "destRange": "::/0", "nextHopGateway": INTERNET})
    cloud.firewall(0.5, "all", "::/0")
    cloud.internal_six(1.0, 1, "fd20:1:2:3:0:1:0:0")
    return fabric.probe_from_internet(OUTSIDE, "fd20:1:2:3:0:1:0:2", 100.0).delivered_to is None


@in_fabric("forwarding.internet-needs-route")
def internet_needs_route() -> bool:
    fabric, cloud = cluster()
    cloud.firewall(0.5, "all", "::/0")
    cloud.dual_stack(1.0, 1)
    return fabric.probe_from_internet(OUTSIDE, ipv6_base(1)[:-1] + "2", 100.0).reason == "NO_ROUTE"


@in_fabric("forwarding.guest-agent")
def guest_agent() -> bool:
    fabric, cloud = cluster(joined=False)
    for number in (1, 2):
        fabric.traffic.join(0.5, node(number), [pods(number)], steals_aliases=True)
    cloud.ranges(1.0, PODS)
    cloud.aliases(2.0, 2, pods(2))
    return not arrives(fabric)


@in_fabric("forwarding.address-manager")
def address_manager() -> bool:
    fabric, cloud = cluster(joined=False)
    stopped = {"items": [{"key": "disable-address-manager", "value": "TRUE"}]}
    for number in (1, 2):
        cloud.change(0.2, "instances", node(number), metadata=stopped)
        fabric.traffic.join(0.5, node(number), [pods(number)], steals_aliases=True)
    cloud.ranges(1.0, PODS)
    cloud.aliases(2.0, 2, pods(2))
    return arrives(fabric)


@in_fabric("forwarding.eventually-consistent")
def eventually_consistent() -> bool:
    fabric, cloud = cluster(lag=LagProfile.fixed(10.0))
    cloud.drop_route(20.0, 2)
    return arrives(fabric, at=25.0) and not arrives(fabric, at=31.0)


@in_fabric("forwarding.subnet-order")
def subnet_order() -> bool:
    """With many seeds, some host sees the range before the flag that was set earlier."""
    return any(_range_first(seed) for seed in range(40))


def _range_first(seed: int) -> bool:
    fabric, cloud = cluster(lag=LagProfile(), seed=seed)
    cloud.flag(1.0, True)
    cloud.ranges(1.0, PODS)
    return any(not arrives(fabric, at=1.0 + step / 4) for step in range(4, 48))
