"""Kubernetes Events on the Infrastructure."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.kube.announcement import EventType, announce_about
from dualstack.kube.interface import Kube


async def announce(
    kube: Kube,
    clock: Clock,
    name: str,
    namespace: str,
    reason: str,
    message: str,
    *,
    kind: EventType = "Normal",
    generation: int | None = None,
) -> None:
    """Write an Event about the Infrastructure, as `announce_about` does."""
    await announce_about(
        kube, clock, INFRASTRUCTURE, name, namespace, reason, message, kind=kind, generation=generation
    )
