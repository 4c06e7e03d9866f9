"""Rules of static and subnet routes (compute-api.md 6; cutover.md 1 and 11)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "routes.inside-range",
        "A static route may not equal or lie inside a subnetwork's range: 'hides the address space of the network'.",
        "compute-api.md 6.2; cutover.md R8, R9, E4",
        "documented",
    ),
    Rule(
        "routes.inside-flagged-range",
        "The overlap flag admits no new static route inside the subnetwork's ranges (knob K1).",
        "cutover.md R2, E5; compute-api.md 6.4",
        "documented",
    ),
    Rule(
        "routes.conflict-in-operation",
        "A route that hides a range is accepted, and its operation fails with UNSUPPORTED_OPERATION.",
        "cutover.md R9, E4",
        "observed",
    ),
    Rule(
        "routes.name-taken",
        "The name of a route is unique in the project: 409 alreadyExists.",
        "compute-api.md 2.3, 6.1",
        "documented",
    ),
    Rule(
        "routes.next-hop-exists",
        "The next hop instance of a new route must be there.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.one-next-hop",
        "A route has exactly one next hop.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.priority",
        "The priority of a route lies between 0 and 65535.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.default-priority",
        "A route without a priority has priority 1000.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.tags",
        "A route has at most 256 network tags.",
        "compute-api.md 4.2",
        "documented",
    ),
    Rule(
        "routes.subnet-routes-listed",
        "The list of routes shows a route for every range of every subnetwork.",
        "compute-api.md 6.1",
        "observed",
    ),
    Rule(
        "routes.subnet-routes-stay",
        "A subnet route cannot be deleted.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.lost-next-hop",
        "A route whose instance is gone stays and warns NEXT_HOP_INSTANCE_NOT_FOUND.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.stopped-next-hop",
        "A route whose instance does not run warns NEXT_HOP_NOT_RUNNING.",
        "compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "routes.next-hop-cannot-forward",
        "A route to an instance without canIpForward is accepted and warns NEXT_HOP_CANNOT_IP_FORWARD.",
        "compute-api.md 6.1",
        "inferred",
    ),
    Rule(
        "routes.internet-ipv6",
        "The first external IPv6 range of a network adds a static route ::/0 to the internet.",
        "compute-api.md 5.1",
        "documented",
    ),
)
