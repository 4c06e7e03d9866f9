"""Creates all controllers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dualstack.clock import ScaledClock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.controlplane import ControlPlaneController
from dualstack.gardener.controllers.infrastructure.reconcile import InfrastructureController
from dualstack.gardener.controllers.network import NetworkController
from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.controllers.shoot.annotations import AnnotationController
from dualstack.gardener.controllers.workers import WorkersController
from dualstack.gce.access import ComputeClients
from dualstack.kube.client import BeforeChange
from dualstack.model.events import Listener
from dualstack.operator.landscape import BESIDE_GARDENER, GARDENER
from dualstack.operator.queue import SLOTS


class Controller(Protocol):
    """Reconciles one kind of object."""

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Reconcile the object; returns the seconds until the next reconcile, or None."""
        ...


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """The command line."""

    kubeconfig: Path | None
    compute_endpoint: str
    strategy: str
    rollout: str
    events: str | None
    clock: ScaledClock
    metrics_port: int | None = None
    health_port: int | None = None
    end_with_stdin: bool = False
    debug: bool = False
    prober_image: str = ""
    landscape: str = GARDENER
    controllers: tuple[str, ...] = BESIDE_GARDENER
    garden_kubeconfig: Path | None = None
    """The garden; None: the seed, which `kubeconfig` is."""
    concurrent_syncs: int = SLOTS
    log_format: str = "text"
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    leader_elect: bool | None = None
    """None: in a pod."""
    lease_namespace: str | None = None
    """None: that of the kubeconfig or of the pod."""


@asynccontextmanager
async def assemble(
    clusters: Clusters,
    emit: Listener,
    options: OperatorOptions,
    before_change: BeforeChange | None = None,
    opened: Callable[[ComputeClients], None] | None = None,
    stopping: Callable[[], bool] = bool,
) -> AsyncIterator[Mapping[str, Controller]]:
    """The chosen controllers by name; closes their clients at the end.

    opened: takes the Compute clients. stopping: whether the process is ending.
    """
    clock = options.clock
    computes = ComputeClients(clock, endpoint=options.compute_endpoint, before_change=before_change)
    if opened is not None:
        opened(computes)
    every: dict[str, Controller] = {
        "shoot": ShootController(clusters, clock, emit, rollout=options.rollout),
        "annotations": AnnotationController(clusters, clock, emit),
        "infrastructure": InfrastructureController(
            clusters,
            computes,
            clock,
            emit,
            strategy=options.strategy,
            prober_image=options.prober_image,
            stopping=stopping,
        ),
        "controlplane": ControlPlaneController(clusters, clock),
        "network": NetworkController(clusters, clock),
        "worker": WorkersController(clusters, clock),
    }
    try:
        names = [*options.controllers, *(["annotations"] if "shoot" in options.controllers else [])]
        yield {name: every[name] for name in names}
    finally:
        await computes.close()
