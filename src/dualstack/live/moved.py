"""The facts that a plan depends on, and what has changed of them since. Pure.

What the plan itself changes does not count, so that an interrupted command goes on with the same plan: the flag, the
ranges and aliases of the cut-over, and routes that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from dualstack.cutover.decoys import RANGE as DECOY_RANGE
from dualstack.plan.facts import CutoverFacts, NodeFacts
from dualstack.plan.steps.headroom import HEADROOM_RANGE
from dualstack.plan.steps.subnet import RANGE_CANARY

MOST = 5
"""How many differences of one kind are named."""


class PlannedNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A node. aliases: alias ranges of others, as `<range>=<CIDR>`."""

    name: str
    zone: str
    pod_cidr: str
    aliases: tuple[str, ...] = ()


class PlannedFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a plan was made from. routes, ranges: destination and CIDR by name; routes of others apart."""

    project: str
    subnet: str
    region: str
    stack_type: str
    pods: str
    nodes: tuple[PlannedNode, ...]
    routes: dict[str, str]
    foreign_routes: dict[str, str] = {}
    ranges: dict[str, str] = {}

    @classmethod
    def of(cls, project: str, facts: CutoverFacts) -> PlannedFacts:
        """Those of `facts` on which a plan depends."""
        return cls(
            project=project,
            subnet=facts.subnet.name,
            region=facts.subnet.region,
            stack_type=facts.subnet.stack_type,
            pods=facts.pods_cidr,
            nodes=tuple(_node(node, facts) for node in sorted(facts.nodes, key=lambda node: node.name)),
            routes={route.name: route.destination for route in facts.routes},
            foreign_routes={route.name: route.destination for route in facts.foreign_routes},
            ranges={name: cidr for name, cidr in facts.subnet.secondary_ranges if name not in _own(facts)},
        )


def moved(planned: PlannedFacts, now: PlannedFacts) -> list[str]:
    """What differs, one clause each; empty when the plan still holds."""
    return [
        *(
            f"{name} was {before} and is {after}"
            for name, before, after in (
                ("the project", planned.project, now.project),
                ("the nodes subnet", planned.subnet, now.subnet),
                ("the region", planned.region, now.region),
                ("the stack type of the nodes subnet", planned.stack_type, now.stack_type),
                ("the pod range", planned.pods, now.pods),
            )
            if before != after
        ),
        *_first(_nodes(planned, now), "nodes"),
        *_first(_entries("route", planned.routes, now.routes, may_go=True), "routes"),
        *_first(_entries("route of another owner", planned.foreign_routes, now.foreign_routes), "routes of others"),
        *_first(_entries("secondary range", planned.ranges, now.ranges), "secondary ranges"),
    ]


def _nodes(planned: PlannedFacts, now: PlannedFacts) -> Iterator[str]:
    before, after = ({node.name: node for node in each.nodes} for each in (planned, now))
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"node {name} is new"
        elif name not in after:
            yield f"node {name} is gone"
        else:
            for what, old, new in (
                ("zone", before[name].zone, after[name].zone),
                ("pod CIDR", before[name].pod_cidr, after[name].pod_cidr),
                ("other alias ranges", ", ".join(before[name].aliases), ", ".join(after[name].aliases)),
            ):
                if old != new:
                    yield f"the {what} of node {name} was {old or 'none'} and is {new or 'none'}"


def _entries(what: str, before: Mapping[str, str], after: Mapping[str, str], *, may_go: bool = False) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"{what} {name} ({after[name]}) is new"
        elif name not in after:
            if not may_go:
                yield f"{what} {name} ({before[name]}) is gone"
        elif before[name] != after[name]:
            yield f"{what} {name} was {before[name]} and is {after[name]}"


def _first(found: Iterator[str], what: str) -> list[str]:
    clauses = list(found)
    left = len(clauses) - MOST
    return [*clauses[:MOST], *([f"{left} more differences of {what}"] if left > 0 else [])]


def _own(facts: CutoverFacts) -> tuple[str, ...]:
    return (facts.range_name, RANGE_CANARY, HEADROOM_RANGE, DECOY_RANGE)


def _node(node: NodeFacts, facts: CutoverFacts) -> PlannedNode:
    own = _own(facts)
    others = tuple(f"{alias.range_name}={alias.cidr}" for alias in node.aliases if alias.range_name not in own)
    return PlannedNode(name=node.name, zone=node.zone, pod_cidr=facts.pod_cidr_of.get(node.name, ""), aliases=others)
