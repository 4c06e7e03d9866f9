"""The way back where aliases carry nothing: the cloud does not count them as matched resources (cutover.md K3).

It shows when the canary has lost its route. Every other VM lives on its route, which serves what no resource has; the
canary is dark, and its route cannot come back while the range is there, unless the cloud takes it (K1). So the range
goes, and before it the aliases, which nobody misses. The first rule that yields is what happens next:

    _stop        nobody interferes
    _aliases     those of VMs that have a route, once every host knows route and flag; then those of the dark ones
    _range       with it goes what kept the routes from coming back

and then as `back`: the missing routes at once, the flag, the saved list, cloud-controller-manager.
"""

from __future__ import annotations

from dualstack.plan import back
from dualstack.plan.decoy_steps import RemoveDecoys
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.transitions import Barrier, RemoveAliases, RemoveSecondaryRange, StopController, Transition

REASON = (
    "an alias without a route does not carry its traffic: this cloud does not count an alias IP range as a matched "
    "resource of a subnet with allowSubnetCidrRoutesOverlap (cutover.md K3)"
)


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts` down to the routes; None when they are all that is left."""
    if not (facts.range_present and facts.unrouted):
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
    seconds = max(settings.barrier_flag, settings.barrier_routes)
    known = Barrier(what="restored-routes", aspects=("routes", "flag"), seconds=seconds)
    return known if known.remaining(facts) > 0 else RemoveAliases(routed)
