"""The decoy check: the cloud proves, where nobody uses it, what every node is about to depend on (cutover.md 4.5).

While a node has route and alias, a packet that reaches it proves nothing: the route may have carried it. And once the
range lies over the nodes' routes, it is too late to ask whether these still carry anything. So both are asked before,
in four unused blocks at the end of the pod CIDR, which one throwaway VM in the nodes' subnet owns. They become a range
of the subnet on their own, without any block of a node, and a pod on each node tries to reach an address in each:

    D1  a static route alone    proves that a hybrid subnet serves addresses which no resource has (R6)
    D2  an alias alone          proves that an alias is a matched resource (K3); its first success is the propagation
    D3  both, then no route     rehearses what is going to happen to every node

All of it happens in S1. A proof that fails takes everything back to the routes; no node has depended on anything new by
then. The steps, in their order:

    CreateDecoys       the VM, the routes of D1 and D3, the probing pods
    GATE_READY         both are reached by plain routing, so that what fails later is not the VM's fault
    AddDecoyRange      once every host knows the flag
    GATE_STATIC        D1 is still reached
    AliasDecoys        the VM takes D2 and D3 as aliases
    GATE_ALIAS         D2 is reached
    DropDecoyRoute     the route of D3 goes
    GATE_HANDOVER      D3 was reached all the while
    RemoveDecoys       before the pod CIDR becomes the range; on every way back; whenever they are of no use

That the range is there says that all was proven before it was added; a process that is killed before proves it again.
"""

from __future__ import annotations

from dualstack.plan import gates
from dualstack.plan.blocks import unused_block
from dualstack.plan.decoy_steps import (
    PARTS,
    AddDecoyRange,
    AliasDecoys,
    CreateDecoys,
    DropDecoyRoute,
    RemoveDecoys,
    decoy_blocks,
)
from dualstack.plan.facts import CutoverFacts, overlap
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.transition import Barrier, Transition

RETREATS = {gate.id: Stage.ROUTES for gate in gates.DECOYS}
"""All the way: what the cloud does not do here, it will not do for the nodes either."""


def tidy(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """What is there of decoys goes when it is of no use: unwanted, proven, stopped, half removed, or in the way."""
    if not facts.decoys.present:
        return None
    useless = facts.decoys.vm and not facts.decoys.home
    if facts.decoys.range and facts.decoys.home:
        # Killed while they were being removed: without its route the first block would show what is not so (R6).
        useless = decoy_blocks(facts.decoys.home)[0] not in facts.decoys.routes
    return RemoveDecoys() if useless or in_the_way(facts) or not _wanted(facts, settings) else None


def prove(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """S1: what remains of the check; None when it is over."""
    if not _wanted(facts, settings):
        return None
    create = CreateDecoys(home=facts.decoys.home or unused_block(facts, holding=PARTS) or "")
    if create.precondition(facts) or not create.done(facts):
        return create
    return _add_range(facts, settings) or _hand_over(facts, settings)


def _add_range(facts: CutoverFacts, settings: Settings) -> Transition | None:
    flag_known = Barrier(what="flag", aspects=("flag",), seconds=settings.barrier_flag)
    range_known = Barrier(what="decoy-range", aspects=("decoys",), seconds=settings.barrier_range)
    if not facts.decoys.range:
        return gates.DECOY_READY.if_unpassed(facts) or flag_known.if_closed(facts) or AddDecoyRange()
    if gates.DECOY_STATIC.id in facts.passed:
        return None
    return range_known.if_closed(facts) or gates.DECOY_STATIC


def _hand_over(facts: CutoverFacts, settings: Settings) -> Transition | None:
    if not AliasDecoys().done(facts):
        return AliasDecoys()
    if (gate := gates.DECOY_ALIAS.if_unpassed(facts)) is not None:
        return gate
    if decoy_blocks(facts.decoys.home)[2] in facts.decoys.routes:
        return DropDecoyRoute()
    dropped = Barrier(what="decoy-route", aspects=("decoys",), seconds=settings.barrier_routes)
    return dropped.if_closed(facts) or gates.DECOY_HANDOVER


def in_the_way(facts: CutoverFacts) -> bool:
    """A Node has got a pod CIDR in the decoys' home meanwhile."""
    home = facts.decoys.home or facts.decoys.range
    return bool(home) and any(overlap(home, cidr) for cidr in facts.pod_cidr_of.values())


def _wanted(facts: CutoverFacts, settings: Settings) -> bool:
    """Asked for, not proven yet, nobody is cut off, and every node still depends on its route alone."""
    if not settings.decoys or gates.DECOY_HANDOVER.id in facts.passed or facts.range_present:
        return False
    return bool(facts.live_routes) and not facts.unreachable
