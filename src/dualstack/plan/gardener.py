"""Gardener's own order, for comparison: all routes away, subnet, range, aliases one by one (GB 4.6 and 4.7).

Every node is cut off from the moment its route is gone until its alias is there (GB 4.9, W20). What costs nobody a
packet is repaired all the same: the list is read back before the deletes (W12) and survives a restart (W11), every step
is looked at anew (W7), and aliases are awaited (W16).
"""

from __future__ import annotations

from dualstack.plan.decoy_steps import RemoveDecoys
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.transitions import (
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
    """One field for each PATCH, the stack type first (GB 4.4)."""
    if facts.range_present:
        return None
    return AddSecondaryRange() if facts.subnet.stack_type == "IPV4_IPV6" else SetStackType()


def _aliases(facts: CutoverFacts) -> Transition | None:
    if facts.without_alias:
        return AddAliases(facts.without_alias, one_by_one=True)
    if facts.subnet.overlap_flag and not facts.foreign_routes:
        return ClearOverlapFlag()
    return ClearSavedRoutes() if facts.saved_routes else None
