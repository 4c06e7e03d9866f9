"""Forwarding by the documented order of VPC routing, in the view of one host (docs/reference/cut-over.md#r5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dualstack_sim.fabric.blocks import Address, Block
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine, Overload, StaticRoute, SubnetRanges
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.rules import enforced

DELIVERED = "DELIVERED"


class View(Protocol):
    """One network in the view of one host at one instant."""

    def subnets(self) -> Iterable[SubnetRanges]: ...

    def overlap_allowed(self, region: str, subnet: str) -> bool: ...

    def interfaces_at(self, address: Address) -> Iterable[Interface]: ...

    def routes_to(self, address: Address) -> Iterable[StaticRoute]: ...

    def machine(self, name: str) -> Machine | None: ...

    def overload(self) -> Overload | None: ...

    def firewall_rules(self) -> Iterable[FirewallRule]: ...

    def egress_rules(self) -> Iterable[FirewallRule]: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer network in the view of the sending host, and whether it exchanges custom routes and IPv6 ranges."""

    network: str
    view: View
    custom_routes: bool
    ipv6: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The VM that receives a packet, or None, and why.

    `reason` is DELIVERED or the cause of the loss, a value of the Network Management API where it has one; `rule`
    describes the rule that decided.
    """

    delivered_to: str | None
    reason: str
    rule: str


def _ruled(text: str, anchor: str) -> str:
    return f"{text} (docs/reference/cut-over.md#{anchor})"


def forward(view: View, host: str, destination: Address, knobs: FabricKnobs, peers: Sequence[Peer] = ()) -> Verdict:
    """The verdict of the network for a packet from `host` to `destination`, before any firewall."""
    local = _local_range(view, destination)
    if local is None and (holder := _holder_of_ipv6(view, destination)) is not None:
        return Verdict(
            holder,
            DELIVERED,
            "IPv6 range of a VM, whose subnet is IPv4 again (docs/reference/compute-engine.md#back-to-ipv4)",
        )
    peers = [peer for peer in peers if destination[0] == 4 or peer.ipv6 or not enforced("forwarding.peer-ipv6")]
    where: View = view
    if local is None:
        where, local = _peer_range(peers, destination) or (view, None)
    if local is None or not enforced("forwarding.subnet-before-static"):
        return _by_static_route(view, host, destination, peers)
    return _by_subnet_route(where, local, destination, knobs) or _by_static_route(view, host, destination, peers)


def _peer_range(peers: Sequence[Peer], destination: Address) -> tuple[View, tuple[SubnetRanges, Block]] | None:
    """The peer with a subnet range that contains the destination.

    Ranges of peers do not overlap (docs/reference/cut-over.md#r10).
    """
    for peer in peers:
        found = _local_range(peer.view, destination)
        if found is not None and enforced("forwarding.peer-subnets"):
            return peer.view, found
    return None


def _by_subnet_route(
    view: View, local: tuple[SubnetRanges, Block], destination: Address, knobs: FabricKnobs
) -> Verdict | None:
    """The verdict of the subnet route in the network of the subnet; None to continue with static routes."""
    subnet, block = local
    hybrid = view.overlap_allowed(subnet.region, subnet.subnet)
    owner = _matched(view, destination, block, aliases=knobs.alias_matched or not hybrid)
    if owner is not None:
        return Verdict(owner, DELIVERED, _ruled(f"subnet route {block} of {subnet.subnet}, matched resource", "r5"))
    if hybrid and _has_second_pass(destination):
        return _hybrid_second_pass(view, destination, subnet, block, knobs)
    if not enforced("forwarding.unmatched-drops"):
        return None
    return Verdict(
        None, "UNKNOWN_INTERNAL_ADDRESS", _ruled(f"subnet route {block} of {subnet.subnet}, no such resource", "r8")
    )


def _holder_of_ipv6(view: View, destination: Address) -> str | None:
    """The running VM that kept this IPv6 address after its subnet changed back to IPv4.

    Source: docs/reference/compute-engine.md#back-to-ipv4.
    """
    if not enforced("forwarding.ipv6-outlives-subnet"):
        return None
    for interface in view.interfaces_at(destination):
        if interface.ipv6 is not None and interface.ipv6.contains(destination):
            machine = view.machine(interface.instance)
            return interface.instance if machine is not None and machine.running else None
    return None


def _local_range(view: View, destination: Address) -> tuple[SubnetRanges, Block] | None:
    """The most specific subnet range that contains the destination.

    Ranges of one network do not overlap, but a host that is not up to date may see two that do.
    """
    found: tuple[SubnetRanges, Block] | None = None
    for subnet in view.subnets():
        for block in subnet.ranges:
            if block.contains(destination) and (
                found is None or (block.shift, subnet.key) < (found[1].shift, found[0].key)
            ):
                found = (subnet, block)
    return found


def _matched(view: View, destination: Address, block: Block, *, aliases: bool) -> str | None:
    """The running VM with the destination as its own address, or in an alias range if `aliases` count.

    They count in an ordinary subnet; in a hybrid subnet it is an open question (docs/reference/cut-over.md#k3).
    """
    owners = [
        (own.shift, interface.instance)
        for interface in view.interfaces_at(destination)
        for own in interface.blocks
        if own.contains(destination) and block.covers(own) and _counts(view, interface, own, aliases=aliases)
    ]
    return min(owners)[1] if owners else None


def _counts(view: View, interface: Interface, own: Block, *, aliases: bool) -> bool:
    if own in interface.aliases and not (aliases and enforced("forwarding.alias-matched")):
        return False
    machine = view.machine(interface.instance)
    return machine is not None and (machine.running or not enforced("forwarding.owner-runs"))


def _has_second_pass(destination: Address) -> bool:
    if not enforced("forwarding.hybrid-second-pass"):
        return False
    return destination[0] == 4 or not enforced("forwarding.hybrid-ipv4-only")


def _serves_unmatched(knobs: FabricKnobs) -> bool:
    return knobs.unmatched_to_instances and enforced("forwarding.hybrid-to-instances")


def _hybrid_second_pass(
    view: View, destination: Address, subnet: SubnetRanges, block: Block, knobs: FabricKnobs
) -> Verdict:
    """The verdict for an address without a resource in a hybrid subnet (docs/reference/cut-over.md#r6)."""
    routes = [
        route
        for route in view.routes_to(destination)
        if not (route.tags and enforced("forwarding.hybrid-untagged-only"))
        and not (route.destination.shift > block.shift and enforced("forwarding.hybrid-no-broader"))
        and (route.instance is None or _serves_unmatched(knobs))
    ]
    where = f"hybrid subnet route {block} of {subnet.subnet}"
    if not routes:
        return Verdict(None, "HYBRID_SUBNET_NO_ROUTE", _ruled(f"{where}, unmatched, no route left", "r6"))
    route = _best(view, routes, destination)
    elsewhere = route.instance is not None and route.region != subnet.region
    if elsewhere and enforced("forwarding.hybrid-same-region"):
        return Verdict(
            None, "HYBRID_SUBNET_REGION_MISMATCH", _ruled(f"{where}, next hop of {route.name} elsewhere", "r7")
        )
    return _take(view, route, "r6", f"{where}, unmatched, then ")


def _by_static_route(view: View, host: str, destination: Address, peers: Sequence[Peer]) -> Verdict:
    sender = view.machine(host)
    tags = sender.tags if sender is not None else frozenset()
    routes = [
        route
        for route in view.routes_to(destination)
        if not route.tags or route.tags & tags or not enforced("forwarding.route-tags")
    ]
    local = _best(view, routes, destination) if routes else None
    imported = _imported(peers, destination)
    if imported is not None and (local is None or _precedes(imported[1], local)):
        peer, route = imported
        return _take(peer.view, route, "r5", f"by peering with {peer.network}, ")
    if local is None:
        return Verdict(None, "NO_ROUTE", _ruled("no route to the destination", "r5"))
    return _take(view, local, "r5")


def _imported(peers: Sequence[Peer], destination: Address) -> tuple[Peer, StaticRoute] | None:
    """The best imported custom route of peers: the most specific destination, then priority."""
    best = [
        (peer, _best(peer.view, routes, destination))
        for peer in peers
        if (peer.custom_routes or not enforced("forwarding.peer-custom-routes"))
        and (routes := [route for route in peer.view.routes_to(destination) if _is_exchanged(route)])
    ]
    return min(best, key=lambda each: (each[1].destination.shift, each[1].priority, each[0].network), default=None)


def _is_exchanged(route: StaticRoute) -> bool:
    untagged = not route.tags or not enforced("forwarding.peer-untagged")
    return untagged and route.next_hop != "default-internet-gateway"


def _precedes(imported: StaticRoute, local: StaticRoute) -> bool:
    if imported.destination == local.destination:
        return not enforced("forwarding.local-before-peer")
    return imported.destination.shift < local.destination.shift


def _best(view: View, routes: list[StaticRoute], destination: Address) -> StaticRoute:
    """The most specific destination, then a running next hop, then priority; equal routes share by destination.

    A more specific route with a stopped next hop still hides broader routes.
    """
    shifts = [route.destination.shift for route in routes]
    narrowest = min(shifts) if enforced("forwarding.most-specific") else max(shifts)
    ranked = sorted((_rank(view, route), route.name, route) for route in routes if route.destination.shift == narrowest)
    equal = [route for rank, _, route in ranked if rank == ranked[0][0]]
    return equal[destination[1] % len(equal)]


def _rank(view: View, route: StaticRoute) -> tuple[bool, int]:
    down = not _next_hop_runs(view, route) and enforced("forwarding.running-next-hop")
    return down, route.priority if enforced("forwarding.route-priority") else 0


def _next_hop_runs(view: View, route: StaticRoute) -> bool:
    if route.instance is None:
        return True
    machine = view.machine(route.instance)
    return machine is not None and machine.running


def _take(view: View, route: StaticRoute, anchor: str, how: str = "") -> Verdict:
    rule = _ruled(f"{how}static route {route.name} to {route.destination}", anchor)
    if route.instance is None:
        internet = route.next_hop == "default-internet-gateway"
        return Verdict(None, "PRIVATE_TRAFFIC_TO_INTERNET" if internet else "LEFT_THE_NETWORK", rule)
    machine = view.machine(route.instance)
    if machine is None:
        return Verdict(None, "ROUTE_NEXT_HOP_RESOURCE_NOT_FOUND", rule)
    if not machine.running:
        return Verdict(None, "INSTANCE_NOT_RUNNING", rule)
    if not machine.can_ip_forward and enforced("forwarding.next-hop-forwards"):
        return Verdict(None, "FOREIGN_IP_DISALLOWED", rule)
    return Verdict(route.instance, DELIVERED, rule)
