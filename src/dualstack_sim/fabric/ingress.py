"""Whether a VM takes a packet in: VPC firewall rules, and whether a sender may use the source address it uses."""

from __future__ import annotations

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
    best: tuple[int, bool] | None = None
    allowed = False
    for rule in view.firewall_rules():
        priority = rule.priority if enforced("forwarding.firewall-priority") else 0
        rank = (priority, rule.allow is enforced("forwarding.firewall-deny-first"))
        if (best is None or rank < best) and _applies(rule, machine, source):
            best, allowed = rank, rule.allow
    return allowed if best is not None else not enforced("forwarding.implied-deny")


def _applies(rule: FirewallRule, machine: Machine, source: Address) -> bool:
    if rule.target_tags and not rule.target_tags & machine.tags and enforced("forwarding.firewall-targets"):
        return False
    return any(block.contains(source) for block in rule.sources) and any(
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
