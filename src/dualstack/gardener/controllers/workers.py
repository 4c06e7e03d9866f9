"""Worker: machine classes and machine deployments, and the wait for their machines.

Machine classes change in place (docs/reference/gardener.md#machine-class-in-place). Nodes are replaced only after a
request, an annotation on the templates of the machine deployments (docs/reference/gardener.md#node-replacement), which
this controller keeps.
"""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.controllers.extension import WORKER_EXTENSION, ExtensionReconciler, Status
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS, MACHINE_DEPLOYMENT
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import machine_class
from dualstack.kube.apply import apply
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import wait_until
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

INTERVAL = 10.0
TIMEOUT = 1800.0
"""Seconds without progress of the machines until the Worker is in error and the wait is repeated."""


class WorkersController:
    """Keeps one machine class and one machine deployment for each zone of each pool."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._protocol = ExtensionReconciler(kube, clock, WORKER_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        view = ShootView.of(shoot)
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        parts = [(pool, part) for pool in view.pools for part in pool.parts]
        for pool, part in parts:
            # The class first, so that every machine that is created from now on uses it.
            await apply(self._kube, MACHINE_CLASS, machine_class.machine_class(view, infrastructure, pool, part))
        for pool, part in parts:
            await self._apply_deployment(view, pool, part)
        await self._await_machines(view)
        return {
            "machineDeployments": [
                {
                    "name": machine_class.deployment_name(view, pool, part),
                    "minimum": part.minimum,
                    "maximum": part.maximum,
                }
                for pool, part in parts
            ]
        }

    async def _apply_deployment(self, view: ShootView, pool: Pool, part: ZonePart) -> None:
        """Apply a machine deployment, but keep the autoscaler's replicas and the rollout requests in the template."""
        name = machine_class.deployment_name(view, pool, part)
        live = await self._kube.get(MACHINE_DEPLOYMENT, name, view.technical_id)
        replicas = part.minimum if live is None else dig(live, "spec", "replicas") or 0
        wanted = machine_class.machine_deployment(
            view,
            pool,
            part,
            replicas=0 if view.hibernated else replicas,
            template_annotations=dig(live, "spec", "template", "metadata", "annotations"),
        )
        await apply(self._kube, MACHINE_DEPLOYMENT, wanted)

    async def _await_machines(self, view: ShootView) -> None:
        async def check() -> str | None:
            deployments = await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)
            missing = [text for deployment in deployments if (text := machines_missing(deployment))]
            return "; ".join(missing) or None

        await wait_until(
            check,
            self._clock,
            what="waiting for the machines",
            interval=INTERVAL,
            timeout=TIMEOUT,
            extend=True,
        )


def machines_missing(deployment: Manifest) -> str | None:
    """What a MachineDeployment lacks until all its machines are updated and available, or None."""
    name = deployment["metadata"]["name"]
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas") or 0
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return f"{name}: the change has not been observed"
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated < wanted:
        return f"{name}: {updated} of {wanted} machines are new"
    if total > updated:
        return f"{name}: {total - updated} old machines are still there"
    available = status.get("availableReplicas", 0)
    if available < wanted:
        return f"{name}: {available} of {wanted} machines are available"
    return None
