"""Rules of networks and subnetworks (compute-api.md 5; cutover.md 1 and 11)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "networks.lists-subnetworks",
        "A network names its subnetworks when it is read.",
        "compute-api.md 5.1 (Network.subnetworks of the discovery document)",
        "documented",
    ),
    Rule(
        "networks.internet-route",
        "A new network gets a static route 0.0.0.0/0 to the internet.",
        "compute-api.md 5.1",
        "observed",
    ),
    Rule(
        "networks.in-use",
        "A network that something uses is not deleted: the operation fails with RESOURCE_IN_USE_BY_ANOTHER_RESOURCE.",
        "compute-api.md 2.4, 5.1",
        "documented",
    ),
    Rule(
        "networks.mtu",
        "The MTU of a network lies between 1300 and 8896.",
        "compute-api.md 4.2",
        "documented",
    ),
    Rule(
        "networks.unique-local-range",
        "The internal IPv6 range of a network is a /48 inside fd20::/20.",
        "compute-api.md 5.1",
        "documented",
    ),
    Rule(
        "networks.unique-local-stays",
        "Internal IPv6 of a network cannot be switched off again.",
        "compute-api.md 5.1",
        "inferred",
    ),
    Rule(
        "subnetworks.fingerprint",
        "A patch of a subnetwork needs its present fingerprint: missing or stale is 412 conditionNotMet.",
        "compute-api.md 1.4; cutover.md E1",
        "documented",
    ),
    Rule(
        "subnetworks.fingerprint-changes",
        "Every change of a subnetwork changes its fingerprint.",
        "compute-api.md 1.4",
        "documented",
    ),
    Rule(
        "subnetworks.one-kind-of-change",
        "One patch carries one kind of change.",
        "compute-api.md 5.3; cutover.md E1",
        "observed",
    ),
    Rule(
        "subnetworks.immutable-fields",
        "name, network, region, description and the primary range are refused in a patch, even unchanged.",
        "compute-api.md 5.3",
        "observed",
    ),
    Rule(
        "subnetworks.range-overlap",
        "A range may overlap no other range of its network, in whatever region.",
        "compute-api.md 5.4; cutover.md E2",
        "documented",
    ),
    Rule(
        "subnetworks.routes-in-range",
        "Without the overlap flag a new range may neither equal nor contain a static route's destination.",
        "compute-api.md 6.2; cutover.md R8, E3",
        "documented",
    ),
    Rule(
        "subnetworks.flag-admits-routes",
        "With allowSubnetCidrRoutesOverlap a new range may contain static routes that are there already.",
        "cutover.md R1, E3; compute-api.md 6.4",
        "documented",
    ),
    Rule(
        "subnetworks.flag-in-v1",
        "v1 accepts allowSubnetCidrRoutesOverlap and shows it (knob K5).",
        "cutover.md E12; compute-api.md 6.4",
        "documented",
    ),
    Rule(
        "subnetworks.flag-off-over-routes",
        "The overlap flag cannot be cleared while static routes conflict with the ranges (knob K2).",
        "cutover.md E6; compute-api.md 6.4",
        "inferred",
    ),
    Rule(
        "subnetworks.add-and-remove",
        "Secondary ranges are not added and removed in one request.",
        "compute-api.md 5.4; cutover.md R11, E1",
        "observed",
    ),
    Rule(
        "subnetworks.range-fixed",
        "The CIDR of a secondary range cannot be changed under its name.",
        "compute-api.md 5.4; cutover.md R11",
        "observed",
    ),
    Rule(
        "subnetworks.range-in-use",
        "A secondary range from which a VM holds an alias cannot be removed.",
        "compute-api.md 5.4; cutover.md R11, E1",
        "documented",
    ),
    Rule(
        "subnetworks.range-names",
        "The names of secondary ranges are unique in their subnetwork.",
        "compute-api.md 5.4",
        "documented",
    ),
    Rule(
        "subnetworks.smallest-range",
        "A range has at least eight addresses.",
        "compute-api.md 5.4",
        "inferred",
    ),
    Rule(
        "subnetworks.prohibited-ranges",
        "No subnetwork has this-network, loopback, link-local, multicast or broadcast addresses or Google's own VIPs.",
        "compute-api.md 5.4",
        "documented",
    ),
    Rule(
        "subnetworks.prefix-preset",
        "The IPv6 prefix of a subnetwork can be chosen when it is created and not later.",
        "compute-api.md 5.5",
        "observed",
    ),
    Rule(
        "subnetworks.empty-list-clears",
        "An empty list of secondary ranges removes all of them.",
        "compute-api.md 5.3; cutover.md E1",
        "documented",
    ),
    Rule(
        "subnetworks.expand-only",
        "expandIpCidrRange takes a superset of the primary range and nothing else.",
        "compute-api.md 5.3",
        "documented",
    ),
    Rule(
        "subnetworks.reserved-addresses",
        "The first two and the last two addresses of a primary range are reserved.",
        "compute-api.md 5.4",
        "documented",
    ),
    Rule(
        "subnetworks.access-type-needed",
        "A subnetwork becomes dual-stack only with an ipv6AccessType in the same request.",
        "compute-api.md 5.3, 5.5",
        "observed",
    ),
    Rule(
        "subnetworks.access-type-stays",
        "The ipv6AccessType cannot be changed once it was set.",
        "compute-api.md 5.5",
        "documented",
    ),
    Rule(
        "subnetworks.internal-needs-range",
        "An INTERNAL subnetwork needs the unique local range of its network.",
        "compute-api.md 5.5",
        "documented",
    ),
    Rule(
        "subnetworks.internal-stays-dual",
        "A dual-stack subnetwork with INTERNAL access cannot go back to IPv4 only.",
        "compute-api.md 5.5",
        "documented",
    ),
    Rule(
        "subnetworks.prefix-comes-later",
        "The IPv6 prefix appears some seconds after the operation that made the subnetwork dual-stack.",
        "compute-api.md 5.5",
        "inferred",
    ),
    Rule(
        "subnetworks.prefix-remembered",
        "A subnetwork that was dual-stack before gets its prefix back.",
        "compute-api.md 5.5",
        "inferred",
    ),
    Rule(
        "subnetworks.in-use",
        "A subnetwork in which something has an address cannot be deleted.",
        "compute-api.md 5.6",
        "documented",
    ),
    Rule(
        "subnetworks.in-use-by-nat",
        "A subnetwork that a Cloud NAT names cannot be deleted.",
        "compute-api.md 5.6, 8",
        "documented",
    ),
)
