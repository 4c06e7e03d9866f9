"""Creates all controllers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from dualstack.clock import Clock
from dualstack.gardener.controllers.controlplane import ControlPlaneController
from dualstack.gardener.controllers.infrastructure.reconcile import InfrastructureController
from dualstack.gardener.controllers.network import NetworkController
from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.controllers.workers import WorkersController
from dualstack.gce.access import ComputeClients
from dualstack.kube.interface import Kube
from dualstack.model.events import Listener


class Controller(Protocol):
    """Reconciles one kind of object."""

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Reconcile the object; returns the seconds until the next reconcile, or None."""
        ...


@asynccontextmanager
async def assemble(
    kube: Kube,
    clock: Clock,
    emit: Listener,
    *,
    compute_endpoint: str,
    strategy: str,
    rollout: str,
    prober_image: str = "",
) -> AsyncIterator[Mapping[str, Controller]]:
    """All controllers, by the name under which their objects are queued; closes their clients at the end."""
    computes = ComputeClients(clock, endpoint=compute_endpoint)
    try:
        yield {
            "shoot": ShootController(kube, clock, emit, rollout=rollout),
            "infrastructure": InfrastructureController(
                kube, computes, clock, emit, strategy=strategy, prober_image=prober_image
            ),
            "controlplane": ControlPlaneController(kube, clock),
            "network": NetworkController(kube, clock),
            "worker": WorkersController(kube, clock),
        }
    finally:
        await computes.close()
