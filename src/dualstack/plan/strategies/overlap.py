"""The order without loss: flag, range, aliases, then delete routes, then clear the flag
(docs/reference/cut-over.md#overlap-order).

Between any two steps the old and the new path lead to the same VM (docs/reference/cut-over.md#states), so a host that
lags behind by one step does no harm; barriers keep every host from lagging behind by more. Each rule below depends on
the facts alone and yields the next step of its stage, or None when its stage is done. The first that yields is next:

    _stop        stop cloud-controller-manager, which would create routes again
    clean        delete what an interrupted drill or trial left behind
    make_way     remove decoys in whose blocks a node is
    _reroute     create the routes of unreachable VMs while there is no range yet
    remove_unneeded         remove decoys that are not needed
    _save        record the routes
    _stale       delete routes that carry nothing when no other is left
    _flag        allow the range over the routes: packets to addresses without alias then follow the routes
    prove        if requested, prove on decoys what every node is about to depend on
    _try_range   make the block of one node a range of its own: its route must still serve it; remove that range again
    _range       add the range; from here on an alias takes precedence over the route
    _joined      a node joined before the first alias: remove the range again, which keeps it from getting a route
    _rescue      add aliases of unreachable VMs (an unfinished migration) at once
    _served      check that the range made no node unreachable
    aliases      add aliases: canary, then a tenth, half, all
    _routes      delete routes: the drill if requested; canary, then a tenth, half, all
    _clear       clear the flag
    _forget      clear the saved list
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts, RouteFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps import (
    AddAliases,
    AddRangeCanary,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveDrillRoutes,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    RestoreRoutes,
    SaveRoutes,
    SetOverlapFlag,
    StopController,
    Transition,
    alias_obstacles,
)
from dualstack.plan.steps.headroom import RemoveHeadroomTrial
from dualstack.plan.strategies import decoys
from dualstack.plan.strategies.back import rollback_drill
from dualstack.plan.strategies.base import Planner, Strategy
from dualstack.plan.strategies.serve import without_range

RETREATS = decoys.RETREATS | {
    gates.FLAG.id: Stage.ROUTES,
    gates.RANGE_CANARY.id: Stage.ROUTES,
    gates.RANGE.id: Stage.FLAG,
    gates.ALIAS_CANARY.id: Stage.RANGE,
    gates.ALIASES.id: Stage.RANGE,
    gates.ROUTE_CANARY.id: Stage.ALIASES,
    gates.ROUTES.id: Stage.ALIASES,
}
"""The stage to which a failed gate leads back (docs/reference/cut-over.md#failures)."""


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts`; None when the cut-over is finished."""
    if facts.finished:
        return None
    for rule in _RULES:
        if (transition := rule(facts, settings)) is not None:
            return transition
    return None


def _stop(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Checked before every step, because another program may scale it up again (docs/reference/weaknesses.md#w10)."""
    return None if facts.controller.gone else StopController()


def clean(facts: CutoverFacts, _: Settings) -> Transition | None:
    if facts.drill_routes:
        return RemoveDrillRoutes()
    return RemoveHeadroomTrial() if facts.headroom_trial else None


def _save(facts: CutoverFacts, _: Settings) -> Transition | None:
    return SaveRoutes() if facts.unsaved else None


def _stale(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Last, when live routes have waited for their aliases; first, when there are none, so that no flag is needed."""
    return DeleteRoutes(_names(facts.routes)) if facts.routes and not facts.live_routes else None


def _reroute(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Nothing keeps a route from being created then; the way to their aliases would take minutes.

    That holds also for a node that joins, which would otherwise be unreachable during the trial of the range. Where the
    route is refused, such as by the quota, the node gets its alias. Without any live route there is nothing to wait
    for, and `_rescue` serves them.
    """
    return None if facts.range_present or not facts.live_routes else without_range(facts)


def _flag(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Needed while a packet may depend on a route inside the range, or the range is to be added over one.

    Foreign routes need it as well for the range; the step's precondition then refuses before the first change.
    """
    over_routes = not facts.range_present and (facts.routes or facts.foreign_routes)
    depending = any(facts.routed(name) for name in facts.without_alias)
    return SetOverlapFlag() if (over_routes or depending) and not facts.subnet.overlap_flag else None


def _try_range(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """One node goes first: if routes do not serve addresses inside a range, no other node loses its pods
    (docs/reference/cut-over.md#range-canary)."""
    if facts.range_canary and gates.RANGE_CANARY.id in facts.passed:
        return RemoveRangeCanary(proven=True)
    first = _first_on_trial(facts, settings)
    if first is None:
        return RemoveRangeCanary() if facts.range_canary else None
    if not facts.range_canary:
        waiting = _flag_known(facts, settings) or gates.FLAG.if_unpassed(facts)
        return waiting or AddRangeCanary((first,), block=facts.pod_cidr_of[first])
    if facts.canary != first:
        return RemoveRangeCanary()
    known = Barrier(what="range-canary", aspects=("range-canary",), seconds=settings.barrier_range_canary)
    return (None if facts.canary_unserved else known.if_closed(facts)) or gates.RANGE_CANARY


def _first_on_trial(facts: CutoverFacts, settings: Settings) -> str | None:
    """The VM on which the range is tried; None when nothing is to be proven.

    A single node has no other to lose packets from, and decoys prove the same.
    """
    proven = facts.range_proven or gates.DECOY_STATIC.id in facts.passed
    if facts.range_present or facts.unreachable or proven:
        return None
    live = [route.instance for route in facts.live_routes if facts.node_of[route.instance].running]
    if len(live) < 2:
        return None
    return facts.canary if facts.canary in live else min(live, key=lambda name: name != settings.canary)


def _flag_known(facts: CutoverFacts, settings: Settings) -> Transition | None:
    return Barrier(what="flag", aspects=("flag",), seconds=settings.barrier_flag).if_closed(facts)


def _range(facts: CutoverFacts, settings: Settings) -> Transition | None:
    if facts.range_present:
        return None
    return (_flag_known(facts, settings) if facts.routes else None) or AddSecondaryRange()


def _joined(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Its alias might carry nothing (docs/reference/cut-over.md#k3), which the report of a node that has just joined
    shows late. Its route is certain, and no alias keeps the range yet. It also makes a cluster of one node, which got
    its range without a trial, try it after all. A route that was refused without the range, such as by the quota, would
    be refused again; then the node gets its alias."""
    joined = facts.unreachable and not facts.lost and RestoreRoutes.id not in facts.refused
    return RemoveSecondaryRange() if joined and facts.live_routes and not facts.all_holders else None


def _rescue(facts: CutoverFacts, _: Settings) -> Transition | None:
    """All at once: these VMs are unreachable, so nothing can be lost and every second counts.

    A VM that cannot get its alias is left to `aliases`, which stops there, so that it does not delay the others.
    """
    ready = tuple(name for name in facts.unreachable if not alias_obstacles(facts, name))
    return AddAliases(ready) if ready else None


def _served(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Loss would appear at once and at every node, so this gate does not wait for a barrier
    (docs/reference/cut-over.md#barrier-range)."""
    return gates.RANGE.if_unpassed(facts) if facts.unserved else None


def aliases(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The canary stage ends when any VM holds its alias; after a restart it is awaited and checked again."""
    missing = facts.without_alias
    if not missing:
        return None
    if gates.ALIAS_CANARY.id not in facts.passed:
        if not any(facts.aliased(name) for name in facts.pod_cidr_of):
            range_known = Barrier(what="range", aspects=("range",), seconds=settings.barrier_range)
            first = min(missing, key=lambda name: name != settings.canary)
            return range_known.if_closed(facts) or AddAliases((first,), canary=True)
        canary_known = Barrier(what="alias-canary", aspects=("aliases",), seconds=settings.barrier_canary)
        return (None if facts.unmatched else canary_known.if_closed(facts)) or gates.ALIAS_CANARY
    total = len(facts.pod_cidr_of)
    return AddAliases(missing[: settings.batch(total, total - len(missing))])


def _routes(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Every VM holds its alias. A live route is deleted only when every host knows the alias."""
    live = facts.live_routes
    if not live:
        return None
    total = max(len(live), len(facts.once_routed))
    gone = total - len(live)
    due = gates.ALIASES if gone == 0 else gates.ROUTE_CANARY if gone == 1 else gates.ROUTES
    # No barrier first, which a restart begins anew: each second of it would be an outage.
    if facts.unmatched and (unpassed := due.if_unpassed(facts)) is not None:
        return unpassed
    soaked = Barrier(what="aliases", aspects=("aliases",), seconds=settings.soak_aliases)
    if (waiting := soaked.if_closed(facts) or gates.ALIASES.if_unpassed(facts)) is not None:
        return waiting
    if gone == 0:
        if settings.drill and (drill := rollback_drill(facts)) is not None:
            return drill
        # A stopped VM would prove nothing.
        first_route = min(
            live, key=lambda route: (not facts.node_of[route.instance].running, route.instance != settings.canary)
        )
        return DeleteRoutes((first_route.name,), canary=True)
    canary_known = Barrier(what="route-canary", aspects=("routes",), seconds=settings.barrier_route_canary)
    stage_known = Barrier(what="routes", aspects=("routes",), seconds=settings.barrier_routes)
    known = canary_known if gone == 1 else stage_known
    waiting = None if facts.unmatched else known.if_closed(facts)
    return waiting or due.if_unpassed(facts) or DeleteRoutes(_names(live[: _stage_end(total, gone, settings) - gone]))


def _clear(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """A host that learns of the flag before it learns of an alias would drop packets."""
    if not facts.subnet.overlap_flag:
        return None
    soaked = Barrier(what="aliases", aspects=("aliases",), seconds=settings.soak_aliases)
    return soaked.if_closed(facts) or ClearOverlapFlag()


def _forget(facts: CutoverFacts, _: Settings) -> Transition | None:
    return ClearSavedRoutes() if facts.saved_routes else None


def _stage_end(total: int, gone: int, settings: Settings) -> int:
    """Number of deleted routes at the end of the batch that `gone` of `total` belong to."""
    return next(end for share in settings.delete_shares if (end := math.ceil(share * total)) > gone)


def _names(routes: Iterable[RouteFacts]) -> tuple[str, ...]:
    return tuple(route.name for route in routes)


TO_RANGE: tuple[Planner, ...] = (
    _flag,
    decoys.prove,
    _try_range,
    _range,
    _joined,
    _rescue,
    _served,
)
"""The rules from routes to the range; `aliases` is next. Every route stays."""

_RULES: tuple[Planner, ...] = (
    _stop,
    clean,
    decoys.make_way,
    _reroute,
    decoys.remove_unneeded,
    _save,
    _stale,
    *TO_RANGE,
    aliases,
    _routes,
    _clear,
    _forget,
)

OVERLAP = Strategy("overlap", next_transition, MAKE_BEFORE_BREAK, lossless=True, retreats=RETREATS)
