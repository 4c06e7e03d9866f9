"""Where a packet goes, by the documented order of VPC routing, as one host sees it (cutover.md R5 to R8, E11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from dualstack_sim.fabric.blocks import Address, Block
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine, Overload, StaticRoute, SubnetRanges
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.rules import enforced

DELIVERED = "DELIVERED"


class View(Protocol):
    """One network as one host knows it at one instant."""

    def subnets(self) -> Iterable[SubnetRanges]: ...

    def overlap_allowed(self, region: str, subnet: str) -> bool: ...

    def interfaces_at(self, address: Address) -> Iterable[Interface]: ...

    def routes_to(self, address: Address) -> Iterable[StaticRoute]: ...

    def machine(self, name: str) -> Machine | None: ...

    def overload(self) -> Overload | None: ...

    def firewall_rules(self) -> Iterable[FirewallRule]: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a packet: the VM that gets it, or None, and why.

    `reason` is DELIVERED or a cause of loss, in the words of the Network Management API where it has one; `rule` says
    which rule decided.
    """

    delivered_to: str | None
    reason: str
    rule: str


def forward(view: View, host: str, destination: Address, knobs: FabricKnobs) -> Verdict:
    """Where the network takes a packet that `host` sends to `destination`, before any firewall."""
    local = _local_range(view, destination)
    if local is None and (holder := _holder_of_six(view, destination)) is not None:
        return Verdict(holder, DELIVERED, "compute-api.md 5.5: a VM keeps its IPv6 range when its subnet gives up IPv6")
    if local is None or not enforced("forwarding.subnet-before-static"):
        return _by_static_route(view, host, destination)
    subnet, block = local
    hybrid = view.overlap_allowed(subnet.region, subnet.subnet)
    owner = _matched(view, destination, block, aliases=knobs.alias_matched or not hybrid)
    if owner is not None:
        return Verdict(owner, DELIVERED, f"R5: subnet route {block} of {subnet.subnet}, matched resource")
    if hybrid and _has_second_pass(destination):
        return _hybrid_second_pass(view, destination, subnet, block, knobs)
    if not enforced("forwarding.unmatched-drops"):
        return _by_static_route(view, host, destination)
    return Verdict(None, "UNKNOWN_INTERNAL_ADDRESS", f"R8: subnet route {block} of {subnet.subnet}, no such resource")


def _holder_of_six(view: View, destination: Address) -> str | None:
    """The running VM with this IPv6 address in a subnet that was dual-stack once and is not now."""
    if not enforced("forwarding.ipv6-outlives-subnet"):
        return None
    for interface in view.interfaces_at(destination):
        if interface.ipv6 is not None and interface.ipv6.contains(destination):
            machine = view.machine(interface.instance)
            return interface.instance if machine is not None and machine.running else None
    return None


def _local_range(view: View, destination: Address) -> tuple[SubnetRanges, Block] | None:
    """The most specific subnet range around the destination; ranges of one network never overlap by intent, but a
    host that is behind may hold two that do."""
    found: tuple[SubnetRanges, Block] | None = None
    for subnet in view.subnets():
        for block in subnet.ranges:
            if block.contains(destination) and (
                found is None or (block.shift, subnet.key) < (found[1].shift, found[0].key)
            ):
                found = (subnet, block)
    return found


def _matched(view: View, destination: Address, block: Block, *, aliases: bool) -> str | None:
    """The running VM that has the destination as an address of its own, or in an alias range if `aliases` count.

    They do in an ordinary subnet; whether they do in a hybrid one is knob K3.
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
    """R6 and R7: the subnet route is hybrid and nothing in it has the address."""
    routes = [
        route
        for route in view.routes_to(destination)
        if not (route.tags and enforced("forwarding.hybrid-untagged-only"))
        and not (route.destination.shift > block.shift and enforced("forwarding.hybrid-no-broader"))
        and (route.instance is None or _serves_unmatched(knobs))
    ]
    where = f"hybrid subnet route {block} of {subnet.subnet}"
    if not routes:
        return Verdict(None, "HYBRID_SUBNET_NO_ROUTE", f"R6: {where}, unmatched, no route left")
    route = _best(view, routes, destination)
    elsewhere = route.instance is not None and route.region != subnet.region
    if elsewhere and enforced("forwarding.hybrid-same-region"):
        return Verdict(None, "HYBRID_SUBNET_REGION_MISMATCH", f"R7: {where}, next hop of {route.name} elsewhere")
    return _take(view, route, destination, f"R6: {where}, unmatched, then ")


def _by_static_route(view: View, host: str, destination: Address) -> Verdict:
    sender = view.machine(host)
    tags = sender.tags if sender is not None else frozenset()
    routes = [
        route
        for route in view.routes_to(destination)
        if not route.tags or route.tags & tags or not enforced("forwarding.route-tags")
    ]
    if not routes:
        return Verdict(None, "NO_ROUTE", "R5: no route to the destination")
    return _take(view, _best(view, routes, destination), destination, "R5: ")


def _best(view: View, routes: list[StaticRoute], destination: Address) -> StaticRoute:
    """Most specific destination first, then a next hop that runs, then priority; equals share by destination.

    A more specific route whose next hop is down still hides the broader ones.
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


def _take(view: View, route: StaticRoute, destination: Address, how: str) -> Verdict:
    rule = f"{how}static route {route.name} to {route.destination}"
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
