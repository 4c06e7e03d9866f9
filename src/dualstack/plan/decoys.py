"""The decoy check: the cloud proves, where nobody uses it, what every node is about to depend on (cutover.md 4.5).

While a node has route and alias, a packet that reaches it proves nothing: the route may have carried it. So one
throwaway VM in the nodes' subnet takes three unused blocks at the end of the pod CIDR, and a pod on each node tries to
reach an address in each of them:

    D1  a static route alone    proves in S2 that a hybrid subnet serves addresses which no resource has
    D2  an alias alone          proves that an alias is a matched resource (K3); its first success is the propagation
    D3  both, then no route     rehearses what is going to happen to every node

No node's alias and no node's route is touched before all three have been reached from every node. A proof that fails
takes everything back to the routes. The steps, in their order:

    CreateDecoys       S1: the VM, the routes of D1 and D3, the probing pods
    GATE_READY         S1: both are reached by plain routing, so that what fails later is not the VM's fault
    GATE_STATIC        S2: D1 is still reached
    AliasDecoys        S2: the VM takes D2 and D3 as aliases
    GATE_ALIAS         S2: D2 is reached
    DropDecoyRoute     S2: the route of D3 goes
    GATE_HANDOVER      S2: D3 was reached all the while
    RemoveDecoys       S4, as soon as the first node's route is gone; on every way back; whenever they are of no use

A process that is killed proves again what it does not remember. Where the range is there already when decoys are to be
made, no route can be made in it (R2): then D2 and D3 are both aliases from the start, which still proves K3.
"""

from __future__ import annotations

from dualstack.plan.blocks import unused_blocks
from dualstack.plan.decoy_steps import BLOCKS, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.facts import CutoverFacts, overlap
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.transition import Barrier, Gate, Transition
from dualstack.plan.unmatched import REASON, UNSERVED

GATE_READY = Gate(what="decoy-ready", aspects=("decoys",))
GATE_STATIC = Gate(what="decoy-static", aspects=("flag", "range"), means=UNSERVED)
GATE_ALIAS = Gate(what="decoy-alias", aspects=("flag", "range"), means=REASON)
GATE_HANDOVER = Gate(what="decoy-handover", aspects=("flag", "range"), means=REASON)
GATES = (GATE_READY, GATE_STATIC, GATE_ALIAS, GATE_HANDOVER)

RETREATS = {gate.id: Stage.ROUTES for gate in GATES}
"""All the way: what the cloud does not do here, it will not do for the nodes either."""


def tidy(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """What is there of decoys goes when it is of no use: not asked for, proven, stopped, or a Node got its block."""
    if not facts.decoys.present:
        return None
    useless = facts.decoys.vm and not facts.decoys.blocks
    return RemoveDecoys() if useless or in_the_way(facts) or not _wanted(facts, settings) else None


def prepare(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """S1: made and reached while the routes alone carry everything."""
    if not _wanted(facts, settings) or GATE_HANDOVER.id in facts.passed:
        return None
    create = CreateDecoys(blocks=facts.decoys.blocks or unused_blocks(facts, BLOCKS))
    if create.precondition(facts) or not create.done(facts):
        return create
    return None if facts.range_present else _unpassed(GATE_READY, facts)


def prove(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """S2, or wherever a restart finds them missing before the first node's route goes."""
    if not _wanted(facts, settings) or GATE_HANDOVER.id in facts.passed:
        return None
    static, _, handed_over = facts.decoys.blocks
    range_known = Barrier(what="range", aspects=("range",), seconds=settings.barrier_range)
    if (waiting := _closed(range_known, facts)) is not None:
        return waiting
    if static in facts.decoys.routes and GATE_STATIC.id not in facts.passed:
        return GATE_STATIC
    if not AliasDecoys().done(facts):
        return AliasDecoys()
    if GATE_ALIAS.id not in facts.passed:
        return GATE_ALIAS
    if handed_over in facts.decoys.routes:
        return DropDecoyRoute()
    dropped = Barrier(what="decoy-route", aspects=("decoys",), seconds=settings.barrier_routes)
    return _closed(dropped, facts) or GATE_HANDOVER


def in_the_way(facts: CutoverFacts) -> bool:
    """A Node has got a pod CIDR in a block of the decoys meanwhile."""
    return any(overlap(block, cidr) for block in facts.decoys.blocks for cidr in facts.pod_cidr_of.values())


def _wanted(facts: CutoverFacts, settings: Settings) -> bool:
    """Asked for, nobody is cut off, and no node depends on its alias alone yet."""
    if not settings.decoys or facts.unreachable or not facts.live_routes:
        return False
    led = {(route.instance, route.destination) for route in facts.live_routes}
    saved = {(entry.instance_name, entry.destination_cidr) for entry in facts.saved_routes}
    return not any((name, cidr) not in led for name, cidr in saved if facts.pod_cidr_of.get(name) == cidr)


def _closed(barrier: Barrier, facts: CutoverFacts) -> Transition | None:
    return barrier if barrier.remaining(facts) > 0 else None


def _unpassed(gate: Gate, facts: CutoverFacts) -> Transition | None:
    return None if gate.id in facts.passed else gate
