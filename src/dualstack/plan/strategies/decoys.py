"""The decoy check: prove on a temporary VM what every node is about to depend on (docs/reference/cut-over.md#decoys).

While a node has both route and alias, a packet that reaches it proves nothing: the route may have carried it. Once the
range covers the nodes' routes, it is too late to find out whether these still carry traffic. So both are tested before,
in the quarters of an unused block at the end of the pod CIDR, on a temporary VM in the nodes subnet. It becomes
a secondary range of its own, without any node's block, and a pod on each node probes an address in each quarter:

    D1  a static route alone    proves that a hybrid subnet serves addresses that no resource holds
                                (docs/reference/cut-over.md#r6)
    D2  an alias alone          proves that an alias is a matched resource (docs/reference/cut-over.md#k3); measures
                                propagation
    D3  both, then no route     rehearses what happens to every node

The check runs while every node still depends on its route alone. When it fails, everything returns to routes. Its
steps, in order:

    CreateDecoys       the VM, the routes to D1 and D3, the probe pods
    DECOY_READY        both are reached by plain routing, so a later failure is not the VM's fault
    AddDecoyRange      once every host knows the flag
    DECOY_STATIC       D1 is still reached
    AliasDecoys        the VM gets D2 and D3 as aliases
    DECOY_ALIAS        D2 is reached
    DropDecoyRoute     the route to D3 is deleted
    DECOY_HANDOVER     D3 was reached throughout
    RemoveDecoys       before the pod CIDR becomes the range, on every way back, and when they are not needed

A node that joins meanwhile gets its route first, and the check goes on.

A present pod range shows that the check passed before; a process killed earlier repeats it.
"""

from __future__ import annotations

from dualstack.model.cidr import overlap
from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps.base import Barrier, Transition
from dualstack.plan.steps.decoys import (
    AddDecoyRange,
    AliasDecoys,
    CreateDecoys,
    DropDecoyRoute,
    RemoveDecoys,
    decoy_blocks,
    unused_home,
)

RETREATS = {gate.id: Stage.ROUTES for gate in gates.DECOYS}
"""Back to routes: what the cloud does not do for the decoys, it does not do for the nodes."""


def make_way(facts: CutoverFacts, _: Settings) -> Transition | None:
    """Remove decoys whose blocks a Node has got as its pod CIDR in the meantime: they keep its route from working."""
    home = facts.decoys.home or facts.decoys.range
    in_use = home and any(overlap(home, cidr) for cidr in facts.pod_cidr_of.values())
    return RemoveDecoys() if in_use else None


def remove_unneeded(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Remove decoys that are not needed: not requested, proven, stopped, half removed, or while a node stays without
    its route."""
    if not facts.decoys.present:
        return None
    useless = facts.decoys.vm and not facts.decoys.home
    if facts.decoys.range and facts.decoys.home:
        # Killed during their removal: without its route, D1 would fail although the cloud serves such routes.
        useless = decoy_blocks(facts.decoys.home)[0] not in facts.decoys.routes
    return RemoveDecoys() if useless or not _wanted(facts, settings) else None


def prove(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step of the check; None when it is over or not requested."""
    if not _wanted(facts, settings):
        return None
    create = CreateDecoys(home=facts.decoys.home or unused_home(facts) or "")
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


def _wanted(facts: CutoverFacts, settings: Settings) -> bool:
    """Requested, not proven yet, and every node is reachable by its route alone."""
    if not settings.decoys or gates.DECOY_HANDOVER.id in facts.passed or facts.range_present:
        return False
    return bool(facts.live_routes) and not facts.unreachable
