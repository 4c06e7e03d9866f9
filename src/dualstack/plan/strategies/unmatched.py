"""The way back where the cloud does not do what `overlap` depends on.

Either aliases carry nothing, because the cloud does not count them as matched resources
(docs/reference/cut-over.md#k3). That shows when the canary has lost its route: every other VM still has its route, but
the canary's cannot be created again while the range exists, unless the cloud accepts it
(docs/reference/cut-over.md#k1). Or routes carry nothing under the range (docs/reference/cut-over.md#r6). That shows at
once, at every node.

In both cases the range must be removed, and before it the aliases, which carry nothing. No gate could pass in this
state. The first rule that yields is the next step:

    stop cloud-controller-manager, remove decoys
    remove the aliases of all VMs at once: those with a route are served by it, those without lose nothing
    remove the range, which kept the routes from being created again

Then as in `back`: the missing routes at once, the flag, the saved list, cloud-controller-manager.
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import ALIASES_CARRY_NOTHING
from dualstack.plan.settings import Settings
from dualstack.plan.steps import RemoveAliases, RemoveSecondaryRange, StopController, Transition
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.strategies import back
from dualstack.plan.strategies.base import Strategy


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts` back to routes; None when only routes are left."""
    if not facts.range_present:
        return back.next_transition(facts, settings)
    if not facts.controller.gone:
        return StopController()
    if facts.decoys.present:
        return RemoveDecoys()
    if facts.all_holders:
        return RemoveAliases(facts.all_holders, without_traffic=True)
    return RemoveSecondaryRange()


UNMATCHED = Strategy("unmatched", next_transition, ALIASES_CARRY_NOTHING, lossless=True)
"""Back to routes where aliases carry nothing."""
