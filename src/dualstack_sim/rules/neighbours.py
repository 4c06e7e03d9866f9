"""Rules of firewalls, routers and addresses."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

# fmt: off
RULES = (
    Rule("firewalls.one-family", "documented",
         "A firewall rule has IPv4 or IPv6 ranges, not both.",
         ("docs/reference/compute-engine.md#firewall-one-family",)),
    Rule("firewalls.default-source", "documented",
         "An ingress rule without sources applies to 0.0.0.0/0.",
         ("docs/reference/compute-engine.md#firewall-defaults",)),
    Rule("firewalls.priority", "documented",
         "The priority of a firewall rule is between 0 and 65535.",
         ("docs/reference/compute-engine.md#firewall-priority",)),
    Rule("firewalls.allow-or-deny", "documented",
         "A firewall rule either allows or denies.",
         ("docs/reference/compute-engine.md#firewall-priority",)),
    Rule("firewalls.network-fixed", "documented",
         "The network of a firewall rule cannot be changed.",
         ("docs/reference/compute-engine.md#firewall-fields",)),
    Rule("routers.nats-replaced", "documented",
         "A patch of a router replaces the whole list of NATs.",
         ("docs/reference/compute-engine.md#router-patch",)),
    Rule("routers.nat-addresses", "documented",
         "natIps require natIpAllocateOption MANUAL_ONLY, and the reverse.",
         ("docs/reference/compute-engine.md#nat-addresses",)),
    Rule("routers.nat-subnetwork", "documented",
         "A NAT can name only subnetworks of its router's network.",
         ("docs/reference/compute-engine.md#nat-subnetworks",)),
    Rule("routers.default-mode-advertises-subnets", "documented",
         "A Cloud Router in DEFAULT mode advertises every subnet range, including a new secondary range.",
         ("docs/reference/cut-over.md#r15", "docs/reference/cut-over.md#e17")),
    Rule("routers.advertise-their-region", "inferred",
         "With REGIONAL routing a Cloud Router advertises only the subnet ranges of its own region.",
         ("docs/reference/cut-over.md#r15", "docs/reference/compute-engine.md#routing-mode")),
    Rule("addresses.in-use", "documented",
         "An address that a NAT uses cannot be deleted.",
         ("docs/reference/compute-engine.md#address-in-use",)),
    Rule("addresses.allocated-range", "observed",
         "A subnetwork range must not overlap a range that is reserved for private service access.",
         ("docs/reference/compute-engine.md#reserved-range-overlap",)),
    Rule("addresses.internal-held", "inferred",
         "A reserved internal address is not available to alias ranges or other reservations.",
         ("docs/reference/compute-engine.md#reserved-internal-address",)),
)
# fmt: on
