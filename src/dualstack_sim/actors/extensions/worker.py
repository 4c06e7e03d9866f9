"""provider-gcp's Worker controller: machine classes and machine deployments (docs/reference/gardener.md#workers)."""

from __future__ import annotations

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS, MACHINE_DEPLOYMENT, WORKER
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import machine_class
from dualstack.gardener.render.pool_hash import pool_hash
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Part
from dualstack_sim.actors.applying import apply
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.extension_library import ExtensionController, Handled
from dualstack_sim.actors.provider_gcp.controller import PROGRAM

INTERVAL, TIMEOUT = 5.0, 300.0
"""Seconds between two looks at the machine deployments, and until the Worker is in error."""


class MachinesNotReady(DualstackError):
    """The machine deployments were not updated and available in time."""


class Workers:
    """One machine class and one machine deployment for each zone of each pool. Classes change in place; nodes are
    replaced only by another template (docs/reference/gardener.md#machine-class-in-place)."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._kube, _ = context.named(PROGRAM)
        self._protocol = ExtensionController(context, PROGRAM, Handled(WORKER, "worker"), self._act)

    async def run(self) -> None:
        """Until cancelled."""
        await self._protocol.run()

    async def _act(self, operation: str, found: Manifest, view: ShootView) -> Manifest:
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        parts = [(pool, part) for pool in view.pools for part in pool.parts]
        for pool, part in parts:
            await apply(self._kube, MACHINE_CLASS, machine_class.machine_class(view, infrastructure, pool, part))
        listed = (await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)).items
        live = {each["metadata"]["name"]: each for each in listed}
        woken = not any(each["spec"].get("replicas") for each in listed)
        for pool, part in parts:
            await apply(self._kube, MACHINE_DEPLOYMENT, _deployment(view, pool, part, live, woken=woken))
        names = [machine_class.deployment_name(view, pool, part) for pool, part in parts]
        await self._await_machines(view.technical_id, names)
        return {
            "machineDeployments": [
                {"name": name, "minimum": part.minimum, "maximum": part.maximum}
                for name, (_, part) in zip(names, parts, strict=True)
            ]
        }

    async def _await_machines(self, namespace: str, names: list[str]) -> None:
        deadline = self._clock.now() + TIMEOUT
        while True:
            found = {each["metadata"]["name"]: each for each in await self._deployments(namespace)}
            late = [name for name in names if name not in found or not _is_rolled_out(found[name])]
            if not late:
                return
            if self._clock.now() >= deadline:
                raise MachinesNotReady(
                    "failed while waiting for all machine deployments to be ready: retry failed with context deadline "
                    f"exceeded, last error: machine deployment {late[0]} is not updated"
                )
            await self._clock.sleep(INTERVAL)

    async def _deployments(self, namespace: str) -> list[Manifest]:
        return (await self._kube.list(MACHINE_DEPLOYMENT, namespace)).items


def _deployment(view: ShootView, pool: Pool, part: ZonePart, live: dict[str, Manifest], *, woken: bool) -> Part:
    """The template's annotations stay, also the one that requests a roll-out."""
    name = machine_class.deployment_name(view, pool, part)
    replicas = machine_class.replicas_for(live.get(name), pool, part, hibernated=view.hibernated, woken=woken)
    class_name = machine_class.class_name(view, pool, part, pool_hash(view, pool))
    created = machine_class.machine_deployment(view, pool, part, replicas=replicas, machine_class=class_name)
    return Part(created, machine_class.edited_deployment(replicas=replicas, machine_class=class_name, recorded=None))


def _is_rolled_out(deployment: Manifest) -> bool:
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 0)
    observed = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = (status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    return bool(observed and all(count == wanted for count in counts))
