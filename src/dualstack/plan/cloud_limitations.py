"""What a cloud does not do when the Nodes report that `overlap` does not work, as clauses for messages."""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts

ROUTES_NOT_SERVED = (
    "a static route does not serve addresses that no resource holds in a subnet with allowSubnetCidrRoutesOverlap "
    "(docs/reference/cut-over.md#r6)"
)
ALIASES_NOT_MATCHED = (
    "an alias without a route does not carry its traffic: this cloud does not count an alias IP range as a matched "
    "resource of a subnet with allowSubnetCidrRoutesOverlap (docs/reference/cut-over.md#k3)"
)


def cloud_limitation(facts: CutoverFacts) -> str | None:
    """What the cloud does not do, as the Nodes' conditions show it; None while nothing indicates that."""
    if facts.unserved:
        return ROUTES_NOT_SERVED
    return ALIASES_NOT_MATCHED if facts.unmatched else None
