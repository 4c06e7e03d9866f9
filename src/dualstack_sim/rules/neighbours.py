"""Rules of firewalls, routers and addresses (compute-api.md 8)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "firewalls.one-family",
        "A firewall rule holds IPv4 or IPv6 ranges, never both.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "firewalls.default-source",
        "An ingress rule without sources is about 0.0.0.0/0.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "firewalls.priority",
        "The priority of a firewall rule lies between 0 and 65535.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "firewalls.allow-or-deny",
        "A firewall rule either allows or denies.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "firewalls.network-fixed",
        "The network of a firewall rule cannot be changed.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "routers.nats-replaced",
        "A patch of a router replaces the whole list of NATs.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "routers.nat-addresses",
        "natIps go with natIpAllocateOption MANUAL_ONLY and only with it.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "routers.nat-subnetwork",
        "A NAT names subnetworks of its router's network only.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "routers.default-mode-advertises-subnets",
        "A Cloud Router in DEFAULT mode advertises every subnet range, a secondary one as soon as it is there.",
        "cutover.md R15, E17",
        "documented",
    ),
    Rule(
        "routers.advertise-their-region",
        "With REGIONAL routing a Cloud Router advertises the subnet ranges of its own region only.",
        "cutover.md R15; compute-api.md 5.1",
        "inferred",
    ),
    Rule(
        "addresses.in-use",
        "An address that a NAT uses cannot be deleted.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "addresses.allocated-range",
        "No subnetwork has a range that is reserved for private service access.",
        "compute-api.md 5.4",
        "observed",
    ),
    Rule(
        "addresses.internal-held",
        "A reserved internal address is taken: no alias range and no other reservation gets it.",
        "compute-api.md 8",
        "inferred",
    ),
)
