"""Which strategy fits a cluster: `overlap` inside the documented limits of hybrid subnets, else `compressed`.

The limits hold for the whole VPC network, whoever its VMs and routes belong to (cutover.md 8, R16). Beyond them the
cloud promises nothing for any VM of the network, which is worse than a known blackout of one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.plan.facts import CutoverFacts

MOST_INTERFACES = 130
MOST_CUSTOM_ROUTES = 300
MOST_HYBRID_SUBNETS = 25
MOST_FORWARDING_RULES = 25
"""Per VPC network (R16)."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What the whole VPC network holds, counted over all clusters in it.

    `surge` are the NICs that may come while machines are replaced, `hybrid_subnets` the other subnets that have the
    overlap flag, `custom_routes` the static routes, `forwarding_rules` those of internal passthrough load
    balancers, None when they cannot be asked for. `decoys` are the NICs that a decoy check is still to make.
    """

    interfaces: int
    surge: int
    custom_routes: int
    hybrid_subnets: int
    forwarding_rules: int | None = None
    decoys: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of a strategy, and why it was chosen, as a clause."""

    strategy: str
    reason: str


def decide(facts: CutoverFacts, network: NetworkFacts, *, unsupported: str | None = None) -> Choice:
    """The strategy for the cluster as it is, with the reason.

    `unsupported`: what `overlap` rests on, and this cloud was seen not to do.

    A cut-over that is under way without loss stays so, and one with nothing left to lose is finished in the short way
    that `overlap` has for it.
    """
    if not facts.live_routes:
        return Choice("overlap", "no route carries traffic any more, so nothing can be lost")
    if facts.range_present:
        return Choice("overlap", "the range lies over the routes already, so the rest loses nothing either")
    if unsupported:
        return Choice("compressed", f"{unsupported}, as was seen before")
    if not facts.subnet.flag_visible:
        return Choice("compressed", f"the API does not show allowSubnetCidrRoutesOverlap of {facts.subnet.name}")
    if above := beyond(network):
        return Choice("compressed", above)
    return Choice(
        "overlap",
        f"the VPC network is inside the limits of hybrid subnets: {_nics(network)} of {MOST_INTERFACES}, "
        f"{network.custom_routes} static routes of {MOST_CUSTOM_ROUTES}, "
        f"{network.hybrid_subnets + 1} hybrid subnets of {MOST_HYBRID_SUBNETS}, {_balancers(network)}",
    )


def beyond(network: NetworkFacts) -> str | None:
    """That the network is above the limits, and which, as a clause; None inside them."""
    exceeded = _exceeded(network)
    return f"the VPC network is above the limits of hybrid subnets: {', '.join(exceeded)}" if exceeded else None


def _exceeded(network: NetworkFacts) -> list[str]:
    exceeded = []
    if network.interfaces + network.surge + network.decoys > MOST_INTERFACES:
        exceeded.append(f"{_nics(network)}, limit {MOST_INTERFACES}")
    if network.custom_routes > MOST_CUSTOM_ROUTES:
        exceeded.append(f"{network.custom_routes} static routes, limit {MOST_CUSTOM_ROUTES}")
    if network.hybrid_subnets >= MOST_HYBRID_SUBNETS:
        exceeded.append(f"{network.hybrid_subnets} other hybrid subnets, limit {MOST_HYBRID_SUBNETS} with this one")
    if (network.forwarding_rules or 0) > MOST_FORWARDING_RULES:
        exceeded.append(f"{network.forwarding_rules} internal forwarding rules, limit {MOST_FORWARDING_RULES}")
    return exceeded


def _balancers(network: NetworkFacts) -> str:
    if network.forwarding_rules is None:
        return f"internal forwarding rules (limit {MOST_FORWARDING_RULES}) could not be counted"
    return f"{network.forwarding_rules} internal forwarding rules of {MOST_FORWARDING_RULES}"


def _nics(network: NetworkFacts) -> str:
    roll_out = f"{network.surge} of a roll-out"
    if network.decoys:
        return f"{network.interfaces} NICs, {roll_out} and {network.decoys} of the decoy check"
    return f"{network.interfaces} NICs and {roll_out}"
