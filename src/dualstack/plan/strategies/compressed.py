"""Upstream's order with the shortest possible outage: everything that can be done before it is done before it.

For networks above the limits of hybrid subnets (docs/reference/cut-over.md#compressed). From the first deleted route to
the last alias, pods on different nodes cannot reach each other; nothing else is left to do in that time. The first rule
that yields is the next step:

    _stop        stop cloud-controller-manager, so that no route is created again
    _clean       remove decoys and range canary of an earlier attempt without loss
    _save        record the routes
    _prepare     clear the flag of an earlier attempt, make the subnet dual-stack, prove that the cloud accepts what
                 follows, then check: from here on there is no good place to stop
    _delete      delete every route at once: the outage begins
    _range       add the range in one request
    _aliases     add every alias at once: the outage ends
    _close       clear the flag if it is set, and the saved list

A range that covers live routes already shows a cut-over without loss in progress, which then stays one.
"""

from __future__ import annotations

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import ALWAYS, CONTROLLER_GONE_BEFORE_DELETE
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveDrillRoutes,
    RemoveRangeCanary,
    SaveRoutes,
    SetStackType,
    StopController,
    Transition,
    alias_obstacles,
)
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.steps.headroom import ProveHeadroom, RemoveHeadroomTrial
from dualstack.plan.strategies import back, overlap
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.serve import without_range


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts`; None when the cut-over is finished."""
    if facts.finished:
        return None
    if facts.range_present and facts.live_routes:
        return overlap.next_transition(facts, settings)
    for rule in (_stop, _clean, _save, _prepare, _delete, _range, _aliases, _close):
        if (transition := rule(facts, settings)) is not None:
            return transition
    return None


def _stop(facts: CutoverFacts, _: Settings) -> Transition | None:
    return None if facts.controller.gone else StopController()


def _clean(facts: CutoverFacts, _: Settings) -> Transition | None:
    if facts.drill_routes:
        return RemoveDrillRoutes()
    if facts.left_over:
        return RemoveRangeCanary() if facts.range_canary else RemoveHeadroomTrial()
    return RemoveDecoys() if facts.decoys.present else None


def _save(facts: CutoverFacts, _: Settings) -> Transition | None:
    return SaveRoutes() if facts.unsaved else None


def _prepare(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Skipped once the outage has begun: then every second counts.

    A node that has just joined is served by a route first: that it is unreachable is no reason to delete the others.
    The flag of an earlier attempt is cleared, because under it an alias may carry nothing
    (docs/reference/cut-over.md#k3), so that the outage would last until it is cleared.
    """
    if facts.lost or not facts.live_routes:
        return None
    if (missing := without_range(facts)) is not None:
        return missing
    if not facts.foreign_routes and (clear := back.clear_flag(facts, settings)) is not None:
        return clear
    if facts.subnet.stack_type != "IPV4_IPV6":
        return SetStackType()
    return ProveHeadroom().if_unpassed(facts) or gates.READY.if_unpassed(facts)


def _delete(facts: CutoverFacts, _: Settings) -> Transition | None:
    names = tuple(route.name for route in facts.routes)
    return DeleteRoutes(names, alias_first=False) if names else None


def _range(facts: CutoverFacts, _: Settings) -> Transition | None:
    return None if facts.range_present else AddSecondaryRange()


def _aliases(facts: CutoverFacts, _: Settings) -> Transition | None:
    """A VM that cannot get its alias comes last, so that it does not delay the others."""
    missing = facts.without_alias
    ready = tuple(name for name in missing if not alias_obstacles(facts, name))
    return AddAliases(ready or missing) if missing else None


def _close(facts: CutoverFacts, _: Settings) -> Transition | None:
    if facts.subnet.overlap_flag and not facts.foreign_routes:
        return ClearOverlapFlag()
    return ClearSavedRoutes() if facts.saved_routes else None


COMPRESSED = Strategy("compressed", next_transition, (CONTROLLER_GONE_BEFORE_DELETE, *ALWAYS))
