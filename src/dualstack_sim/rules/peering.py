"""Rules of VPC Network Peering, and the allocation quotas of networks (cutover.md R10, R14; compute-api.md 3, 4.2)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "peering.both-sides",
        "A peering is INACTIVE until the other network peers back, and then both are ACTIVE.",
        "cutover.md R10",
        "documented",
    ),
    Rule(
        "peering.disjoint-networks",
        "Networks whose subnetwork ranges overlap cannot be peered.",
        "cutover.md R10",
        "documented",
    ),
    Rule(
        "peering.range-overlap",
        "A new range may not overlap a range of a peer or of a peer's peer.",
        "cutover.md R10; compute-api.md 5.4",
        "documented",
    ),
    Rule(
        "peering.routes-in-range",
        "A new range may not equal or contain the destination of a peer's static route.",
        "cutover.md R10; compute-api.md 6.2",
        "documented",
    ),
    Rule(
        "peering.route-inside-range",
        "A static route may not equal or lie inside a peer's range: 'hides the address space of the peer network'.",
        "cutover.md R10; compute-api.md 6.2",
        "observed",
    ),
    Rule(
        "peering.blocks-routes",
        "While a peering of a network changes, its routes do not: 'There is a peering operation in progress'.",
        "compute-api.md 3",
        "observed",
    ),
    Rule(
        "peering.one-at-a-time",
        "Two peering operations on one network do not run at once.",
        "compute-api.md 3",
        "observed",
    ),
    Rule(
        "quotas.peerings",
        "A network has at most PEERINGS_PER_NETWORK peerings.",
        "compute-api.md 4.2",
        "documented",
    ),
    Rule(
        "quotas.instances",
        "A network has at most INSTANCES_PER_NETWORK_GLOBAL network interfaces.",
        "compute-api.md 4.2; cutover.md R14",
        "documented",
    ),
    Rule(
        "quotas.aliases",
        "A network has at most ALIASES_PER_NETWORK_GLOBAL alias ranges, whatever their size.",
        "compute-api.md 4.2; cutover.md R14",
        "documented",
    ),
    Rule(
        "quotas.subnet-ranges",
        "A network has at most SUBNET_RANGES_PER_NETWORK primary, secondary and IPv6 ranges.",
        "compute-api.md 4.2; cutover.md R14",
        "documented",
    ),
    Rule(
        "quotas.concurrent-operations",
        "Too many operations at once are refused with 403, CONCURRENT_OPERATIONS_QUOTA_EXCEEDED.",
        "compute-api.md 3",
        "observed",
    ),
)
