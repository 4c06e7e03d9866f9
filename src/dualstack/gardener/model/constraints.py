"""The state machines of the two migration constraints (docs/reference/gardener.md#migration-constraints).

Rules A to K, reasons and messages are Gardener's (docs/reference/gardener.md#nodes-constraint), with these differences:

- A node counts as migrated by its families, not by their number. Without nodes, machine classes of the target families
  suffice (docs/reference/weaknesses.md#w38).
- While a Machine has no Node of its name, the nodes do not count as migrated
  (docs/reference/design-rules.md#unknown-is-not-good).
- An Infrastructure without a networking status is not ready (docs/reference/weaknesses.md#w39).
- The constraint of a dual-stack target is removed only when every node is migrated
  (docs/reference/weaknesses.md#w47). A True from the way back to IPv4 does not make components dual-stack while a node
  is single-stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.model.cidr import families as families_of
from dualstack.model.conditions import Condition, with_condition, without_condition


@dataclass(frozen=True, slots=True)
class SetConstraint:
    """Set the constraint to this status, reason and message."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RemoveConstraint:
    """Remove the constraint."""

    type: str


Change = SetConstraint | RemoveConstraint

NODES_MIGRATED = SetConstraint(
    NODES_MIGRATION, "True", "NodesMigrated", "All node pod CIDRs migrated to target network stack."
)
NODES_NOT_MIGRATED = SetConstraint(
    NODES_MIGRATION, "Progressing", "NodesNotMigrated", "Migrating node pod CIDRs to match target network stack."
)
NODES_MIGRATING_BACK = SetConstraint(
    NODES_MIGRATION, "True", "NodesMigrating", "Node pod CIDRs are currently migrated to target network stack."
)
DNS_MIGRATING = SetConstraint(
    DNS_MIGRATION, "Progressing", "DNSServiceMigration", "The shoot is migrating the kube-dns service."
)
DNS_READY = SetConstraint(
    DNS_MIGRATION, "True", "DNSServiceMigration", "The coreDNS pods are ready for DNS service migration."
)


@dataclass(frozen=True, slots=True)
class NodesFacts:
    """The facts behind DualStackNodesMigrationReady."""

    families: tuple[str, ...]
    """`spec.networking.ipFamilies`."""
    network_families: tuple[str, ...] | None
    """`Network.status.ipFamilies`; None when it is missing."""
    node_pod_cidrs: tuple[tuple[str, ...], ...]
    """`spec.podCIDRs` of each Node."""
    infrastructure_node_ranges: int
    """Length of `Infrastructure.status.networking.nodes`; 0 when there is none."""
    machine_classes_match: bool
    """Whether every machine class creates nodes of the target families; used only when there are no nodes."""
    nodes_constraint: str | None
    """The status of the constraint; None when it is absent."""
    dns_constraint: str | None
    machines_without_node: tuple[str, ...] = ()
    """The names of the Machines with a VM that have no Node, except those that are being deleted."""

    @property
    def network_ready(self) -> bool:
        """Whether the CNI runs with exactly the families of the spec."""
        return self.network_families is not None and set(self.network_families) == set(self.families)

    @property
    def nodes_migrated(self) -> bool:
        """Whether every node has one pod CIDR of each family of the spec, in its order.

        Not while a Machine has no Node: the list of Nodes is incomplete or that of another cluster.
        """
        if self.machines_without_node:
            return False
        if not self.node_pod_cidrs:
            return self.machine_classes_match
        return all(families_of(cidrs) == self.families for cidrs in self.node_pod_cidrs)

    @property
    def dual_target(self) -> bool:
        return len(self.families) == 2


def nodes_constraint_at_start(facts: NodesFacts) -> tuple[Change, ...]:
    """Rules A to E, at the start of a reconcile and before the Cluster is written (docs/reference/weaknesses.md#w1).

    Unlike rule E, this withdraws True when a dual-stack target has single-stack nodes. The way back sets True without
    waiting for nodes (rule D); a second change of direction would give a dual-stack CNI to nodes without an IPv6 range.
    """
    if facts.network_families is None or facts.network_ready:
        return ()
    if facts.nodes_constraint is None:
        return (_progress(facts),)
    too_early = facts.nodes_constraint == "True" and facts.dual_target and not facts.nodes_migrated
    return (NODES_NOT_MIGRATED,) if too_early else ()


def nodes_constraint_at_end(facts: NodesFacts) -> tuple[Change, ...]:
    """Rules F to K, after the workers are up to date."""
    if facts.nodes_constraint is None or facts.infrastructure_node_ranges != 2:
        return ()
    if not facts.network_ready:
        return (_progress(facts),)
    if not facts.nodes_migrated:
        return ()
    if facts.dual_target and facts.dns_constraint is None:
        return (RemoveConstraint(NODES_MIGRATION), DNS_MIGRATING)
    return (RemoveConstraint(NODES_MIGRATION),)


def _progress(facts: NodesFacts) -> SetConstraint:
    """Rules B, C and D, and H, which repeats them."""
    if facts.nodes_migrated:
        return NODES_MIGRATED
    return NODES_NOT_MIGRATED if facts.dual_target else NODES_MIGRATING_BACK


@dataclass(frozen=True, slots=True)
class DnsFacts:
    """The facts behind DNSServiceMigrationReady."""

    families: tuple[str, ...]
    """`spec.networking.ipFamilies`."""
    service_cluster_ips: tuple[str, ...]
    """`spec.clusterIPs` of the live Service kube-system/kube-dns."""
    pod_ips: tuple[tuple[str, ...], ...]
    """`status.podIPs` of each pod with the label `k8s-app=kube-dns`."""
    dns_constraint: str | None

    @property
    def service_ready(self) -> bool:
        return set(families_of(self.service_cluster_ips)) == set(self.families)

    @property
    def pods_ready(self) -> bool:
        return bool(self.pod_ips) and all(set(families_of(ips)) == set(self.families) for ips in self.pod_ips)


def dns_constraint(facts: DnsFacts) -> tuple[Change, ...]:
    """The change of DNSServiceMigrationReady (docs/reference/gardener.md#dns-constraint)."""
    if facts.dns_constraint is None or not facts.pod_ips:
        return ()
    if facts.service_ready:
        return (RemoveConstraint(DNS_MIGRATION),)
    if facts.pods_ready:
        return (DNS_READY,)
    return ()


def coredns_restart_due(facts: DnsFacts) -> bool:
    """Whether CoreDNS must restart to get addresses of every family (docs/reference/gardener.md#coredns-restart)."""
    lacking = any(not set(facts.families) <= set(families_of(ips)) for ips in facts.pod_ips)
    return facts.dns_constraint == DNS_MIGRATING.status and lacking


def apply_changes(constraints: Sequence[Condition], changes: Sequence[Change], *, now: float) -> list[Condition]:
    """The Shoot's constraints after the changes; other constraints stay. `now` in seconds since the epoch."""
    result = list(constraints)
    for change in changes:
        if isinstance(change, RemoveConstraint):
            result = without_condition(result, change.type)
        else:
            result = with_condition(result, change.type, change.status, change.reason, change.message, now=now)
    return result
