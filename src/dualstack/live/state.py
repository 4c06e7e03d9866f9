"""Where the cut-over of a live cluster stands, from the facts that the cut-over observes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.strategies.prepare import prepared

Standing = Literal["routes", "preparing", "prepared", "cutting-over", "finishing", "finished"]
"""routes: nothing was done. finishing: no route is left, but the flag is set."""

MEANING: Mapping[Standing, str] = {
    "routes": "not begun",
    "preparing": "begun, and not every node has its alias",
    "prepared": "every node has its alias, routes are left",
    "cutting-over": "the routes are being deleted",
    "finishing": "no route is left, the overlap flag is set",
    "finished": "every node has its alias, no route is left",
}
"""What each means, as a clause."""

NodePath = Literal["route", "route and alias", "alias", "none", "no pod CIDR"]


class NodeState(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One node: its IPv4 pod CIDR, what leads to it, why it is not healthy, and what it waits for."""

    name: str
    zone: str
    pod_cidr: str
    path: NodePath
    problem: str = ""
    dual_stack: bool = False
    waits_for: str = ""


def standing(facts: CutoverFacts) -> Standing:
    """Where the cut-over stands."""
    stage = stage_of(facts)
    if stage is Stage.DONE:
        return "finishing" if facts.without_alias else "finished"
    if prepared(facts) and (stage is Stage.ALIASES or _joined(facts)):
        return "prepared"
    if stage is Stage.CUT:
        return "cutting-over" if facts.live_routes or facts.without_alias else "finishing"
    return "routes" if stage is Stage.ROUTES and not facts.left_over else "preparing"


def _joined(facts: CutoverFacts) -> bool:
    """Whether nodes have only their alias because the cloud refuses a route to a node that joins, not because routes
    are being deleted."""
    return bool(facts.live_routes) and not facts.saved_routes and not facts.controller.gone


def node_states(facts: CutoverFacts, dual_stack: frozenset[str] = frozenset()) -> tuple[NodeState, ...]:
    """Each machine with its path, by name. dual_stack: the Nodes with a pod CIDR of each family."""
    now = standing(facts)
    return tuple(
        NodeState(
            name=node.name,
            zone=node.zone,
            pod_cidr=facts.pod_cidr_of.get(node.name, ""),
            path=_path(node.name, facts),
            problem=facts.unhealthy.get(node.name, ""),
            dual_stack=node.name in dual_stack,
            waits_for=_waits_for(_path(node.name, facts), now),
        )
        for node in sorted(facts.nodes, key=lambda node: node.name)
    )


def node_paths(facts: CutoverFacts) -> dict[str, NodePath]:
    """What leads to the pods of each machine, by its name."""
    return {node.name: _path(node.name, facts) for node in facts.nodes}


def _waits_for(path: NodePath, now: Standing) -> str:
    match path, now:
        case "no pod CIDR", _:
            return "its pod CIDR, which the cluster assigns when the Node has joined"
        case "none", _:
            return "a route or an alias: its pods are unreachable"
        case "route", "preparing" | "cutting-over":
            return "its alias"
        case "route and alias", "cutting-over":
            return "the deletion of its route"
        case _:
            return ""


def _path(name: str, facts: CutoverFacts) -> NodePath:
    if name not in facts.pod_cidr_of:
        return "no pod CIDR"
    routed, aliased = facts.routed(name), facts.range_present and facts.aliased(name)
    if routed:
        return "route and alias" if aliased else "route"
    return "alias" if aliased else "none"
