"""The way back, from wherever the cut-over stands to an earlier stage, without losing a packet (cutover.md 4).

The mirror of `overlap`: make the old way, wait until every host knows it, then break the new one. The first rule that
yields is what happens next; each stands for the stage that it leaves:

    _stop        nobody interferes
    _clean       what a drill left behind, and decoys
    _rescue      whoever nothing delivers gets the way that is nearest: route, flag or alias
    _flag        S5: routes may lie in the range again
    _routes      S4: a throwaway route shows whether the cloud takes it (K1); then all of them
    _aliases     S3: barrier and gate for the routes; canary, then batches give their alias up
    _range       S2: the range goes; packets fall through to the routes before and after
    _clear       S1: barrier, flag off
    _forget      S0: the saved list is done with
    _restore     S0: cloud-controller-manager comes back as it was

What cannot be taken back is told by `irreversible` before anything is done.
"""

from __future__ import annotations

from dualstack.plan import gates
from dualstack.plan.decoy_steps import RemoveDecoys
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.transitions import (
    AddAliases,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    RemoveAliases,
    RemoveDrillRoutes,
    RemoveSecondaryRange,
    RestoreController,
    RestoreRoutes,
    SetOverlapFlag,
    StopController,
    Transition,
    alias_obstacles,
    rollback_drill,
)


def next_transition(facts: CutoverFacts, settings: Settings, to: Stage = Stage.ROUTES) -> Transition | None:
    """The next step from `facts` down to the stage `to`, at most S3; None when it is reached."""
    for reached, rule in _DESCENT:
        if reached >= to and (transition := rule(facts, settings)) is not None:
            return transition if isinstance(transition, RestoreController) else _stop(facts) or transition
    return None


def irreversible(facts: CutoverFacts) -> list[str]:
    """What the way back from `facts` leaves, or may be refused, one sentence each."""
    told = []
    if facts.range_present and facts.unrouted:
        told.append(
            f"{len(facts.unrouted)} routes have to be created inside the range, which the cloud may refuse; "
            "a throwaway route shows it before anything else is changed"
        )
    if facts.subnet.stack_type == "IPV4_IPV6":
        told.append(f"subnet {facts.subnet.name} stays dual-stack: VMs may have taken IPv6 addresses in it")
    return told


def _stop(facts: CutoverFacts) -> Transition | None:
    return None if facts.controller.gone else StopController()


def _clean(facts: CutoverFacts, _: Settings) -> Transition | None:
    if facts.drill_routes:
        return RemoveDrillRoutes()
    return RemoveDecoys() if facts.decoys.present else None


def _rescue(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Nothing can be lost here, and every second counts: no barrier, no gate, no drill."""
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
    """A host that learns of the missing alias before it learns of route and flag would drop the packet."""
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


def _clear(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """A host that learns of the flag before it learns that the range is gone would drop what the routes carry."""
    if not facts.subnet.overlap_flag:
        return None
    known = Barrier(what="range-removed", aspects=("range",), seconds=settings.barrier_range)
    return known.if_closed(facts) or ClearOverlapFlag()


def _forget(facts: CutoverFacts, _: Settings) -> Transition | None:
    return ClearSavedRoutes() if facts.saved_routes else None


def _restore(facts: CutoverFacts, _: Settings) -> Transition | None:
    return RestoreController() if facts.controller.ignored and not facts.controller.absent else None


_DESCENT = (
    (Stage.ALIASES, _clean),
    (Stage.ALIASES, _rescue),
    (Stage.ALIASES, _flag),
    (Stage.ALIASES, _routes),
    (Stage.RANGE, _aliases),
    (Stage.FLAG, _range),
    (Stage.ROUTES, _clear),
    (Stage.ROUTES, _forget),
    (Stage.ROUTES, _restore),
)
"""Each rule with the lowest stage that it leads to."""
