"""All gates of the cut-over, and what each checks.

Every gate checks the same, whatever the stage: a gate stands before a step that may be irreversible, so it requires
everything that can be read. It passes when

- no foreign route has its destination in the pod CIDR,
- every route of the cluster is saved, else another program has created it (`needs_saved`),
- cloud-controller-manager is stopped; neither of the two where it is kept (`ControllerFacts.kept`),
- no node has joined or left a moment ago (`needs_settled`),
- the pod range is there (`needs_range`),
- every pod CIDR is reachable by route or by alias,
- every alias in the range is its VM's pod CIDR and the first in the list (`needs_aliases`),
- every running VM has a Node that identifies it,
- every Node with a running VM is Ready, and none reports a network problem, except a node without a route whose alias
  serves it while cloud-controller-manager is kept.

The gates of the decoy check pass when the probes from every node arrive (`dualstack.cutover.decoys`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.plan.facts import NO_NETWORK, SETTLED, CutoverFacts, Limitation
from dualstack.plan.steps.base import Gate

ROUTES_NOT_SERVED = (
    "static routes do not carry traffic to unassigned addresses of a subnet with allowSubnetCidrRoutesOverlap "
    "(docs/reference/cut-over.md#r6)"
)
ALIASES_NOT_MATCHED = (
    "an alias range without a route carries no traffic: this cloud does not count an alias IP range as a matched "
    "resource of a subnet with allowSubnetCidrRoutesOverlap (docs/reference/cut-over.md#k3)"
)
"""What a failing gate shows that the cloud does not do, as clauses for messages."""

CLAUSES: Mapping[Limitation, str] = {
    "routes-not-served": ROUTES_NOT_SERVED,
    "aliases-not-matched": ALIASES_NOT_MATCHED,
}

READY = Gate(what="ready", aspects=("controller", "routes", "aliases"), needs_range=False)
"""`compressed`: before the first route is deleted."""

FLAG = Gate(what="flag", aspects=("flag",), needs_range=False, needs_aliases=False, needs_settled=True)
"""Every node is healthy before one of them goes on trial, so that what it reports then is due to the trial."""
RANGE_CANARY = Gate(what="range-canary", aspects=("flag",), needs_range=False, needs_aliases=False)
"""The route of the first VM serves its block although the block is a range; before the pod CIDR becomes one."""
RANGE = Gate(what="range", aspects=("range",), needs_aliases=False)
"""The range is there and every node is still served by its route."""
ALIAS_CANARY = Gate(what="alias-canary", aspects=("range",), needs_aliases=False)
"""The first VM holds its alias. Aliases in the wrong place are corrected by the step that follows."""
ALIASES = Gate(what="aliases", aspects=("aliases",), needs_settled=True)
"""Every VM holds its alias; before the first route is deleted."""
ROUTE_CANARY = Gate(what="route-canary", aspects=("routes",))
"""The first VM is reachable by its alias only."""
ROUTES = Gate(what="routes", aspects=("routes",))
"""Between the later batches of deleted routes."""

ALONE = Gate(what="aliases-alone", aspects=("aliases", "routes"), needs_saved=False)
"""`finish`: no route is left, whichever program deleted them; before the flag is cleared."""

ROLLBACK_DRILL = Gate(what="rollback-drill", aspects=("flag", "range"), needs_saved=False)
"""Before a temporary route shows whether the cloud accepts routes inside the range."""
RESTORED_ROUTES = Gate(what="restored-routes", aspects=("routes", "flag"), needs_saved=False)
"""Way back: every VM has its route again; before the first alias is removed."""
UNALIAS_CANARY = Gate(what="unalias-canary", aspects=("routes", "flag"), needs_saved=False)
"""Way back: the first VM is reachable by its route only."""

DECOY_READY = Gate(what="decoy-ready", aspects=("decoys",))
DECOY_STATIC = Gate(what="decoy-static", aspects=("flag",), failure_implies=ROUTES_NOT_SERVED)
DECOY_ALIAS = Gate(what="decoy-alias", aspects=("flag",), failure_implies=ALIASES_NOT_MATCHED)
DECOY_HANDOVER = Gate(what="decoy-handover", aspects=("flag",), failure_implies=ALIASES_NOT_MATCHED)
DECOYS = (DECOY_READY, DECOY_STATIC, DECOY_ALIAS, DECOY_HANDOVER)


def problems(gate: Gate, facts: CutoverFacts) -> list[str]:
    """Why `gate` does not pass with these facts, one sentence each; empty when it passes. Not for decoy gates."""
    found = [f"route {route.name} ({route.destination}) appeared in the pod CIDR" for route in facts.foreign_routes]
    if gate.needs_saved and not facts.controller.kept:
        found += [f"route {route.instance_name} ({route.destination_cidr}) appeared" for route in facts.unsaved]
    if not (facts.controller.gone or facts.controller.kept):
        found.append("cloud-controller-manager is running again")
    if gate.needs_settled and facts.since_joined < SETTLED:
        found.append(f"a node joined or left less than {SETTLED:.0f} s ago")
    if gate.needs_range and not facts.range_present:
        found.append(f"subnet {facts.subnet.name} no longer has range {facts.range_name}")
    found += [f"the pod CIDR of VM {name} has no route or alias" for name in facts.unreachable]
    if gate.needs_aliases:
        found += [
            f"the alias of VM {name} is not its Node's pod CIDR, or is not the first in the list"
            for name in facts.pod_cidr_of
            if facts.node_of[name].has_alias_in(facts.range_name) and not facts.alias_in_place(name)
        ]
    found += [f"{what} {why}" for what, why in sorted(facts.unidentified.items())]
    running = {node.name for node in facts.nodes if node.running and node.pod_cidr}
    found += [
        f"node {name} {problem}"
        for name, problem in sorted(facts.unhealthy.items())
        if name in running and not (problem == NO_NETWORK and _by_alias_alone(name, facts))
    ]
    if limitation := cloud_limitation(facts):
        found.append(CLAUSES[limitation])
    return found


def cloud_limitation(facts: CutoverFacts) -> Limitation:
    """What the cloud does not do, as the Nodes' conditions show it; empty while nothing indicates that."""
    if facts.unserved or facts.canary_unserved:
        return "routes-not-served"
    return "aliases-not-matched" if facts.unmatched and not facts.controller.kept else ""


def _by_alias_alone(name: str, facts: CutoverFacts) -> bool:
    """Whether the cloud refuses the route of the node, which has joined a prepared cluster: its alias serves it, but
    its route controller reports no network (docs/reference/gardener.md#prepared-new-node)."""
    return facts.controller.kept and facts.aliased(name) and not facts.routed(name)
