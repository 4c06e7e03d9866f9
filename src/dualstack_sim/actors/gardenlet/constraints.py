"""Upstream's rules for the two migration constraints, as they are and with their weaknesses
(docs/reference/gardener.md#nodes-constraint, docs/reference/gardener.md#dns-constraint).

`dualstack.gardener.model.constraints` has the product's, which differ on purpose; only the words are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualstack.gardener.model.constraints import (
    DNS_MIGRATING,
    DNS_READY,
    NODES_MIGRATED,
    NODES_MIGRATING_BACK,
    NODES_NOT_MIGRATED,
    Change,
    RemoveConstraint,
    SetConstraint,
)
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest


@dataclass(frozen=True, slots=True)
class Nodes:
    """What rules A to K look at. `network` and `infrastructure` are the extension objects."""

    shoot: ShootView
    network: Manifest | None
    infrastructure: Manifest | None
    nodes: Sequence[Manifest]

    @property
    def network_ready(self) -> bool:
        return len(dig(self.network, "status", "ipFamilies") or ()) == len(self.shoot.families)

    @property
    def migrated(self) -> bool:
        """Counts entries; false without nodes (docs/reference/weaknesses.md#w38)."""
        wanted = len(self.shoot.families)
        return bool(self.nodes) and all(len(dig(node, "spec", "podCIDRs") or ()) == wanted for node in self.nodes)

    @property
    def _progress(self) -> SetConstraint:
        if self.migrated:
            return NODES_MIGRATED
        return NODES_NOT_MIGRATED if self.shoot.dual_stack else NODES_MIGRATING_BACK


def at_start(facts: Nodes) -> tuple[Change, ...]:
    """Rules A to E."""
    present = facts.shoot.constraint(NODES_MIGRATION) is not None
    if present or dig(facts.network, "status", "ipFamilies") is None or facts.network_ready:
        return ()
    return (facts._progress,)


def at_end(facts: Nodes) -> tuple[Change, ...]:
    """Rules F to K. The constraint of a dual-stack target goes without a look at the nodes (rule I)."""
    if facts.shoot.constraint(NODES_MIGRATION) is None:
        return ()
    if len(dig(facts.infrastructure, "status", "networking", "nodes") or ()) != 2:
        return ()
    if not facts.network_ready:
        return (facts._progress,)
    if facts.shoot.dual_stack:
        dns = () if facts.shoot.constraint(DNS_MIGRATION) else (DNS_MIGRATING,)
        return (RemoveConstraint(NODES_MIGRATION), *dns)
    return (RemoveConstraint(NODES_MIGRATION),) if facts.migrated else ()


@dataclass(frozen=True, slots=True)
class Dns:
    """What the rules of the DNS constraint look at: Service kube-dns and the pods of CoreDNS."""

    shoot: ShootView
    service: Manifest | None
    pods: Sequence[Manifest]

    @property
    def _wanted(self) -> int:
        return len(self.shoot.families)

    @property
    def pods_ready(self) -> bool:
        return all(len(dig(pod, "status", "podIPs") or ()) == self._wanted for pod in self.pods)

    @property
    def restart_due(self) -> bool:
        """Whether the pods get a new restart annotation (docs/reference/gardener.md#coredns-restart)."""
        lacking = any(len(dig(pod, "status", "podIPs") or ()) < self._wanted for pod in self.pods)
        return self.shoot.constraint(DNS_MIGRATION) == DNS_MIGRATING.status and lacking

    def changes(self) -> tuple[Change, ...]:
        if self.shoot.constraint(DNS_MIGRATION) is None or not self.pods:
            return ()
        if len(dig(self.service, "spec", "clusterIPs") or ()) == self._wanted:
            return (RemoveConstraint(DNS_MIGRATION),)
        return (DNS_READY,) if self.pods_ready else ()
