"""Rules of networks and subnetworks."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "networks.lists-subnetworks",
        "Reading a network returns the links of its subnetworks.",
        ("docs/reference/compute-engine.md#network-subnetworks",),
        "documented",
    ),
    Rule(
        "networks.internet-route",
        "A new network gets a static route 0.0.0.0/0 to the internet.",
        ("docs/reference/compute-engine.md#default-internet-route",),
        "observed",
    ),
    Rule(
        "networks.in-use",
        "Deleting a network in use fails in the operation with RESOURCE_IN_USE_BY_ANOTHER_RESOURCE.",
        ("docs/reference/compute-engine.md#fails-in-operation", "docs/reference/compute-engine.md#network-delete"),
        "documented",
    ),
    Rule(
        "networks.mtu",
        "The MTU of a network is between 1300 and 8896.",
        ("docs/reference/compute-engine.md#fixed-limits",),
        "documented",
    ),
    Rule(
        "networks.unique-local-range",
        "The internal IPv6 range of a network is a /48 inside fd20::/20.",
        ("docs/reference/compute-engine.md#network-ula",),
        "documented",
    ),
    Rule(
        "networks.unique-local-stays",
        "Internal IPv6 of a network cannot be disabled once it is enabled.",
        ("docs/reference/compute-engine.md#network-ula",),
        "inferred",
    ),
    Rule(
        "subnetworks.fingerprint",
        "subnetworks.patch requires the current fingerprint: missing or stale is 412 conditionNotMet.",
        ("docs/reference/compute-engine.md#subnetwork-fingerprint", "docs/reference/cut-over.md#e1"),
        "documented",
    ),
    Rule(
        "subnetworks.fingerprint-changes",
        "Every change of a subnetwork changes its fingerprint.",
        ("docs/reference/compute-engine.md#fingerprints",),
        "documented",
    ),
    Rule(
        "subnetworks.one-kind-of-change",
        "One patch of a subnetwork contains one kind of change.",
        ("docs/reference/compute-engine.md#one-change-per-patch", "docs/reference/cut-over.md#e1"),
        "observed",
    ),
    Rule(
        "subnetworks.immutable-fields",
        "name, network, region, description and the primary range are refused in a patch, even unchanged.",
        ("docs/reference/compute-engine.md#immutable-fields",),
        "observed",
    ),
    Rule(
        "subnetworks.range-overlap",
        "A range must not overlap another range of its network, in any region.",
        ("docs/reference/compute-engine.md#range-overlap", "docs/reference/cut-over.md#e2"),
        "documented",
    ),
    Rule(
        "subnetworks.routes-in-range",
        "Without the overlap flag a new range must not equal or contain the destination of a static route.",
        (
            "docs/reference/compute-engine.md#routes-inside-new-range",
            "docs/reference/cut-over.md#r8",
            "docs/reference/cut-over.md#e3",
        ),
        "documented",
    ),
    Rule(
        "subnetworks.flag-admits-routes",
        "With allowSubnetCidrRoutesOverlap a new range may contain existing static routes.",
        (
            "docs/reference/cut-over.md#r1",
            "docs/reference/cut-over.md#e3",
            "docs/reference/compute-engine.md#overlap-flag",
        ),
        "documented",
    ),
    Rule(
        "subnetworks.flag-in-v1",
        "v1 accepts allowSubnetCidrRoutesOverlap and shows it (knob K5).",
        ("docs/reference/cut-over.md#e12", "docs/reference/compute-engine.md#overlap-flag"),
        "documented",
    ),
    Rule(
        "subnetworks.flag-off-over-routes",
        "The overlap flag cannot be cleared while static routes conflict with the ranges (knob K2).",
        ("docs/reference/cut-over.md#e6", "docs/reference/compute-engine.md#clear-flag-over-routes"),
        "inferred",
    ),
    Rule(
        "subnetworks.add-and-remove",
        "Secondary ranges cannot be added and removed in one request.",
        (
            "docs/reference/compute-engine.md#add-and-remove-ranges",
            "docs/reference/cut-over.md#r11",
            "docs/reference/cut-over.md#e1",
        ),
        "observed",
    ),
    Rule(
        "subnetworks.range-fixed",
        "The CIDR of a secondary range cannot be changed.",
        ("docs/reference/compute-engine.md#secondary-range-fixed", "docs/reference/cut-over.md#r11"),
        "observed",
    ),
    Rule(
        "subnetworks.range-in-use",
        "A secondary range cannot be removed while a VM has an alias range in it.",
        (
            "docs/reference/compute-engine.md#remove-secondary-range",
            "docs/reference/cut-over.md#r11",
            "docs/reference/cut-over.md#e1",
        ),
        "documented",
    ),
    Rule(
        "subnetworks.range-names",
        "The names of secondary ranges are unique in their subnetwork.",
        ("docs/reference/compute-engine.md#secondary-range-names",),
        "documented",
    ),
    Rule(
        "subnetworks.smallest-range",
        "A range has at least eight addresses.",
        ("docs/reference/compute-engine.md#smallest-range",),
        "inferred",
    ),
    Rule(
        "subnetworks.prohibited-ranges",
        "No range has this-network, loopback, link-local, multicast or broadcast addresses or Google's own VIPs.",
        ("docs/reference/compute-engine.md#valid-ranges",),
        "documented",
    ),
    Rule(
        "subnetworks.prefix-preset",
        "The IPv6 prefix of a subnetwork can be chosen only when the subnetwork is created.",
        ("docs/reference/compute-engine.md#external-prefix",),
        "observed",
    ),
    Rule(
        "subnetworks.empty-list-clears",
        "An empty list of secondary ranges removes all of them.",
        ("docs/reference/compute-engine.md#absent-means-unchanged", "docs/reference/cut-over.md#e1"),
        "documented",
    ),
    Rule(
        "subnetworks.expand-only",
        "expandIpCidrRange accepts only a superset of the primary range.",
        ("docs/reference/compute-engine.md#expand-primary-range",),
        "documented",
    ),
    Rule(
        "subnetworks.reserved-addresses",
        "The first two and the last two addresses of a primary range are reserved.",
        ("docs/reference/compute-engine.md#reserved-addresses",),
        "documented",
    ),
    Rule(
        "subnetworks.access-type-needed",
        "Changing a subnetwork to dual-stack requires an ipv6AccessType in the same request.",
        (
            "docs/reference/compute-engine.md#stack-type-with-access-type",
            "docs/reference/compute-engine.md#access-type-immutable",
        ),
        "observed",
    ),
    Rule(
        "subnetworks.access-type-stays",
        "The ipv6AccessType cannot be changed once it is set.",
        ("docs/reference/compute-engine.md#access-type-immutable",),
        "documented",
    ),
    Rule(
        "subnetworks.internal-needs-range",
        "An INTERNAL subnetwork needs the unique local range of its network.",
        ("docs/reference/compute-engine.md#internal-needs-ula",),
        "documented",
    ),
    Rule(
        "subnetworks.internal-stays-dual",
        "A dual-stack subnetwork with INTERNAL access cannot go back to IPv4 only.",
        ("docs/reference/compute-engine.md#back-to-ipv4",),
        "documented",
    ),
    Rule(
        "subnetworks.prefix-comes-later",
        "The IPv6 prefix appears some seconds after the operation that made the subnetwork dual-stack.",
        ("docs/reference/compute-engine.md#prefix-delay",),
        "inferred",
    ),
    Rule(
        "subnetworks.prefix-remembered",
        "A subnetwork that was dual-stack before gets the same prefix again.",
        ("docs/reference/compute-engine.md#back-to-ipv4",),
        "inferred",
    ),
    Rule(
        "subnetworks.in-use",
        "A subnetwork with allocated addresses cannot be deleted.",
        ("docs/reference/compute-engine.md#subnetwork-delete",),
        "documented",
    ),
    Rule(
        "subnetworks.in-use-by-nat",
        "A subnetwork that a Cloud NAT names cannot be deleted.",
        ("docs/reference/compute-engine.md#subnetwork-delete", "docs/reference/compute-engine.md#nat-subnetworks"),
        "documented",
    ),
)
