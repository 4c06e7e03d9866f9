"""The path of a packet: checks at the sender, forwarding by the network, and the firewall of the receiver.

Packets from the internet are simulated for external IPv6 addresses of VMs only, because pods have no external IPv4
addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dualstack_sim.chance import Chance
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine, Overload, SubnetFlag
from dualstack_sim.fabric.forwarding import DELIVERED, Peer, Verdict, View, forward
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.fabric.profile import AFFECTED_HOSTS, FabricKnobs
from dualstack_sim.rules import enforced

PROBE_PROTOCOL = "tcp"
PROTOCOL_NUMBERS = {"tcp": "6", "udp": "17", "sctp": "132", "icmp": "1", "esp": "50", "ah": "51"}
"""Firewall rules name a protocol by its name or its number."""
PROBE_PORT = 8080
"""The port that represents pod traffic. Pods use any port, so a rule for a few other ports does not count."""
Service = tuple[str, int]
"""A protocol and a port of the receiver."""
PODS: Service = (PROBE_PROTOCOL, PROBE_PORT)


def ingress_allowed(view: View, machine: Machine, source: Address, service: Service = PODS) -> bool:
    """Whether the firewall allows traffic from `source` to `machine`, from the view of that VM's host.

    The lowest priority number wins, deny before allow at equal priority; without a matching rule the implied deny
    applies (docs/reference/compute-engine.md#firewall-priority). A rule for IPv4 ranges does not match IPv6.
    """
    decided = decide(view.firewall_rules(), machine, source, *service)
    return decided if decided is not None else not enforced("forwarding.implied-deny")


def egress_allowed(view: View, machine: Machine, destination: Address, service: Service = PODS) -> bool:
    """Whether the firewall allows traffic from `machine` to `destination`: it does unless a rule denies it."""
    decided = decide(view.egress_rules(), machine, destination, *service)
    return decided is not False or not enforced("forwarding.firewall-egress")


def decide(
    rules: Iterable[FirewallRule],
    machine: Machine,
    other: Address,
    protocol: str = PROBE_PROTOCOL,
    port: int = PROBE_PORT,
) -> bool | None:
    """Whether the rules of one direction allow traffic with `other`; None if no rule matches."""
    best: tuple[int, bool] | None = None
    allowed: bool | None = None
    for rule in rules:
        priority = rule.priority if enforced("forwarding.firewall-priority") else 0
        rank = (priority, rule.allow is enforced("forwarding.firewall-deny-first"))
        if (best is None or rank < best) and _applies(rule, machine, other, protocol, port):
            best, allowed = rank, rule.allow
    return allowed


def _applies(rule: FirewallRule, machine: Machine, other: Address, protocol: str, port: int) -> bool:
    if rule.target_tags and not rule.target_tags & machine.tags and enforced("forwarding.firewall-targets"):
        return False
    return any(block.contains(other) for block in rule.ranges) and any(
        entry.protocol in (protocol, PROTOCOL_NUMBERS.get(protocol), "all")
        and (not entry.ports or any(low <= port <= high for low, high in entry.ports))
        for entry in rule.traffic
    )


def owns_address(interfaces: list[Interface], source: Address) -> bool:
    """Whether a VM without canIpForward may send from `source`: its own addresses and aliases.

    Packets with another source address are dropped (docs/reference/compute-engine.md#source-addresses).
    """
    return any(
        block.contains(source) and (block not in interface.aliases or enforced("forwarding.alias-source"))
        for interface in interfaces
        for block in interface.blocks
    )


ADVISED_INTERFACES = 130
ADVISED_ROUTES = 300
ADVISED_HYBRID_SUBNETS = 25
BEYOND_LIMITS = "HYBRID_SUBNET_BEYOND_LIMITS"


def find_overload(ledger: Ledger, chance: Chance) -> Overload | None:
    """The hosts that lose packets because the network is beyond the limits of hybrid subnets; None if it is not.

    Google documents only that "connectivity and stability problems may appear" (docs/reference/cut-over.md#r16). Here a
    random share of the hosts reaches no address in hybrid subnets while it sees the network beyond the limits
    (docs/reference/cut-over.md#e14).
    """
    flags = [ledger.current.get(key) for key in ledger.keys_of_kind("flag")]
    hybrid = sum(isinstance(flag, SubnetFlag) and flag.overlap for flag in flags)
    if not hybrid:
        return None
    beyond = (
        hybrid > ADVISED_HYBRID_SUBNETS
        or count_in_force(ledger, "interface") > ADVISED_INTERFACES
        or count_in_force(ledger, "route") > ADVISED_ROUTES
    )
    if not beyond or not enforced("forwarding.hybrid-limits"):
        return None
    return Overload(
        frozenset(host for host in ledger.views if chance.uniform(0.0, 1.0, "overload", host) < AFFECTED_HOSTS)
    )


def count_in_force(ledger: Ledger, kind: str) -> int:
    """The number of facts of a kind that are in force."""
    return sum(key in ledger.current for key in ledger.keys_of_kind(kind))


def is_affected(view: View, host: str, destination: Address) -> bool:
    """Whether a packet of `host` to a hybrid subnet is lost because the network is beyond the advised limits."""
    present = view.overload()
    return (
        present is not None
        and host in present.hosts
        and any(
            block.contains(destination)
            for subnet in view.subnets()
            if view.overlap_allowed(subnet.region, subnet.subnet)
            for block in subnet.ranges
        )
    )


NOT_RUNNING = "INSTANCE_NOT_RUNNING"


class DataPath:
    """Sends packets between hosts.

    `ledger_of` maps every running VM to its network, and `ledgers` has all networks by name; the caller updates both.
    """

    def __init__(self, ledger_of: Mapping[str, Ledger], ledgers: Mapping[str, Ledger], knobs: FabricKnobs) -> None:
        self.ledger_of = ledger_of
        self._ledgers = ledgers
        self.knobs = knobs
        self._cache: dict[tuple[str, Address, frozenset[str]], Verdict] = {}

    def invalidate(self) -> None:
        """Clear the cached verdicts of up-to-date hosts, because a change came into force."""
        self._cache.clear()

    def send(
        self, source: str, source_address: Address, destination: Address, service: Service | None = PODS
    ) -> Verdict:
        """The verdict for a packet from a pod on `source`, or from the VM itself, at this instant.

        service: None for a response, which firewalls let pass.
        """
        ledger = self.ledger_of.get(source)
        if ledger is None:
            return Verdict(None, NOT_RUNNING, "the source VM is not running")
        view = ledger.views[source]
        sender = view.machine(source)
        forged = (
            sender is not None
            and not sender.can_ip_forward
            and not owns_address(view.interfaces_of(source), source_address)
            and enforced("forwarding.source-check")
        )
        if forged:
            return Verdict(None, "FOREIGN_IP_DISALLOWED", f"the source VM {source} has canIpForward false")
        if service and sender is not None and not egress_allowed(view, sender, destination, service):
            return Verdict(None, "FIREWALL_RULE", f"the firewall of {source} denies egress to the destination")
        if is_affected(view, source, destination):
            return Verdict(
                None,
                BEYOND_LIMITS,
                f"the network of {source} is beyond the limits of hybrid subnets (docs/reference/cut-over.md#e14)",
            )
        verdict = self._forward(ledger, source, sender.tags if sender is not None else frozenset(), destination)
        return verdict if verdict.delivered_to is None else self._receive(source, verdict, source_address, service)

    def _forward(self, ledger: Ledger, source: str, tags: frozenset[str], destination: Address) -> Verdict:
        if not self._sees_all(ledger, source):
            return forward(ledger.views[source], source, destination, self.knobs, self._peers(ledger, source))
        key = (ledger.network, destination, tags)
        verdict = self._cache.get(key)
        if verdict is None:
            peers = self._peers(ledger, source)
            verdict = self._cache[key] = forward(ledger.views[source], source, destination, self.knobs, peers)
        return verdict

    def _sees_all(self, ledger: Ledger, source: str) -> bool:
        """Whether the host sees the current state of its network and of that network's peers."""
        return ledger.up_to_date(source) and all(
            self._ledgers[peering.peer].up_to_date(source) for peering in ledger.views[source].peerings()
        )

    def _peers(self, ledger: Ledger, source: str) -> list[Peer]:
        """The networks that peer with `ledger` from both sides in the view of the host. Peering is not transitive."""
        found = []
        for ours in sorted(ledger.views[source].peerings(), key=lambda peering: peering.peer):
            view = self._ledgers[ours.peer].views[source]
            theirs = next((other for other in view.peerings() if other.peer == ledger.network), None)
            if theirs is not None:
                custom = ours.imports and theirs.exports
                found.append(Peer(ours.peer, view, custom, ours.ipv6 and theirs.ipv6))
        return found

    def _receive(self, source: str, verdict: Verdict, source_address: Address, service: Service | None) -> Verdict:
        receiver = verdict.delivered_to or ""
        where = self.ledger_of.get(receiver)
        if where is None or source not in where.views:
            return Verdict(None, NOT_RUNNING, f"{verdict.rule}; {receiver} is not running")
        view = where.views[receiver]
        machine = view.machine(receiver)
        if machine is None or (service and not ingress_allowed(view, machine, source_address, service)):
            return Verdict(
                None, "FIREWALL_RULE", f"{verdict.rule}; the firewall of {receiver} denies ingress from the source"
            )
        return verdict


GATEWAY = "default-internet-gateway"


def deliver_from_internet(ledgers: Iterable[Ledger], source: Address, destination: Address) -> Verdict:
    """The verdict for a packet from `source`, an address outside of all VPC networks, as the receiver sees it.

    The receiver needs an external IPv6 address and a route back (docs/reference/compute-engine.md#ipv6-internet-route).
    """
    if _is_private(destination) and enforced("forwarding.internet-external-only"):
        return Verdict(None, "NO_ROUTE", "the internet has no route to internal addresses")
    for ledger in ledgers:
        host = _owner(ledger, destination)
        if host is not None:
            return _accept(ledger.views[host], host, source)
    return Verdict(None, "NO_ROUTE", "no running VM has this external address")


def _owner(ledger: Ledger, destination: Address) -> str | None:
    for key in ledger.interface_keys_at(destination):
        fact = ledger.current.get(key)
        owns = isinstance(fact, Interface) and fact.ipv6 is not None and fact.ipv6.contains(destination)
        if isinstance(fact, Interface) and owns and fact.instance in ledger.views:
            return fact.instance
    return None


def _accept(view: View, host: str, source: Address) -> Verdict:
    machine = view.machine(host)
    if machine is None:
        return Verdict(None, "INSTANCE_NOT_RUNNING", f"{host} is not running")
    if not _has_return_route(view, machine, source) and enforced("forwarding.internet-needs-route"):
        return Verdict(None, "NO_ROUTE", f"{host} has no route to the internet for the response")
    if not ingress_allowed(view, machine, source):
        return Verdict(None, "FIREWALL_RULE", f"the firewall of {host} denies ingress from the source")
    return Verdict(host, DELIVERED, "an external IPv6 address of the VM")


def _has_return_route(view: View, machine: Machine, source: Address) -> bool:
    return any(
        route.next_hop == GATEWAY and (not route.tags or bool(route.tags & machine.tags))
        for route in view.routes_to(source)
    )


def _is_private(destination: Address) -> bool:
    """Whether the address is internal: every IPv4 address of a VM, and IPv6 unique local addresses (fc00::/7)."""
    version, number = destination
    return version == 4 or number >> 121 == 0xFC >> 1
