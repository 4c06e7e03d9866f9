"""Serve every node again, by whichever way still works.

For an order of which a step failed for good, and for a node on trial that has shown that this cloud does not do what
`overlap` depends on. While nodes are unreachable, nothing is awaited or checked, and nothing depends on what was shown
not to work (`CutoverFacts.disproved`). A refused step (`CutoverFacts.refused`) is not tried again until every other way
was refused too; a route that is refused under the range, not before the range is gone. The first rule that yields is
the next step:

    routes    without a range: create the missing ones; remove a range canary that cuts off its node
    aliases   add the missing ones
    flag      under a range: set the flag, so that routes inside it serve; then create them, if the cloud accepts that
              (docs/reference/cut-over.md#k1)
    range     remove it, and before it the aliases that keep it; then create every route

An order with an outage (`sacrifice`) has tried none of the facts on which the flag depends, and under the flag every
node with an alias alone would depend on one of them at once (docs/reference/cut-over.md#rests-on-alias). It removes the
range instead, for which nodes that an alias serves lose it once more, as long as a node is unreachable that had a
route. An order without loss has tried the facts and keeps the aliases.

Where aliases carry nothing, their removal costs nothing, so `range` comes first and `aliases` never. Where routes carry
nothing under the range, `range` is the only way. In both cases no barrier and no gate comes before it: none could pass.

When every node is served after a trial, the cluster returns to routes without loss (`dualstack.plan.strategies.back`).
"""

from __future__ import annotations

from functools import partial

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import SAVED_UNTIL_DELIVERED
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    RemoveAliases,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    RestoreRoutes,
    SetOverlapFlag,
    Transition,
    alias_obstacles,
)
from dualstack.plan.strategies import back
from dualstack.plan.strategies.base import Strategy

UNDER_THE_RANGE = " under the range"


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """After a trial: the next step down to routes; None when nothing is left that has not been refused."""
    must_leave = facts.disproved and facts.range_present and facts.subnet.overlap_flag
    if facts.unreachable:
        return _next_way(facts, settings, sacrifice=False)
    return _leave(facts) if must_leave else back.next_transition(facts, settings)


def _next_way(facts: CutoverFacts, _: Settings, *, sacrifice: bool) -> Transition | None:
    """The next step while nodes are unreachable; None when they are served, or every way was refused."""
    if not facts.unreachable:
        return None
    ways = _ways(facts, sacrifice=sacrifice)
    return next((step for step in ways if refusal(step.id, facts) not in facts.refused), None)


def _ways(facts: CutoverFacts, *, sacrifice: bool) -> list[Transition]:
    return _ways_under_the_range(facts, sacrifice=sacrifice) if facts.range_present else _ways_without_range(facts)


def refusal(step: str, facts: CutoverFacts) -> str:
    """What is remembered of a refused step: a route that is refused under the range may be accepted without it."""
    return f"{step}{UNDER_THE_RANGE}" if facts.range_present else step


def may_pass_later(refused: str) -> bool:
    """Whether a refused step may be accepted in an unchanged state: a route under the range is refused because of it
    (docs/reference/cut-over.md#k1)."""
    return refused != f"{RestoreRoutes.id}{UNDER_THE_RANGE}"


def without_range(facts: CutoverFacts) -> Transition | None:
    """While there is no range: the missing routes of unreachable nodes, unless they were refused."""
    missing = _without_route(facts)
    step = RestoreRoutes(missing, optional=True)
    return step if missing and refusal(step.id, facts) not in facts.refused else None


def _ways_without_range(facts: CutoverFacts) -> list[Transition]:
    ways: list[Transition] = [RestoreRoutes(missing)] if (missing := _without_route(facts)) else []
    return [*ways, RemoveRangeCanary()] if facts.range_canary else ways


def _ways_under_the_range(facts: CutoverFacts, *, sacrifice: bool) -> list[Transition]:
    """From the quickest to the one that costs most."""
    missing = _without_route(facts)
    ready = tuple(name for name in facts.unreachable if not alias_obstacles(facts, name))
    alias: list[Transition] = [AddAliases(ready)] if ready else []
    leave = _leave(facts)
    route: list[Transition] = [RestoreRoutes(missing)] if missing else []
    if facts.aliases_carry_nothing:
        return [leave, *route]
    if facts.disproved == "routes-not-served":
        return [leave]
    if sacrifice or not facts.subnet.flag_visible or not facts.all_holders:
        route = []
    elif not facts.subnet.overlap_flag:
        route = [SetOverlapFlag()]
    return [*alias, *route, *([leave] if (sacrifice and facts.lost) or not facts.all_holders else ())]


def _leave(facts: CutoverFacts) -> Transition:
    """Remove the range, and before it the aliases that keep it."""
    return RemoveAliases(facts.all_holders, without_traffic=True) if facts.all_holders else RemoveSecondaryRange()


def _without_route(facts: CutoverFacts) -> tuple[str, ...]:
    return tuple(name for name in facts.unreachable if not facts.routed(name))


def serve(*, sacrifice: bool) -> Strategy:
    """After a step of a forward order failed for good. It ends as soon as every node is served."""
    planner = partial(_next_way, sacrifice=sacrifice)
    return Strategy("serve", planner, (SAVED_UNTIL_DELIVERED,), rescues=True)
