"""Upstream's order, for comparison: delete all routes, then subnet, range, aliases one by one
(docs/reference/gardener.md#route-cleanup).

Every node is unreachable from the deletion of its route until its alias exists (docs/reference/weaknesses.md#w20). What
costs no packet differs from upstream: the saved list is read back before routes are deleted, every step starts from
observed state, and aliases are awaited (docs/reference/weaknesses.md#w7, docs/reference/weaknesses.md#w12,
docs/reference/weaknesses.md#w16).
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import ALWAYS
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    SaveRoutes,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.strategies.base import Strategy


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts`; None when the cut-over is finished. There are no barriers and no gates."""
    del settings
    if facts.finished:
        return None
    if facts.controller.replicas or not facts.controller.ignored:
        return StopController(wait=False)
    if facts.decoys.present:
        return RemoveDecoys()
    if facts.unsaved:
        return SaveRoutes()
    if facts.routes:
        return DeleteRoutes(tuple(route.name for route in facts.routes), alias_first=False)
    return _subnet(facts) or _aliases(facts)


def _subnet(facts: CutoverFacts) -> Transition | None:
    """One field for each PATCH, the stack type first (docs/reference/gardener.md#compute-requests)."""
    if facts.range_present:
        return None
    return AddSecondaryRange() if facts.subnet.stack_type == "IPV4_IPV6" else SetStackType()


def _aliases(facts: CutoverFacts) -> Transition | None:
    if facts.without_alias:
        return AddAliases(facts.without_alias, one_by_one=True)
    if facts.subnet.overlap_flag and not facts.foreign_routes:
        return ClearOverlapFlag()
    return ClearSavedRoutes() if facts.saved_routes else None


GARDENER = Strategy("gardener", next_transition, ALWAYS, poll=10.0)
"""Upstream polls operations every 10 s (docs/reference/weaknesses.md#w31)."""
