"""Worker: machine classes and machine deployments, and the wait for their machines.

Machine classes change in place (docs/reference/gardener.md#machine-class-in-place). Nodes are replaced only after a
request, an annotation on the templates of the machine deployments (docs/reference/gardener.md#node-replacement), which
this controller keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers import diagnosis
from dualstack.gardener.controllers.extension import WORKER_EXTENSION, ExtensionReconciler, Status
from dualstack.gardener.controllers.rollout import deployment_missing
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS, MACHINE_DEPLOYMENT
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import machine_class
from dualstack.gardener.render.pool_hash import pool_hash
from dualstack.kube.apply import apply
from dualstack.kube.waiting import Tell, wait_until
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Part, UnknownShape

INTERVAL = 10.0
TIMEOUT = 1800.0
"""Seconds without progress of the machines until the Worker is in error and the wait is repeated."""

PAUSED = "spec.paused is true, so that no roll-out replaces its machines; set it to false"


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of a pool with the names of its machine deployment and machine class, which are the live ones if any."""

    pool: Pool
    part: ZonePart
    name: str
    class_name: str
    recorded_hash: str | None
    replicas: int


class WorkersController:
    """Keeps one machine class and one machine deployment for each zone of each pool."""

    def __init__(self, clusters: Clusters, clock: Clock) -> None:
        self._clusters, self._kube = clusters, clusters.seed
        self._clock = clock
        self._protocol = ExtensionReconciler(clusters.seed, clock, WORKER_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        view = ShootView.of(shoot)
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        secrets = {pool["name"]: pool.get("nodeAgentSecretName") for pool in found["spec"].get("pools") or ()}
        zones = await self._zones(view, secrets)
        for zone in zones:
            # The class first, so that every machine that is created from now on uses it.
            wanted = machine_class.machine_class(view, infrastructure, zone.pool, zone.part, zone.class_name)
            await apply(self._kube, MACHINE_CLASS, wanted)
        for zone in zones:
            await self._apply_deployment(view, zone)
        await self._await_machines(view, self._protocol.teller(found))
        return {
            "machineDeployments": [
                {"name": zone.name, "minimum": zone.part.minimum, "maximum": zone.part.maximum} for zone in zones
            ]
        }

    async def _zones(self, view: ShootView, secrets: Mapping[str, str | None]) -> list[Zone]:
        """Every zone of every pool with its names; `secrets`: the names of the node agents' Secrets by pool."""
        deployments = await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)
        classes = {each["metadata"]["name"]: each for each in await self._kube.list(MACHINE_CLASS, view.technical_id)}
        woken = not any(dig(deployment, "spec", "replicas") for deployment in deployments)
        taken = [deployment["metadata"]["name"] for deployment in deployments]
        result: list[Zone] = []
        for pool, part in [(each, part) for each in view.pools for part in each.parts]:
            live = machine_class.deployment_for(view, pool, part, deployments, classes)
            name = live["metadata"]["name"] if live else machine_class.free_name(view, pool, part, taken)
            taken.append(name)
            used, recorded = machine_class.class_to_use(live, name, pool_hash(view, pool, secrets.get(pool.name)))
            replicas = machine_class.replicas_for(live, pool, part, hibernated=view.hibernated, woken=woken)
            result.append(Zone(pool, part, name, used, recorded, replicas))
        return result

    async def _apply_deployment(self, view: ShootView, zone: Zone) -> None:
        created = machine_class.machine_deployment(
            view, zone.pool, zone.part, replicas=zone.replicas, name=zone.name, machine_class=zone.class_name
        )
        change = machine_class.edited_deployment(
            replicas=zone.replicas, machine_class=zone.class_name, recorded=zone.recorded_hash
        )
        await apply(self._kube, MACHINE_DEPLOYMENT, Part(created, change))

    async def _await_machines(self, view: ShootView, tell: Tell) -> None:
        async def check() -> str | None:
            deployments = await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)
            missing = {each["metadata"]["name"]: text for each in deployments if (text := machines_missing(each))}
            if paused := [each for each in deployments if each["metadata"]["name"] in missing and is_paused(each)]:
                raise UnknownShape(paused[0], PAUSED)
            return "; ".join(missing.values()) or None

        await wait_until(
            check,
            self._clock,
            what="waiting for the machines",
            interval=INTERVAL,
            timeout=TIMEOUT,
            extend=True,
            diagnose=lambda: diagnosis.of_machines(self._clusters, view.technical_id),
            tell=tell,
        )


def is_paused(deployment: Manifest) -> bool:
    """Whether machine-controller-manager replaces no machine of the MachineDeployment."""
    return bool(dig(deployment, "spec", "paused"))


def machines_missing(deployment: Manifest) -> str | None:
    """What a MachineDeployment lacks until all its machines are updated and available, or None."""
    missing = deployment_missing(deployment, "machines", default=0)
    return f"{deployment['metadata']['name']}: {missing}" if missing else None
