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
)
