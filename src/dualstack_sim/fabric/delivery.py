"""Packets from the internet: to external IPv6 addresses of VMs, if there is a way back (compute-api.md 5.1, 5.5, 8).

External IPv4 addresses are translated before they reach a VM, and no pod has one; they are not followed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine
from dualstack_sim.fabric.forwarding import View
from dualstack_sim.rules import enforced
from dualstack_sim.chance import Chance
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import Overload, SubnetFlag
from dualstack_sim.fabric.forwarding import View
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.rules import enforced
from collections.abc import Mapping
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.forwarding import Peer, Verdict, forward
from dualstack_sim.fabric.ingress import admitted, let_out, owns
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.fabric.overload import REASON, suffers
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.rules import enforced
from collections.abc import Iterable
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import Interface, Machine
from dualstack_sim.fabric.forwarding import DELIVERED, Verdict, View
from dualstack_sim.fabric.ingress import admitted
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.rules import enforced


PROBE_PROTOCOL = "tcp"
PROBE_PORT = 8080
"""What stands for pod traffic. Pods use any port, so a rule that opens a single port to the world does not count."""


def admitted(view: View, machine: Machine, source: Address) -> bool:
    """Whether the firewall of the network lets pod traffic from `source` into `machine`, as that VM's host sees it.

    Lowest priority number wins, deny before allow at equal priority, nothing matching is the implied deny; a rule for
    IPv4 ranges says nothing about IPv6 (compute-api.md 8).
    """
    decided = _decision(view.firewall_rules(), machine, source)
    return decided if decided is not None else not enforced("forwarding.implied-deny")


def let_out(view: View, machine: Machine, destination: Address) -> bool:
    """Whether the firewall lets pod traffic of `machine` out to `destination`: what nothing denies may leave."""
    decided = _decision(view.egress_rules(), machine, destination)
    return decided is not False or not enforced("forwarding.firewall-egress")


def _decision(rules: Iterable[FirewallRule], machine: Machine, other: Address) -> bool | None:
    """What the rules of one direction say about traffic with `other`; None when none of them matches."""
    best: tuple[int, bool] | None = None
    allowed: bool | None = None
    for rule in rules:
        priority = rule.priority if enforced("forwarding.firewall-priority") else 0
        rank = (priority, rule.allow is enforced("forwarding.firewall-deny-first"))
        if (best is None or rank < best) and _applies(rule, machine, other):
            best, allowed = rank, rule.allow
    return allowed


def _applies(rule: FirewallRule, machine: Machine, other: Address) -> bool:
    if rule.target_tags and not rule.target_tags & machine.tags and enforced("forwarding.firewall-targets"):
        return False
    return any(block.contains(other) for block in rule.ranges) and any(
        entry.protocol in (PROBE_PROTOCOL, "6", "all")
        and (not entry.ports or any(low <= PROBE_PORT <= high for low, high in entry.ports))
        for entry in rule.traffic
    )


def owns(interfaces: list[Interface], source: Address) -> bool:
    """Whether a VM may use `source` even without canIpForward: it is one of its own addresses, an alias too.

    The source address of anything else is taken for forged (compute-api.md 10).
    """
    return any(
        block.contains(source) and (block not in interface.aliases or enforced("forwarding.alias-source"))
        for interface in interfaces
        for block in interface.blocks
    )


ADVISED_INTERFACES = 130
ADVISED_ROUTES = 300
ADVISED_HYBRID_SUBNETS = 25
SHARE = 0.1
"""The part of the hosts that suffers, as far as a draw hits it."""

REASON = "HYBRID_SUBNET_BEYOND_LIMITS"


def overload(ledger: Ledger, chance: Chance) -> Overload | None:
    """Who suffers in the network as it is; None when it is within the limits, or has no hybrid subnet."""
    flags = [ledger.truth.get(key) for key in ledger.keys_of_sort("flag")]
    hybrid = sum(isinstance(flag, SubnetFlag) and flag.overlap for flag in flags)
    if not hybrid:
        return None
    beyond = (
        hybrid > ADVISED_HYBRID_SUBNETS
        or in_force(ledger, "interface") > ADVISED_INTERFACES
        or in_force(ledger, "route") > ADVISED_ROUTES
    )
    if not beyond or not enforced("forwarding.hybrid-limits"):
        return None
    return Overload(frozenset(host for host in ledger.views if chance.uniform(0.0, 1.0, "overload", host) < SHARE))


def in_force(ledger: Ledger, sort: str) -> int:
    """How many things of a sort there are now."""
    return sum(key in ledger.truth for key in ledger.keys_of_sort(sort))


def suffers(view: View, host: str, destination: Address) -> bool:
    """Whether a packet of `host` gets lost on its way into a hybrid subnet of an overloaded network."""
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


class Carrier:
    """Carries packets between hosts. `homes` holds the network of every running VM and `ledgers` all networks by name;
    their owner keeps both up."""

    def __init__(self, homes: Mapping[str, Ledger], ledgers: Mapping[str, Ledger], knobs: FabricKnobs) -> None:
        self.homes = homes
        self._ledgers = ledgers
        self._knobs = knobs
        self._memory: dict[tuple[str, Address, frozenset[str]], Verdict] = {}

    def forget(self) -> None:
        """Something came into force: what is remembered about hosts that see everything no longer holds."""
        self._memory.clear()

    def carry(self, source: str, source_address: Address, destination: Address) -> Verdict:
        """The fate of a packet of a pod on `source` (or of the VM itself) at this instant."""
        home = self.homes.get(source)
        if home is None:
            return Verdict(None, NOT_RUNNING, "the source VM is not running")
        view = home.views[source]
        sender = view.machine(source)
        forged = (
            sender is not None
            and not sender.can_ip_forward
            and not owns(view.interfaces_of(source), source_address)
            and enforced("forwarding.source-check")
        )
        if forged:
            return Verdict(None, "FOREIGN_IP_DISALLOWED", f"the source VM {source} has canIpForward false")
        if sender is not None and not let_out(view, sender, destination):
            return Verdict(None, "FIREWALL_RULE", f"the firewall of {source} lets nothing out to the destination")
        if suffers(view, source, destination):
            return Verdict(None, REASON, f"E14: {source} suffers from more than is advised beside hybrid subnets")
        verdict = self._forward(home, source, sender.tags if sender is not None else frozenset(), destination)
        return verdict if verdict.delivered_to is None else self._receive(source, verdict, source_address)

    def _forward(self, home: Ledger, source: str, tags: frozenset[str], destination: Address) -> Verdict:
        if not self._sees_all(home, source):
            return forward(home.views[source], source, destination, self._knobs, self._peers(home, source))
        key = (home.network, destination, tags)
        verdict = self._memory.get(key)
        if verdict is None:
            peers = self._peers(home, source)
            verdict = self._memory[key] = forward(home.views[source], source, destination, self._knobs, peers)
        return verdict

    def _sees_all(self, home: Ledger, source: str) -> bool:
        """Whether the host sees its network, and those that peer with it, as they are."""
        return home.up_to_date(source) and all(
            self._ledgers[peering.peer].up_to_date(source) for peering in home.views[source].peerings()
        )

    def _peers(self, home: Ledger, source: str) -> list[Peer]:
        """The networks that peer with `home` from both sides, as far as the host knows; not those behind them."""
        found = []
        for ours in sorted(home.views[source].peerings(), key=lambda peering: peering.peer):
            view = self._ledgers[ours.peer].views[source]
            theirs = next((other for other in view.peerings() if other.peer == home.network), None)
            if theirs is not None:
                custom = ours.imports and theirs.exports
                found.append(Peer(ours.peer, view, custom, ours.ipv6 and theirs.ipv6))
        return found

    def _receive(self, source: str, verdict: Verdict, source_address: Address) -> Verdict:
        receiver = verdict.delivered_to or ""
        where = self.homes.get(receiver)
        if where is None or source not in where.views:
            return Verdict(None, NOT_RUNNING, f"{verdict.rule}; {receiver} is not running")
        view = where.views[receiver]
        machine = view.machine(receiver)
        if machine is None or not admitted(view, machine, source_address):
            return Verdict(None, "FIREWALL_RULE", f"{verdict.rule}; the firewall of {receiver} refuses the source")
        return verdict


GATEWAY = "default-internet-gateway"


def arrive(ledgers: Iterable[Ledger], source: Address, destination: Address) -> Verdict:
    """The fate of a packet from `source`, which is no address of any VPC network, as the receiving host sees things."""
    if _is_private(destination) and enforced("forwarding.internet-external-only"):
        return Verdict(None, "NO_ROUTE", "the internet has no route to internal addresses")
    for ledger in ledgers:
        host = _owner(ledger, destination)
        if host is not None:
            return _take_in(ledger.views[host], host, source)
    return Verdict(None, "NO_ROUTE", "no running VM has this external address")


def _owner(ledger: Ledger, destination: Address) -> str | None:
    for key in ledger.interface_keys_at(destination):
        fact = ledger.truth.get(key)
        owns = isinstance(fact, Interface) and fact.ipv6 is not None and fact.ipv6.contains(destination)
        if isinstance(fact, Interface) and owns and fact.instance in ledger.views:
            return fact.instance
    return None


def _take_in(view: View, host: str, source: Address) -> Verdict:
    machine = view.machine(host)
    if machine is None:
        return Verdict(None, "INSTANCE_NOT_RUNNING", f"{host} is not running")
    if not _leads_back(view, machine, source) and enforced("forwarding.internet-needs-route"):
        return Verdict(None, "NO_ROUTE", f"no route of {host} leads back to the internet")
    if not admitted(view, machine, source):
        return Verdict(None, "FIREWALL_RULE", f"the firewall of {host} refuses the source")
    return Verdict(host, DELIVERED, "an external IPv6 address of the VM")


def _leads_back(view: View, machine: Machine, source: Address) -> bool:
    return any(
        route.next_hop == GATEWAY and (not route.tags or bool(route.tags & machine.tags))
        for route in view.routes_to(source)
    )


def _is_private(destination: Address) -> bool:
    """Every IPv4 address of a VM is; of IPv6, unique local addresses are (fc00::/7)."""
    version, number = destination
    return version == 4 or number >> 121 == 0xFC >> 1
