"""Networks that hold more than Google advises while a subnet of theirs is hybrid (cutover.md R16, E14).

Nobody outside Google knows what happens then, only that "connectivity and stability problems may appear". Here some
hosts, drawn by name, reach nothing in the ranges of hybrid subnets as long as they see the network like that.
"""

from __future__ import annotations

from dualstack_sim.chance import Chance
from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.facts import Overload, SubnetFlag
from dualstack_sim.fabric.forwarding import View
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.rules import enforced

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
