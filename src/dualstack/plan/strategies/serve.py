"""Serve every node again, by whichever way still works, after a step of an order with an outage failed for good.

A failed step is in `refused` and is not tried again in that state. While nodes are unreachable, nothing is awaited. The
first rule that yields is the next step:

    aliases   add the missing ones
    routes    without a range: create the missing ones
    flag      under a range: set the flag, so that routes inside it serve; then create them, if the cloud accepts that
              (docs/reference/cut-over.md#k1)
    range     remove it, and before it the aliases that keep it; then create every route. Nodes that an alias serves
              lose it for that time: only in an order that has made every node unreachable anyway (`sacrifice`)

When every node is served, an order with an outage continues to routes without loss (`dualstack.plan.strategies.back`).
"""

from __future__ import annotations

from functools import partial

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import SAVED_UNTIL_DELIVERED
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    RemoveAliases,
    RemoveSecondaryRange,
    RestoreRoutes,
    SetOverlapFlag,
    Transition,
    alias_obstacles,
)
from dualstack.plan.strategies import back
from dualstack.plan.strategies.base import Strategy


def next_transition(
    facts: CutoverFacts, settings: Settings, *, refused: frozenset[str], sacrifice: bool
) -> Transition | None:
    """The next step from `facts`; None when nothing is left that has not been refused."""
    if not facts.unreachable:
        if not sacrifice:
            return None
        step = back.next_transition(facts, settings)
        return None if step is None or refusal(step.id, facts) in refused else step
    for step in _ways(facts, sacrifice=sacrifice):
        if refusal(step.id, facts) not in refused:
            return step
    return None


def refusal(step: str, facts: CutoverFacts) -> str:
    """What is remembered of a failed step: a route that is refused under the range may be accepted without it."""
    return f"{step} under the range" if facts.range_present else step


def _ways(facts: CutoverFacts, *, sacrifice: bool) -> list[Transition]:
    """From the quickest to the one that costs most."""
    dark = facts.unreachable
    if not facts.range_present:
        return [RestoreRoutes(dark)]
    ways: list[Transition] = []
    if ready := tuple(name for name in dark if not alias_obstacles(facts, name)):
        ways.append(AddAliases(ready))
    if facts.all_holders and facts.subnet.flag_visible:
        ways.append(RestoreRoutes(dark) if facts.subnet.overlap_flag else SetOverlapFlag())
    if not facts.all_holders:
        ways.append(RemoveSecondaryRange())
    elif sacrifice:
        ways.append(RemoveAliases(facts.all_holders, without_traffic=True))
    return ways


def serve(refused: frozenset[str], *, sacrifice: bool) -> Strategy:
    """Without the steps `refused` (`refusal`)."""
    planner = partial(next_transition, refused=refused, sacrifice=sacrifice)
    return Strategy("serve", planner, (SAVED_UNTIL_DELIVERED,))
