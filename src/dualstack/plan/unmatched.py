"""The way back where the cloud does not do what the order without loss rests on.

Either aliases carry nothing, because they are no matched resources (cutover.md K3). It shows when the canary has lost
its route: every other VM lives on its route, but that of the canary cannot come back while the range is there, unless
the cloud takes it (K1). Or routes carry nothing under the range (R6). It shows at once, and at every node.

In both cases the range has to go, and before it the aliases, which nobody misses. No gate could pass meanwhile. The
first rule that yields is what happens next:

    _stop        nobody interferes
    _aliases     those of VMs that have a route, once every host knows the flag; then those of the dark ones
    _range       with it goes what kept the routes from coming back

and then as `back`: the missing routes at once, the flag, the saved list, cloud-controller-manager.
"""

from __future__ import annotations

from dualstack.plan import back
from dualstack.plan.decoy_steps import RemoveDecoys
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.transitions import Barrier, RemoveAliases, RemoveSecondaryRange, StopController, Transition


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts` down to the routes; None when they are all that is left."""
    if not facts.range_present:
        return back.next_transition(facts, settings)
    if not facts.controller.gone:
        return StopController()
    if facts.decoys.present:
        return RemoveDecoys()
    return _aliases(facts, settings) or RemoveSecondaryRange()


def _aliases(facts: CutoverFacts, settings: Settings) -> Transition | None:
    bare = set(facts.unrouted)
    routed = tuple(name for name in facts.all_holders if name not in bare)
    if not routed:
        return RemoveAliases(facts.all_holders, dark=True) if facts.all_holders else None
    known = Barrier(what="flag", aspects=("flag",), seconds=settings.barrier_flag)
    return known.if_closed(facts) or RemoveAliases(routed)
