"""The two ways that a rehearsal can go: what the owner of the cluster writes, and what is to be seen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.model.events import PHASES, PHASES_BACK

Appearance = tuple[str, str | None, str | None, str | None]
"""Type, status, reason and message of a constraint that changed; None when it went."""

MIGRATION_CONSTRAINTS = ("DualStackNodesMigrationReady", "DNSServiceMigrationReady")

GOLDEN_CONSTRAINTS: tuple[Appearance, ...] = (
    (
        "DualStackNodesMigrationReady",
        "Progressing",
        "NodesNotMigrated",
        "Migrating node pod CIDRs to match target network stack.",
    ),
    (
        "DualStackNodesMigrationReady",
        "True",
        "NodesMigrated",
        "All node pod CIDRs migrated to target network stack.",
    ),
    ("DualStackNodesMigrationReady", None, None, None),
    (
        "DNSServiceMigrationReady",
        "Progressing",
        "DNSServiceMigration",
        "The shoot is migrating the kube-dns service.",
    ),
    (
        "DNSServiceMigrationReady",
        "True",
        "DNSServiceMigration",
        "The coreDNS pods are ready for DNS service migration.",
    ),
    ("DNSServiceMigrationReady", None, None, None),
)
"""Every change in a migration, in order (gardener-behaviour.md 2.2, 2.3, 11)."""

GOLDEN_CONSTRAINTS_BACK: tuple[Appearance, ...] = (
    (
        "DualStackNodesMigrationReady",
        "True",
        "NodesMigrating",
        "Node pod CIDRs are currently migrated to target network stack.",
    ),
    ("DualStackNodesMigrationReady", None, None, None),
)
"""Every change on the way back, in order (gardener-behaviour.md 2.2 rules D, K and J, and 9)."""


@dataclass(frozen=True, slots=True)
class Direction:
    """One way: `edit` is the merge patch of the Shoot that starts it."""

    edit: Mapping[str, Any]
    phases: tuple[str, ...]
    constraints: tuple[Appearance, ...]


FORWARD = Direction({"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}, PHASES, GOLDEN_CONSTRAINTS)
BACK = Direction(
    {
        "spec": {
            "networking": {"ipFamilies": ["IPv4"]},
            # Forbidden for a Shoot with IPv4 alone (gardener-behaviour.md 1.3).
            "kubernetes": {"kubeControllerManager": {"nodeCIDRMaskSizeIPv6": None}},
        }
    },
    PHASES_BACK,
    GOLDEN_CONSTRAINTS_BACK,
)
