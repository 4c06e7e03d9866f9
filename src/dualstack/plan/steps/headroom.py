"""The trial before an outage: whether the cloud accepts aliases, range and a route, while nothing depends on them.

Compute does not show the quotas of a network (docs/reference/compute-engine.md#quota-usage). An alias counts whatever
its size, and one interface can hold 150, so a few VMs prove the headroom for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from dualstack.plan.blocks import SMALLEST_RANGE, unused_range
from dualstack.plan.facts import Aspect, CutoverFacts
from dualstack.plan.steps.base import Proof, Transition

HEADROOM_RANGE = "dualstack-headroom"
"""Name of the trial's range in the nodes subnet."""

PER_INTERFACE = 100
"""Aliases that one VM holds during the trial; an interface can hold 150 (docs/reference/cut-over.md#r14)."""


@dataclass(frozen=True)
class ProveHeadroom(Proof):
    """Add a range in an unused block, an address for each VM as alias ranges of a few VMs, and a route; remove them."""

    aspects: tuple[Aspect, ...] = ("controller",)
    id = "prove-headroom"


@dataclass(frozen=True)
class RemoveHeadroomTrial(Transition):
    """Remove what an interrupted trial left behind."""

    id = "remove-headroom-trial"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, headroom_trial=False)


def trial_range(facts: CutoverFacts) -> str | None:
    """The CIDR of the trial's range, with an address for each VM; None when the pod CIDR has no room for it."""
    return unused_range(facts, min(SMALLEST_RANGE, 32 - (len(facts.pod_cidr_of) - 1).bit_length()))


def trial_aliases(facts: CutoverFacts, block: str) -> dict[str, list[str]]:
    """The addresses of `block` that each VM holds during the trial, one for each VM of the cluster in total."""
    addresses = iter(IPv4Network(block))
    left, shares = len(facts.pod_cidr_of), dict[str, list[str]]()
    for node in sorted(facts.node_of.values(), key=lambda node: (len(node.aliases), node.name)):
        if left and node.running and node.subnet_ok:
            count = min(left, PER_INTERFACE)
            shares[node.name] = [f"{next(addresses)}/32" for _ in range(count)]
            left -= count
    return shares
