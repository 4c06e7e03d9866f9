"""What may happen to a cluster between two steps of its cut-over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dualstack.plan.blocks import parts
from dualstack.plan.facts import AliasFacts, CutoverFacts, NodeFacts
from dualstack.plan.steps.decoys import PARTS
from tests.support.cluster_facts import RANGE, RUNNING, ZONE, cidr, restarted, route

Disturbance = Callable[[CutoverFacts, int], CutoverFacts]


def vm_vanishes(facts: CutoverFacts, number: int) -> CutoverFacts:
    """Its route stays (docs/reference/compute-engine.md#next-hop-gone)."""
    return replace(facts, nodes=tuple(known for known in facts.nodes if known.name != f"node-{number}"))


def vm_is_deleted_while_its_node_stays(facts: CutoverFacts, number: int) -> CutoverFacts:
    nodes = tuple(
        replace(known, instance_exists=False, running=False, aliases=()) if known.name == f"node-{number}" else known
        for known in facts.nodes
    )
    return replace(facts, nodes=nodes)


def vm_stops(facts: CutoverFacts, number: int) -> CutoverFacts:
    nodes = tuple(replace(known, running=False) if known.name == f"node-{number}" else known for known in facts.nodes)
    return replace(facts, nodes=nodes)


def vm_appears_without_pod_cidr(facts: CutoverFacts, number: int) -> CutoverFacts:
    """cloud-controller-manager, which would assign one, is stopped (docs/reference/weaknesses.md#w36)."""
    fresh = NodeFacts(name=f"young-{number}", zone=ZONE, pod_cidr=None)
    return replace(facts, nodes=(*(known for known in facts.nodes if known.name != fresh.name), fresh))


def vm_appears_with_alias(facts: CutoverFacts, number: int) -> CutoverFacts:
    """It was created with a dual-stack machine class; possible once the range is there."""
    if not facts.range_present:
        return facts
    own = cidr(100 + number)
    fresh = NodeFacts(name=f"new-{number}", zone=ZONE, pod_cidr=own, aliases=(AliasFacts(own, RANGE),))
    return replace(facts, nodes=(*(known for known in facts.nodes if known.name != fresh.name), fresh)).with_changed(
        "aliases"
    )


def controller_comes_back(facts: CutoverFacts, number: int) -> CutoverFacts:
    """It runs again and re-creates the route of a node (docs/reference/cut-over.md#e15)."""
    facts = replace(facts, controller=RUNNING)
    if f"node-{number}" not in facts.node_of or route(number) in facts.routes:
        return facts.with_changed("controller")
    return replace(facts, routes=(*facts.routes, route(number))).with_changed("controller", "routes")


def alias_is_lost(facts: CutoverFacts, number: int) -> CutoverFacts:
    """A command of gcloud cleared it (docs/reference/cut-over.md#gcloud-clears-aliases)."""
    nodes = tuple(replace(known, aliases=()) if known.name == f"node-{number}" else known for known in facts.nodes)
    return replace(facts, nodes=nodes).with_changed("aliases")


def route_is_lost(facts: CutoverFacts, number: int) -> CutoverFacts:
    return replace(facts, routes=tuple(known for known in facts.routes if known != route(number))).with_changed(
        "routes"
    )


def flag_is_cleared(facts: CutoverFacts, _: int) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).with_changed("flag")


def decoy_vanishes(facts: CutoverFacts, _: int) -> CutoverFacts:
    """Its routes and the probe pods stay."""
    gone = replace(facts.decoys, vm=False, home="", aliases=frozenset())
    return replace(facts, decoys=gone).with_changed("decoys") if facts.decoys.vm else facts


def decoy_stops(facts: CutoverFacts, _: int) -> CutoverFacts:
    return replace(facts, decoys=replace(facts.decoys, home="")).with_changed("decoys") if facts.decoys.vm else facts


def node_gets_a_block_of_the_decoys(facts: CutoverFacts, number: int) -> CutoverFacts:
    """A VM that appears while cloud-controller-manager runs again."""
    if not facts.decoys.home or any(known.name == "late" for known in facts.nodes):
        return facts
    block = parts(facts.decoys.home, PARTS)[number % PARTS]
    return replace(facts, nodes=(*facts.nodes, NodeFacts(name="late", zone=ZONE, pod_cidr=block)))


def killed(facts: CutoverFacts, _: int) -> CutoverFacts:
    return restarted(facts)


DISTURBANCES: tuple[Disturbance, ...] = (
    vm_vanishes,
    vm_is_deleted_while_its_node_stays,
    vm_stops,
    vm_appears_without_pod_cidr,
    vm_appears_with_alias,
    controller_comes_back,
    alias_is_lost,
    route_is_lost,
    flag_is_cleared,
    decoy_vanishes,
    decoy_stops,
    node_gets_a_block_of_the_decoys,
    killed,
)
