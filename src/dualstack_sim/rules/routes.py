"""Rules of static and subnet routes."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "routes.inside-range",
        "A static route must not equal or lie inside a subnetwork's range ('hides the address space of the network').",
        (
            "docs/reference/compute-engine.md#route-hides-range",
            "docs/reference/cut-over.md#r8",
            "docs/reference/cut-over.md#r9",
            "docs/reference/cut-over.md#e4",
        ),
        "documented",
    ),
    Rule(
        "routes.inside-flagged-range",
        "The overlap flag allows no new static route inside the subnetwork's ranges (knob K1).",
        (
            "docs/reference/cut-over.md#r2",
            "docs/reference/cut-over.md#e5",
            "docs/reference/compute-engine.md#routes-in-flagged-range",
        ),
        "documented",
    ),
    Rule(
        "routes.conflict-in-operation",
        "A route that hides a range is accepted, and its operation fails with UNSUPPORTED_OPERATION.",
        ("docs/reference/cut-over.md#r9", "docs/reference/cut-over.md#e4"),
        "observed",
    ),
    Rule(
        "routes.name-taken",
        "The name of a route is unique in the project: 409 alreadyExists.",
        ("docs/reference/compute-engine.md#error-already-exists", "docs/reference/compute-engine.md#route-fields"),
        "documented",
    ),
    Rule(
        "routes.next-hop-exists",
        "The next hop instance of a new route must exist.",
        ("docs/reference/compute-engine.md#next-hop-instance",),
        "documented",
    ),
    Rule(
        "routes.one-next-hop",
        "A route has exactly one next hop.",
        ("docs/reference/compute-engine.md#route-fields",),
        "documented",
    ),
    Rule(
        "routes.priority",
        "The priority of a route is between 0 and 65535.",
        ("docs/reference/compute-engine.md#route-fields",),
        "documented",
    ),
    Rule(
        "routes.default-priority",
        "A route without a priority has priority 1000.",
        ("docs/reference/compute-engine.md#route-fields",),
        "documented",
    ),
    Rule(
        "routes.tags",
        "A route has at most 256 network tags.",
        ("docs/reference/compute-engine.md#fixed-limits",),
        "documented",
    ),
    Rule(
        "routes.subnet-routes-listed",
        "The list of routes includes a route for every range of every subnetwork.",
        ("docs/reference/compute-engine.md#subnet-routes",),
        "observed",
    ),
    Rule(
        "routes.subnet-routes-stay",
        "A subnet route cannot be deleted.",
        ("docs/reference/compute-engine.md#subnet-routes",),
        "documented",
    ),
    Rule(
        "routes.lost-next-hop",
        "A route whose next hop instance is deleted remains, with the warning NEXT_HOP_INSTANCE_NOT_FOUND.",
        ("docs/reference/compute-engine.md#next-hop-gone",),
        "documented",
    ),
    Rule(
        "routes.stopped-next-hop",
        "A route whose next hop instance is not running has the warning NEXT_HOP_NOT_RUNNING.",
        ("docs/reference/compute-engine.md#next-hop-gone",),
        "documented",
    ),
    Rule(
        "routes.next-hop-cannot-forward",
        "A route to an instance without canIpForward is accepted and warns NEXT_HOP_CANNOT_IP_FORWARD.",
        ("docs/reference/compute-engine.md#next-hop-forwarding",),
        "inferred",
    ),
    Rule(
        "routes.internet-ipv6",
        "The first external IPv6 range of a network adds a static route ::/0 to the internet.",
        ("docs/reference/compute-engine.md#ipv6-internet-route",),
        "documented",
    ),
)
