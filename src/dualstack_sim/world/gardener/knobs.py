"""What differs between gardens."""

from __future__ import annotations

from dataclasses import dataclass

PROVIDER_GCP, DUALSTACK = "provider-gcp", "dualstack"
"""The Infrastructure controllers of a landscape with gardenlet."""


@dataclass(frozen=True, slots=True)
class Garden:
    """The default is the version that was studied (docs/reference/gardener.md#versions)."""

    mask_may_leave: bool = False
    """Whether an edit may remove nodeCIDRMaskSizeIPv6 together with IPv6
    (docs/reference/gardener.md#mask-blocks-rollback)."""
    guest_agent: bool = False
    """Whether the guest agent of nodes handles alias ranges, because no file of the OperatingSystemConfig stops it
    (docs/reference/cut-over.md#guest-agent)."""
    infrastructure: str | None = None
    """In a landscape with gardenlet, whose Infrastructure controller works in it: `provider-gcp`, an actor, or
    `dualstack`, a process outside. None: without gardenlet, for an operator that does everything."""
