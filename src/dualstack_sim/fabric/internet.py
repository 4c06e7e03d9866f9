"""Packets from the internet: to external IPv6 addresses of VMs, if there is a way back (compute-api.md 5.1, 5.5, 8).

External IPv4 addresses are translated before they reach a VM, and no pod has one; they are not followed here.
"""

from __future__ import annotations

from collections.abc import Iterable

from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import Interface, Machine
from dualstack_sim.fabric.forwarding import DELIVERED, Verdict, View
from dualstack_sim.fabric.ingress import admitted
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.rules import enforced

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
