"""Rules of VPC Network Peering, and the allocation quotas of networks."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

# fmt: off
RULES = (
    Rule("peering.both-sides", "documented",
         "A peering is INACTIVE until the other network creates its side; then both are ACTIVE.",
         ("docs/reference/cut-over.md#r10",)),
    Rule("peering.disjoint-networks", "documented",
         "Networks whose subnetwork ranges overlap cannot be peered.",
         ("docs/reference/cut-over.md#r10",)),
    Rule("peering.range-overlap", "documented",
         "A new range must not overlap a range of a peer or of a peer's peer.",
         ("docs/reference/cut-over.md#r10", "docs/reference/compute-engine.md#peer-range-overlap")),
    Rule("peering.routes-in-range", "documented",
         "A new range must not equal or contain the destination of a peer's static route.",
         ("docs/reference/cut-over.md#r10", "docs/reference/compute-engine.md#peer-routes-and-ranges")),
    Rule("peering.route-inside-range", "observed",
         "A static route in a peer's range is refused: 'hides the address space of the peer network'.",
         ("docs/reference/cut-over.md#r10", "docs/reference/compute-engine.md#peer-routes-and-ranges")),
    Rule("peering.blocks-routes", "observed",
         "Routes of a network cannot change during a peering operation: 'There is a peering operation in progress'.",
         ("docs/reference/compute-engine.md#busy-peering",)),
    Rule("peering.one-at-a-time", "observed",
         "Only one peering operation runs on a network at a time.",
         ("docs/reference/compute-engine.md#busy-peering",)),
    Rule("quotas.peerings", "documented",
         "A network has at most PEERINGS_PER_NETWORK peerings.",
         ("docs/reference/compute-engine.md#network-quotas",)),
    Rule("quotas.instances", "documented",
         "A network has at most INSTANCES_PER_NETWORK_GLOBAL network interfaces.",
         ("docs/reference/compute-engine.md#network-quotas", "docs/reference/cut-over.md#r14")),
    Rule("quotas.aliases", "documented",
         "A network has at most ALIASES_PER_NETWORK_GLOBAL alias ranges, whatever their size.",
         ("docs/reference/compute-engine.md#network-quotas", "docs/reference/cut-over.md#r14")),
    Rule("quotas.subnet-ranges", "documented",
         "A network has at most SUBNET_RANGES_PER_NETWORK primary, secondary and IPv6 ranges.",
         ("docs/reference/compute-engine.md#network-quotas", "docs/reference/cut-over.md#r14")),
    Rule("quotas.concurrent-operations", "observed",
         "Too many concurrent operations are refused with 403, CONCURRENT_OPERATIONS_QUOTA_EXCEEDED.",
         ("docs/reference/compute-engine.md#concurrent-operations",)),
)
# fmt: on
