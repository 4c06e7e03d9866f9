"""Chooses a strategy: `overlap` within the documented limits of hybrid subnets, else `compressed`.

The limits apply to the whole VPC network, including VMs and routes of others (docs/reference/cut-over.md#r16). Above
them the cloud guarantees nothing for any VM of the network, which is worse than a known outage of one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.plan.facts import CutoverFacts

MOST_INTERFACES = 130
MOST_CUSTOM_ROUTES = 300
MOST_HYBRID_SUBNETS = 25
MOST_FORWARDING_RULES = 25
"""Per VPC network (docs/reference/cut-over.md#r16)."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """Usage of the whole VPC network, by all clusters in it.

    surge: NICs that a roll-out may add. hybrid_subnets: other subnets with the overlap flag. custom_routes: static
    routes. forwarding_rules: of internal passthrough load balancers; None when they cannot be read. decoys: NICs that
    a decoy check will add.
    """

    interfaces: int
    surge: int
    custom_routes: int
    hybrid_subnets: int
    forwarding_rules: int | None = None
    decoys: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of a strategy, and the reason as a clause."""

    strategy: str
    reason: str


def decide(
    facts: CutoverFacts, network: NetworkFacts, *, unsupported: str | None = None, contradicted: str = ""
) -> Choice:
    """The strategy for the current state, with the reason.

    unsupported: what `overlap` depends on and this cloud was observed not to do. contradicted: which assumption of
    `overlap` a trial has contradicted.

    A cut-over in progress without loss stays so. One without live routes is finished by `overlap`, which then needs no
    barriers.
    """
    if not facts.live_routes:
        return Choice("overlap", "no route carries traffic, so nothing can be lost")
    if facts.range_present:
        return Choice("overlap", "the range covers the routes already, so the remaining steps lose nothing")
    if unsupported:
        return Choice("compressed", f"{unsupported}, as observed before")
    if contradicted:
        return Choice("compressed", contradicted)
    if not facts.subnet.flag_visible:
        return Choice("compressed", f"the API does not show allowSubnetCidrRoutesOverlap of {facts.subnet.name}")
    if above := beyond(network):
        return Choice("compressed", above)
    return Choice(
        "overlap",
        f"the VPC network is within the limits of hybrid subnets: {_nics(network)} of {MOST_INTERFACES}, "
        f"{network.custom_routes} static routes of {MOST_CUSTOM_ROUTES}, "
        f"{network.hybrid_subnets + 1} hybrid subnets of {MOST_HYBRID_SUBNETS}, {_balancers(network)}",
    )


def beyond(network: NetworkFacts) -> str | None:
    """Which limits the network exceeds, as a clause; None within them."""
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
    if network.forwarding_rules is not None and network.forwarding_rules > MOST_FORWARDING_RULES:
        exceeded.append(f"{network.forwarding_rules} internal forwarding rules, limit {MOST_FORWARDING_RULES}")
    return exceeded


def _balancers(network: NetworkFacts) -> str:
    if network.forwarding_rules is None:
        return f"internal forwarding rules (limit {MOST_FORWARDING_RULES}) could not be read"
    return f"{network.forwarding_rules} internal forwarding rules of {MOST_FORWARDING_RULES}"


def _nics(network: NetworkFacts) -> str:
    roll_out = f"up to {network.surge} during a roll-out"
    if network.decoys:
        return f"{network.interfaces} NICs, {roll_out} and {network.decoys} of the decoy check"
    return f"{network.interfaces} NICs and {roll_out}"
