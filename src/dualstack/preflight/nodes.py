"""Checks of Nodes and their VMs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dualstack.gce import Resource
from dualstack.model import enumeration
from dualstack.model.cidr import overlap
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.strategies.base import obstacles
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.decoys import decoy_check
from dualstack.preflight.finding import Severity
from dualstack.preflight.inventory import Inventory

ADDRESS_MANAGER_KEY = "disable-address-manager"
"""Stops the handling of addresses by both guest agents (docs/reference/compute-engine.md#guest-agent-metadata)."""

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
"""What the guest agent reads as a boolean, and nothing else (docs/reference/compute-engine.md#guest-agent-booleans)."""


@Check(
    "nodes-known",
    "blocker",
    reads=("cluster state",),
    fine="every running VM has its Node, and Nodes with a pod CIDR are known",
    consequence="the migration cannot tell which addresses a VM serves, nor whether its pods are reachable",
    remedy="check that the Nodes that can be listed are this cluster's, and that they have a pod CIDR and the provider "
    "ID of their VM; a VM that has just started registers its Node within minutes",
    cause="",
)
def nodes_known(inventory: Inventory) -> Iterator[Problem]:
    """The pod CIDR of a Node is the source of truth (docs/reference/weaknesses.md#w11)."""
    yield from (Problem(what, why) for what, why in sorted(inventory.facts.unidentified.items()))
    facts = _with_vms(inventory)
    if not any(node.pod_cidr for node in facts.node_of.values()):
        evidence = f"routes lead to {len(facts.pod_cidr_of)} VMs, but no Node has a pod CIDR"
        yield Problem(f"cluster {inventory.cluster.name}", evidence)


@Check(
    "node-routes",
    "risk",
    reads=("cluster state",),
    fine="a route leads to every node",
    consequence="their pods are without connectivity until they have their aliases",
    remedy="look for the reason in the Events of the nodes; often it is the quota of static routes",
    cause="",
)
def node_routes(inventory: Inventory) -> Iterator[Problem]:
    """Before the cut-over each node has one route (docs/reference/cut-over.md#pre-routes)."""
    facts = _with_vms(inventory)
    if facts.range_present:
        raise NotApplicable(f"subnet {facts.subnet.name} has the pod range, so nodes need no route")
    if facts.unreachable:
        yield Problem(enumeration.nodes(facts.unreachable), "no static route leads to the pod CIDR")


@Check(
    "interface-subnet",
    "blocker",
    reads=("cluster state",),
    fine="nic0 of every VM is in the nodes subnet",
    consequence="the VM cannot have its pod CIDR as an alias range",
    remedy="replace the node by one in the nodes subnet",
)
def interface_subnet(inventory: Inventory) -> Iterator[Problem]:
    """Alias ranges come from the subnet of the interface (docs/reference/cut-over.md#r12)."""
    facts = _with_vms(inventory)
    for name in facts.pod_cidr_of:
        if not facts.node_of[name].subnet_ok:
            yield Problem(f"VM {name}", f"nic0 is not in subnet {facts.subnet.name}")


@Check(
    "plan-preconditions",
    "blocker",
    reads=("cluster state",),
    fine="the preconditions of every step of the cut-over are met or will be",
    consequence="a step of the cut-over cannot be performed",
    remedy="remove the obstacle, or wait if nodes are being replaced",
    cause="",
)
def plan_preconditions(inventory: Inventory) -> Iterator[Problem]:
    """What the plan foresees and no other check reports (docs/reference/weaknesses.md#w32)."""
    facts = inventory.facts
    if facts.finished:
        raise NotApplicable("the cut-over is finished")
    settings = replace(inventory.settings, decoys=False)
    for obstacle in obstacles(inventory.strategy, _without_other_findings(facts), settings):
        yield Problem(f"cluster {inventory.cluster.name}", obstacle)


@Check(
    "network-watched",
    "blocker",
    reads=("cluster state",),
    fine="the Nodes report whether their pods reach others, or the decoy check probes it",
    consequence="a node on trial cannot show that its pods are unreachable, so nothing would stop the cut-over before "
    "every node is",
    remedy="run Gardener's network problem detector, or request the decoy check (--prober-image IMAGE; a Shoot: "
    "annotation dualstack.dev/decoys), which proves on a temporary VM what every node is about to depend on",
)
def network_watched(inventory: Inventory) -> Iterator[Problem]:
    """The canaries are judged by these conditions (docs/reference/cut-over.md#trial)."""
    facts = _with_vms(inventory)
    if facts.finished:
        raise NotApplicable("the cut-over is finished")
    if not inventory.strategy.lossless:
        raise NotApplicable(f"strategy {inventory.strategy.name} tries nothing on one node first")
    if len(facts.pod_cidr_of) < 2:
        raise NotApplicable("a single node exchanges no packets with others")
    if not (facts.network_watched or decoy_check(inventory).made):
        evidence = "no Node has the condition ClusterNetworkProblem or HostNetworkProblem"
        yield Problem(f"cluster {inventory.cluster.name}", evidence)


@Check(
    "guest-agent",
    "risk",
    reads=("project", "machine metadata", "cluster state"),
    fine="the guest agent of the nodes does not handle alias ranges",
    consequence="where a guest agent runs with its defaults, it makes the alias range local to the VM, which cuts off "
    "the pods of the node; the first node shows it",
    remedy="set metadata key disable-address-manager to true, or ip_aliases = false in "
    "/etc/default/instance_configs.cfg on the nodes",
)
def guest_agent(inventory: Inventory) -> Iterator[Problem]:
    """Its defaults add local routes for alias ranges (docs/reference/compute-engine.md#guest-agent-aliases)."""
    (project,) = inventory.of("project")
    severity: Severity | None = None if inventory.facts.network_watched else "blocker"
    for machine in inventory.of("machine metadata"):
        values = {**_stops(project.get("commonInstanceMetadata")), **_stops(machine.get("metadata"))}
        if not inventory.guest_agent and not values.get(ADDRESS_MANAGER_KEY):
            evidence = f"neither its metadata nor that of the project has {ADDRESS_MANAGER_KEY}: true"
            yield Problem(f"VM {machine['name']}", evidence, severity=severity)


@Check(
    "alias-matched",
    "blocker",
    reads=("cluster state",),
    fine="a temporary VM proves first that aliases alone carry traffic",
    consequence="Gardener deletes every route at once, without a canary; if this cloud does not count an alias as a "
    "matched resource of the subnet (docs/reference/cut-over.md#k3), no pod reaches another node from then on",
    remedy="pass --prober-image, an image of this program that the nodes can pull, so that a temporary VM proves it; "
    "or accept the risk with --accept alias-matched",
)
def alias_matched(inventory: Inventory) -> Iterator[Problem]:
    """Elsewhere the canary of `finish` proves it (docs/reference/gardener.md#prepared-clusters)."""
    if inventory.facts.finished:
        raise NotApplicable("the cut-over is finished")
    if not inventory.deleted_elsewhere:
        raise NotApplicable("`dualstack finish` deletes the routes, one of them first")
    if not inventory.prober_image:
        yield Problem(f"cluster {inventory.cluster.name}", "nothing has shown that aliases alone carry traffic here")


def _stops(metadata: Resource | None) -> dict[str, bool]:
    """The items that the guest agent reads as a boolean; it ignores others, which then do not hide the project's."""
    items = {item["key"]: item.get("value") for item in (metadata or {}).get("items") or ()}
    return {key: value in _TRUE for key, value in items.items() if value in (*_TRUE, *_FALSE)}


def _without_other_findings(facts: CutoverFacts) -> CutoverFacts:
    """The facts without what foreign-routes, interface-subnet and pod-range-taken report."""
    ranges = facts.subnet.secondary_ranges
    if not facts.range_present:
        ranges = tuple(
            (name, text) for name, text in ranges if name != facts.range_name and not overlap(text, facts.pods_cidr)
        )
    return replace(
        facts,
        foreign_routes=(),
        nodes=tuple(replace(node, subnet_ok=True) for node in facts.nodes),
        subnet=replace(facts.subnet, secondary_ranges=ranges),
    )


def _with_vms(inventory: Inventory) -> CutoverFacts:
    facts = inventory.facts
    if not facts.pod_cidr_of:
        raise NotApplicable("the cluster has no VM with a pod CIDR")
    return facts
