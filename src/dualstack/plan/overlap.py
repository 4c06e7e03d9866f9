"""The order that loses nothing: flag, range, aliases, then routes away, then flag off (cutover.md 0.1 and 4).

Between any two steps the old and the new way lead to the same VM (cutover.md 2), so that hosts which lag behind do no
harm inside a step; barriers keep them from lagging behind by more than one. Each rule below looks at the facts alone
and yields the next step of its stage, or nothing when its stage is done. The first that yields is what happens next:

    _stop        cloud-controller-manager would re-create routes, and tells the nodes that they have no network
    _clean       what a drill left behind when it was cut off
    tidy         decoys that are of no use any more
    _save        before anything is deleted
    _stale       routes that carry nothing go when no other is left
    _flag        lets the range be added over the routes: packets that no alias claims fall through to them
    prove        on decoys, if asked for, what every node is about to depend on
    _range       from here on an alias, once there, wins over the route
    _rescue      whatever nobody delivers now (a half-done migration) gets its alias at once
    _served      nobody may be cut off by the range
    _aliases     canary, then a tenth, half, all
    _routes      the drill, if asked for; canary, then a tenth, half, all
    _clear       flag off
    _forget      the saved list has served
"""

from __future__ import annotations

import math

from dualstack.plan import decoys, gates
from dualstack.plan.facts import CutoverFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.transitions import (
    AddAliases,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveDrillRoutes,
    SaveRoutes,
    SetOverlapFlag,
    StopController,
    Transition,
    alias_obstacles,
    rollback_drill,
)

RETREATS = decoys.RETREATS | {
    gates.RANGE.id: Stage.FLAG,
    gates.ALIAS_CANARY.id: Stage.RANGE,
    gates.ALIASES.id: Stage.RANGE,
    gates.ROUTE_CANARY.id: Stage.ALIASES,
    gates.ROUTES.id: Stage.ALIASES,
}
"""The stage before, for each gate that fails: the aliases go again, or the routes come back (cutover.md 4)."""


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts`; None when the cut-over is finished."""
    if facts.finished:
        return None
    for rule in _RULES:
        if (transition := rule(facts, settings)) is not None:
            return transition
    return None


def _stop(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Looked at before every step, because somebody may scale it up again (W10)."""
    return None if facts.controller.gone else StopController()


def _clean(facts: CutoverFacts, _: Settings) -> Transition | None:
    return RemoveDrillRoutes() if facts.drill_routes else None


def _save(facts: CutoverFacts, _: Settings) -> Transition | None:
    return SaveRoutes() if facts.unsaved else None


def _stale(facts: CutoverFacts, _: Settings) -> Transition | None:
    """After the others, which have waited for the aliases; at once, so that no flag is needed, when there are none."""
    return DeleteRoutes(_names(facts.routes)) if facts.routes and not facts.live_routes else None


def _flag(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Needed as long as a packet may still depend on a route inside the range, or the range is to be added over one.

    Foreign routes need it too for the range; the step's precondition then refuses, before anything is changed.
    """
    over_routes = not facts.range_present and (facts.routes or facts.foreign_routes)
    depending = facts.range_present and any(facts.routed(name) for name in facts.without_alias)
    return SetOverlapFlag() if (over_routes or depending) and not facts.subnet.overlap_flag else None


def _range(facts: CutoverFacts, settings: Settings) -> Transition | None:
    if facts.range_present:
        return None
    flag_known = Barrier(what="flag", aspects=("flag",), seconds=settings.barrier_flag)
    return (flag_known.if_closed(facts) if facts.routes else None) or AddSecondaryRange()


def _rescue(facts: CutoverFacts, _: Settings) -> Transition | None:
    """All at once: nothing leads to these VMs, so nothing can be lost, and every second counts.

    One that cannot take its alias waits for `_aliases`, which stops there, so that it does not hold up the others.
    """
    ready = tuple(name for name in facts.unreachable if not alias_obstacles(facts, name))
    return AddAliases(ready) if ready else None


def _served(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Loss appears at once here, at every node; no barrier is waited for then (cutover.md 4.2)."""
    return gates.RANGE.if_unpassed(facts) if facts.unserved else None


def _aliases(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The canary is over once any VM holds its alias; a restart waits for it and checks it again."""
    missing = facts.without_alias
    if not missing:
        return None
    if gates.ALIAS_CANARY.id not in facts.passed:
        if not any(facts.aliased(name) for name in facts.pod_cidr_of):
            range_known = Barrier(what="range", aspects=("range",), seconds=settings.barrier_range)
            return range_known.if_closed(facts) or AddAliases(missing[:1], canary=True)
        canary_known = Barrier(what="alias-canary", aspects=("aliases",), seconds=settings.barrier_canary)
        return canary_known.if_closed(facts) or gates.ALIAS_CANARY
    total = len(facts.pod_cidr_of)
    return AddAliases(missing[: settings.batch(total, total - len(missing))])


def _routes(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Every VM holds its alias. A route that carries traffic goes only when every host must know the alias."""
    live = facts.live_routes
    if not live:
        return None
    soaked = Barrier(what="aliases", aspects=("aliases",), seconds=settings.soak_aliases)
    if (waiting := soaked.if_closed(facts) or gates.ALIASES.if_unpassed(facts)) is not None:
        return waiting
    total = max(len(live), _once_live(facts))
    gone = total - len(live)
    if gone == 0:
        if settings.drill and (drill := rollback_drill(facts)) is not None:
            return drill
        return DeleteRoutes(_names(live[:1]), canary=True)
    first = gone == 1
    canary_known = Barrier(what="route-canary", aspects=("routes",), seconds=settings.barrier_route_canary)
    stage_known = Barrier(what="routes", aspects=("routes",), seconds=settings.barrier_routes)
    waiting = None if facts.unmatched else (canary_known if first else stage_known).if_closed(facts)
    waiting = waiting or (gates.ROUTE_CANARY if first else gates.ROUTES).if_unpassed(facts)
    return waiting or DeleteRoutes(_names(live[: _stage_end(total, gone, settings) - gone]))


def _clear(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """A host that learns of the flag before it learns of an alias would drop what the route still carried."""
    if not facts.subnet.overlap_flag:
        return None
    soaked = Barrier(what="aliases", aspects=("aliases",), seconds=settings.soak_aliases)
    return soaked.if_closed(facts) or ClearOverlapFlag()


def _forget(facts: CutoverFacts, _: Settings) -> Transition | None:
    return ClearSavedRoutes() if facts.saved_routes else None


def _once_live(facts: CutoverFacts) -> int:
    """How many VMs that exist have, or had when it was saved, a route to their pod CIDR."""
    return len(
        {
            entry.instance_name
            for entry in facts.saved_routes
            if facts.pod_cidr_of.get(entry.instance_name) == entry.destination_cidr
        }
    )


def _stage_end(total: int, gone: int, settings: Settings) -> int:
    """How many routes are gone at the end of the stage that `gone` of `total` lie in."""
    return next(end for share in settings.delete_shares if (end := math.ceil(share * total)) > gone)


def _names(routes: tuple[RouteFacts, ...]) -> tuple[str, ...]:
    return tuple(route.name for route in routes)


_RULES = (
    _stop,
    _clean,
    decoys.tidy,
    _save,
    _stale,
    _flag,
    decoys.prove,
    _range,
    _rescue,
    _served,
    _aliases,
    _routes,
    _clear,
    _forget,
)
