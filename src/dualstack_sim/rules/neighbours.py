"""Rules of firewalls, routers and addresses."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "firewalls.one-family",
        "A firewall rule has IPv4 or IPv6 ranges, not both.",
        ("docs/reference/compute-engine.md#firewall-one-family",),
        "documented",
    ),
    Rule(
        "firewalls.default-source",
        "An ingress rule without sources applies to 0.0.0.0/0.",
        ("docs/reference/compute-engine.md#firewall-defaults",),
        "documented",
    ),
    Rule(
        "firewalls.priority",
        "The priority of a firewall rule is between 0 and 65535.",
        ("docs/reference/compute-engine.md#firewall-priority",),
        "documented",
    ),
    Rule(
        "firewalls.allow-or-deny",
        "A firewall rule either allows or denies.",
        ("docs/reference/compute-engine.md#firewall-priority",),
        "documented",
    ),
    Rule(
        "firewalls.network-fixed",
        "The network of a firewall rule cannot be changed.",
        ("docs/reference/compute-engine.md#firewall-fields",),
        "documented",
    ),
    Rule(
        "routers.nats-replaced",
        "A patch of a router replaces the whole list of NATs.",
        ("docs/reference/compute-engine.md#router-patch",),
        "documented",
    ),
    Rule(
        "routers.nat-addresses",
        "natIps require natIpAllocateOption MANUAL_ONLY, and the reverse.",
        ("docs/reference/compute-engine.md#nat-addresses",),
        "documented",
    ),
    Rule(
        "routers.nat-subnetwork",
        "A NAT can name only subnetworks of its router's network.",
        ("docs/reference/compute-engine.md#nat-subnetworks",),
        "documented",
    ),
    Rule(
        "routers.default-mode-advertises-subnets",
        "A Cloud Router in DEFAULT mode advertises every subnet range, including a new secondary range.",
        ("docs/reference/cut-over.md#r15", "docs/reference/cut-over.md#e17"),
        "documented",
    ),
    Rule(
        "routers.advertise-their-region",
        "With REGIONAL routing a Cloud Router advertises only the subnet ranges of its own region.",
        ("docs/reference/cut-over.md#r15", "docs/reference/compute-engine.md#routing-mode"),
        "inferred",
    ),
    Rule(
        "addresses.in-use",
        "An address that a NAT uses cannot be deleted.",
        ("docs/reference/compute-engine.md#address-in-use",),
        "documented",
    ),
    Rule(
        "addresses.allocated-range",
        "A subnetwork range must not overlap a range that is reserved for private service access.",
        ("docs/reference/compute-engine.md#reserved-range-overlap",),
        "observed",
    ),
    Rule(
        "addresses.internal-held",
        "A reserved internal address is not available to alias ranges or other reservations.",
        ("docs/reference/compute-engine.md#reserved-internal-address",),
        "inferred",
    ),
)
