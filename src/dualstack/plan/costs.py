"""Estimates what a strategy costs: duration and outage, before the first change."""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddRangeCanary,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    DeleteRoutes,
    RemoveAliases,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    RestoreRoutes,
    SetOverlapFlag,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.steps.headroom import ProveHeadroom
from dualstack.plan.strategies.base import Strategy

REQUESTS_PER_MINUTE = 1500
"""Default rate quota of a project for one group of methods (docs/reference/compute-engine.md#rate-defaults)."""

PROPAGATION = 10.0
"""Seconds until the slowest host applies an alias whose operation is done (docs/reference/cut-over.md#host-views)."""


def describe_outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> str:
    """The expected effect of the cut-over on pods, in one sentence."""
    if strategy.lossless:
        count = len(facts.unreachable)
        repaired = (
            f"; the pods of {count} nodes are unreachable already and recover with their aliases" if count else ""
        )
        return f"No packet is expected to be lost{repaired}."
    seconds = outage(strategy, facts, settings)
    if seconds == 0:
        return "No route is left to delete, so no further node becomes unreachable."
    count = len(facts.live_routes)
    return (
        f"The pods of all {count} nodes become unreachable from other nodes at once; the last recover after about "
        f"{seconds:.0f} s."
    )


def outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> float:
    """Expected seconds from the first deleted route until every host knows the last alias that replaces one."""
    elapsed, start, end = 0.0, None, 0.0
    for transition in strategy.transitions(facts, settings):
        after = transition.effect(facts)
        if start is None and len(after.unreachable) > len(facts.unreachable):
            start = elapsed
        elapsed += duration(transition, facts)
        if start is not None and isinstance(transition, AddAliases):
            end = elapsed
        facts = after
    return 0.0 if start is None else end - start + PROPAGATION


def estimate(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> float:
    """Expected seconds from `facts` to the end of the cut-over."""
    seconds = 0.0
    for transition in strategy.transitions(facts, settings):
        seconds += duration(transition, facts)
        facts = transition.effect(facts)
    return seconds


def duration(transition: Transition, facts: CutoverFacts) -> float:
    """Expected seconds of `transition` from `facts`: median latencies
    (docs/reference/compute-engine.md#operation-latency).

    Concurrent operations take as long as the slowest: one in a hundred takes five times the median. The rate quota
    limits the requests of each minute (docs/reference/compute-engine.md#rate-defaults).
    """
    match transition:
        case Barrier():
            return max(0.0, transition.remaining(facts))
        case StopController():
            return 60.0 if facts.controller.pods else 1.0  # start of a new pod, grace period of the old one
        case (
            SetOverlapFlag()
            | AddSecondaryRange()
            | AddDecoyRange()
            | RemoveSecondaryRange()
            | AddRangeCanary()
            | RemoveRangeCanary()
            | ClearOverlapFlag()
            | SetStackType()
        ):
            seconds = 8.0
        case ProveHeadroom():
            return 45.0  # the operations of a route, of the range and of a few VMs, there and back
        case CreateDecoys() | RemoveDecoys():
            return 60.0  # a VM and a pod on each node start or end
        case AddAliases() | RemoveAliases() | AliasDecoys():
            seconds = 5.0
        case DeleteRoutes() | RestoreRoutes() | DropDecoyRoute():
            seconds = 4.0
        case _:
            return 1.0
    count = len(transition.targets)
    if count > 1:
        seconds *= 1.5 + 6.0 * min(1.0, count / 100)
    return seconds + (60.0 * ((count - 1) // REQUESTS_PER_MINUTE) if count else 0.0)
