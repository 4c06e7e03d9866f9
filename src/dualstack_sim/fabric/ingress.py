"""What a VM may send and what it takes in: VPC firewall rules, and which source addresses a sender may use."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine
from dualstack_sim.fabric.forwarding import View
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
