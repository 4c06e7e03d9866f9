"""What a strategy is going to do from given facts: every step with its calls, duration and risk. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dualstack.plan.costs import duration
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddRangeCanary,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    DeleteRoutes,
    Gate,
    SetOverlapFlag,
    Transition,
)
from dualstack.plan.strategies.base import Strategy

RISKS: Mapping[type[Transition], str] = {
    SetOverlapFlag: "an organization policy may refuse it; nothing has changed then",
    AddRangeCanary: "if routes do not serve addresses inside a range, the pods of one node are unreachable for about a "
    "minute, until the range is removed",
    AddSecondaryRange: "if routes do not serve addresses inside a range, no pod of a node is reachable until it is "
    "removed; the range canary or the decoy check excludes that before",
    AddAliases: "if the guest agent of a node takes the addresses, its pods are unreachable until the alias is "
    "removed; the first one is a single node",
    DeleteRoutes: "if an alias is not matched, the pods of its node are unreachable until the route is restored; the "
    "first one is a single node",
    ClearOverlapFlag: "refused by the cloud while a route lies inside the range; nothing has changed then",
}
"""What can go wrong in a step although every check before it has passed."""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One step. targets: number of VMs or routes. calls: changing Compute calls by method; reads are not counted.

    waits: what a step that changes nothing waits for or checks. unreachable: nodes without a path afterwards.
    """

    id: str
    seconds: float
    targets: int = 0
    detail: str = ""
    calls: dict[str, int] = {}
    waits: str = ""
    risk: str = ""
    unreachable: int = 0


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """All steps, the facts after them, and why the last one cannot be performed, if it cannot."""

    steps: tuple[PlannedStep, ...]
    after: CutoverFacts
    obstacles: tuple[str, ...] = ()


def forecast(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> Forecast:
    """What `strategy` does from `facts`."""
    steps = []
    obstacles: list[str] = []
    for transition in strategy.transitions(facts, settings):
        obstacles = transition.precondition(facts)
        after = facts if obstacles else transition.effect(facts)
        steps.append(_planned(transition, facts, after))
        facts = after
    return Forecast(steps=tuple(steps), after=facts, obstacles=tuple(obstacles))


def calls(transition: Transition) -> dict[str, int]:
    """The changing Compute calls of the step by method, when none has to be repeated."""
    return {transition.method: max(1, len(transition.targets))} if transition.method else {}


def _planned(transition: Transition, facts: CutoverFacts, after: CutoverFacts) -> PlannedStep:
    waits = ""
    if isinstance(transition, Barrier):
        waits = transition.describe()
    elif isinstance(transition, Gate):
        waits = "checks all nodes"
    return PlannedStep(
        id=transition.id,
        seconds=round(duration(transition, facts), 1),
        targets=len(transition.targets),
        detail="" if waits else transition.describe(),
        calls=calls(transition),
        waits=waits,
        risk=RISKS.get(type(transition), ""),
        unreachable=len(after.unreachable),
    )
