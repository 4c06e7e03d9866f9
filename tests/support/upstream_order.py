"""Upstream's order as a plan: all routes, then subnet, range, aliases (docs/reference/gardener.md#route-cleanup).

For tests that start from a migration which upstream left unfinished. Every node is unreachable from the deletion of its
route until its alias exists (docs/reference/weaknesses.md#w20).
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import ALWAYS
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearSavedRoutes,
    DeleteRoutes,
    SaveRoutes,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.strategies.base import Strategy


def _next(facts: CutoverFacts, _: Settings) -> Transition | None:
    if facts.finished:
        return None
    if not facts.controller.ignored:
        return StopController()
    if facts.unsaved:
        return SaveRoutes()
    if facts.routes:
        return DeleteRoutes(tuple(route.name for route in facts.routes), alias_first=False)
    if not facts.range_present:
        return AddSecondaryRange() if facts.subnet.stack_type == "IPV4_IPV6" else SetStackType()
    return AddAliases(facts.without_alias) if facts.without_alias else ClearSavedRoutes()


UPSTREAM = Strategy("upstream", _next, ALWAYS)
