"""The way back from any state of the cut-over to an earlier stage, without losing a packet
(docs/reference/cut-over.md#rollback).

The mirror of `overlap`: make the old path, wait until every host knows it, then break the new one. The first rule that
yields is the next step:

    _stop        stop cloud-controller-manager
    clean        remove drill routes, decoys and the range canary
    _rescue      serve unreachable VMs by the nearest means: route, flag or alias
    _flag        allow routes inside the range again
    _routes      try a temporary route, then create all missing routes
    _aliases     barrier and gate for the routes; remove the canary's alias, then batches
    _range       remove the range; packets follow the routes before and after
    clear_flag   barrier, then clear the flag
    _forget      clear the saved list
    _restore     restore cloud-controller-manager

`irreversible` lists beforehand what the way back cannot undo.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK_BACKWARDS
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps import (
    AddAliases,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    RemoveAliases,
    RemoveDrillRoutes,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    RestoreController,
    RestoreRoutes,
    RollbackDrill,
    SetOverlapFlag,
    StopController,
    Transition,
    alias_obstacles,
)
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.steps.headroom import RemoveHeadroomTrial
from dualstack.plan.strategies.base import Strategy


def next_transition(facts: CutoverFacts, settings: Settings, to: Stage = Stage.ROUTES) -> Transition | None:
    """The next step from `facts` down to the stage `to`, at most `ALIASES`; None when it is reached."""
    for reached, rule in _DESCENT:
        if reached >= to and (transition := rule(facts, settings)) is not None:
            return transition if isinstance(transition, RestoreController) else _stop(facts) or transition
    return None


def irreversible(facts: CutoverFacts) -> list[str]:
    """What the way back from `facts` leaves behind, or the cloud may refuse, one sentence each."""
    found = []
    if facts.range_present and facts.unrouted:
        found.append(
            f"{len(facts.unrouted)} routes have to be created inside the range, which the cloud may refuse; "
            "a temporary route tests this before any other change"
        )
    if facts.subnet.stack_type == "IPV4_IPV6":
        found.append(f"subnet {facts.subnet.name} stays dual-stack, because VMs may use IPv6 addresses in it")
    return found


def rollback_drill(facts: CutoverFacts) -> Transition | None:
    """The gate before the drill, then the drill; None when it has passed."""
    drill = RollbackDrill().if_unpassed(facts)
    return drill and (gates.ROLLBACK_DRILL.if_unpassed(facts) or drill)


def _stop(facts: CutoverFacts) -> Transition | None:
    return None if facts.controller.gone or facts.controller.kept else StopController()


def clean(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Remove what was only on trial; None when nothing of it is left."""
    if facts.drill_routes:
        return RemoveDrillRoutes()
    if facts.left_over:
        return RemoveRangeCanary() if facts.range_canary else RemoveHeadroomTrial()
    return RemoveDecoys() if facts.decoys.present else None


def _rescue(facts: CutoverFacts, _: Settings) -> Transition | None:
    """These VMs have nothing to lose and every second counts: no barrier, no gate, no drill."""
    if not facts.unreachable:
        return None
    if not facts.range_present:
        return RestoreRoutes(facts.unreachable)
    if not facts.subnet.overlap_flag and any(facts.routed(name) for name in facts.unreachable):
        return SetOverlapFlag()
    ready = tuple(name for name in facts.unreachable if not alias_obstacles(facts, name))
    return AddAliases(ready) if ready else None


def _flag(facts: CutoverFacts, _: Settings) -> Transition | None:
    depending = facts.range_present and (facts.all_holders or facts.unrouted)
    return SetOverlapFlag() if depending and not facts.subnet.overlap_flag else None


def _routes(facts: CutoverFacts, _: Settings) -> Transition | None:
    if not facts.unrouted:
        return None
    drill = rollback_drill(facts) if facts.range_present else None
    return drill or RestoreRoutes(facts.unrouted)


def _aliases(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """A host that learns of the removed alias before it learns of route and flag would drop packets."""
    holders = facts.all_holders
    if not holders:
        return None
    seconds = max(settings.barrier_flag, settings.barrier_routes)
    known = Barrier(what="restored-routes", aspects=("routes", "flag"), seconds=seconds)
    if (waiting := known.if_closed(facts) or gates.RESTORED_ROUTES.if_unpassed(facts)) is not None:
        return waiting
    if gates.UNALIAS_CANARY.id not in facts.passed:
        if len(holders) == len(facts.to_route):
            return RemoveAliases(holders[:1], canary=True)
        canary = Barrier(what="unalias-canary", aspects=("aliases",), seconds=settings.barrier_canary)
        return canary.if_closed(facts) or gates.UNALIAS_CANARY
    return RemoveAliases(holders[: settings.batch(len(facts.to_route), len(facts.to_route) - len(holders))])


def _range(facts: CutoverFacts, _: Settings) -> Transition | None:
    return RemoveSecondaryRange() if facts.range_present else None


def clear_flag(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """A host that learns of the flag before it learns that the range is gone would drop packets."""
    if not facts.subnet.overlap_flag:
        return None
    known = Barrier(what="range-removed", aspects=("range", "range-canary"), seconds=settings.barrier_range)
    return known.if_closed(facts) or ClearOverlapFlag()


def _forget(facts: CutoverFacts, _: Settings) -> Transition | None:
    return ClearSavedRoutes() if facts.saved_routes else None


def _restore(facts: CutoverFacts, _: Settings) -> Transition | None:
    return RestoreController() if facts.controller.ignored and not facts.controller.absent else None


_DESCENT = (
    (Stage.ALIASES, clean),
    (Stage.ALIASES, _rescue),
    (Stage.ALIASES, _flag),
    (Stage.ALIASES, _routes),
    (Stage.RANGE, _aliases),
    (Stage.FLAG, _range),
    (Stage.ROUTES, clear_flag),
    (Stage.ROUTES, _forget),
    (Stage.ROUTES, _restore),
)
"""Each rule with the lowest stage to which it leads."""


def way_back(to: Stage = Stage.ROUTES) -> Strategy:
    """Down to the stage `to` without loss. Down to `ROUTES`, it restores cloud-controller-manager as well."""
    planner = partial(next_transition, to=min(to, Stage.ALIASES))
    return Strategy("back", planner, MAKE_BEFORE_BREAK_BACKWARDS, lossless=True)


def reachable_alone(facts: CutoverFacts) -> CutoverFacts:
    """The same cluster without its unreachable VMs."""
    return replace(facts, nodes=tuple(node for node in facts.nodes if node.name not in facts.unreachable))


def _ungated(facts: CutoverFacts, settings: Settings) -> Transition | None:
    if facts.range_present:
        missing = tuple(name for name in facts.unreachable if not facts.routed(name))
        route = RestoreRoutes(missing, optional=True)
        if missing and facts.subnet.overlap_flag and not any(step.startswith(route.id) for step in facts.refused):
            return route
        facts = reachable_alone(facts)
    taken_as_passed = {gate.id: gate.aspects for gate in (gates.RESTORED_ROUTES, gates.UNALIAS_CANARY)}
    return next_transition(facts.with_runtime_state(passed={**facts.passed, **taken_as_passed}), settings)


WITHOUT_GATES = Strategy("back", _ungated, MAKE_BEFORE_BREAK_BACKWARDS, lossless=True)
"""Back to routes while every reachable VM has its route, and a gate has failed or an alias was refused.

The problem that the nodes report may be due to the range, as above the limits of hybrid subnets; its removal is then
the only remedy. A node that has joined may get neither an alias nor, under the range, a route
(docs/reference/cut-over.md#k1); it gets its route as soon as the range is gone."""
