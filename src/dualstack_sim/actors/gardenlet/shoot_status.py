"""gardenlet's writes to one Shoot in the garden, and to its copy in the seed, the Cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack.gardener.model.constraints import Change, apply_changes
from dualstack.gardener.model.defaults import remove_tasks
from dualstack.gardener.model.kinds import CLUSTER, SHOOT
from dualstack.gardener.model.names import OPERATION, TASKS
from dualstack.gardener.model.shoot import ShootView, technical_id
from dualstack.gardener.render import extensions
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.informer import ObjectKey
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import NotFound

INITIALIZED = "Reconciliation of Shoot cluster initialized."
SUCCEEDED = "Shoot cluster has been successfully reconciled."


@dataclass(frozen=True, slots=True)
class TaskError:
    """One entry of `lastErrors`."""

    task: str
    description: str
    codes: tuple[str, ...]


class ShootStatus:
    """One Shoot. Methods that write return the Shoot as stored. NotFound when it is gone."""

    def __init__(self, garden: KubeApi, seed: KubeApi, clock: Clock, key: ObjectKey) -> None:
        self._garden, self._seed = garden, seed
        self._clock = clock
        self._namespace, self._name = key

    async def read(self) -> Manifest:
        found = await self._garden.get(SHOOT, self._name, self._namespace)
        if found is None:
            raise NotFound(404, "NotFound", f'shoots.core.gardener.cloud "{self._name}" not found')
        return found

    async def begin(self, shoot: Manifest, rollouts: Sequence[str]) -> Manifest:
        """Accept the operation annotation, and start. rollouts: the pools whose nodes were asked to be replaced."""
        now = rfc3339(self._clock.now())
        status: dict[str, Any] = {
            "lastOperation": self._operation("Processing", 0, INITIALIZED),
            "observedGeneration": shoot["metadata"]["generation"],
        }
        observed = dig(shoot, "status", "observedGeneration") == shoot["metadata"]["generation"]
        if not dig(shoot, "status", "retryCycleStartTime") or not observed or _operation(shoot):
            status["retryCycleStartTime"] = now
        if rollouts:
            pending = [{"name": name, "lastInitiationTime": now} for name in rollouts]
            status["manualWorkerPoolRollout"] = {"pendingWorkersRollouts": pending}
        await self._status(status)
        return await self._annotate({OPERATION: None})

    async def progress(self, percent: int, description: str) -> Manifest:
        return await self._status({"lastOperation": self._operation("Processing", percent, description)})

    async def succeed(self) -> Manifest:
        return await self._status(
            {
                "lastOperation": self._operation("Succeeded", 100, SUCCEEDED),
                "lastErrors": None,
                "manualWorkerPoolRollout": None,
                "retryCycleStartTime": None,
            }
        )

    async def fail(self, text: str, errors: Sequence[TaskError], *, final: bool) -> Manifest:
        """Error, which is retried, or Failed (docs/reference/gardener.md#failed-or-error)."""
        now = rfc3339(self._clock.now())
        percent = int(dig(await self.read(), "status", "lastOperation", "progress") or 0)
        shown = text if final else f"{text} Operation will be retried."
        entries = [
            {
                "description": error.description,
                "taskID": error.task,
                "lastUpdateTime": now,
                **({"codes": list(error.codes)} if error.codes else {}),
            }
            for error in errors
        ]
        operation = self._operation("Failed" if final else "Error", percent, shown)
        return await self._status({"lastOperation": operation, "lastErrors": entries})

    async def networking(self, value: Manifest) -> Manifest:
        return await self._status({"networking": value})

    async def constraints(self, changes: Sequence[Change]) -> Manifest:
        shoot = await self.read()
        current = dig(shoot, "status", "constraints") or []
        wanted = apply_changes(current, changes, now=self._clock.now())
        return shoot if wanted == current else await self._status({"constraints": wanted})

    async def remove_task(self, task: str, generation: int) -> Manifest:
        """Unless the spec has changed since `generation`."""
        shoot = await self.read()
        if shoot["metadata"]["generation"] != generation:
            return shoot
        return await self._annotate({TASKS: remove_tasks(shoot, [task])})

    async def write_cluster(self, shoot: Manifest) -> None:
        """Replace the copy of the Shoot that the extensions read (docs/reference/gardener.md#cluster-copy)."""
        live = await self._seed.get(CLUSTER, technical_id(shoot))
        if live is None:
            await self._seed.create(CLUSTER, extensions.cluster(ShootView.of(shoot)))
        elif live["spec"].get("shoot") != shoot:
            await self._seed.replace(CLUSTER, {**live, "spec": {**live["spec"], "shoot": shoot}})

    def _operation(self, state: str, percent: int, description: str) -> Manifest:
        return {
            "type": "Reconcile",
            "state": state,
            "progress": percent,
            "description": description,
            "lastUpdateTime": rfc3339(self._clock.now()),
        }

    async def _status(self, change: dict[str, Any]) -> Manifest:
        return await self._garden.patch(SHOOT, self._name, {"status": change}, self._namespace, subresource="status")

    async def _annotate(self, annotations: dict[str, str | None]) -> Manifest:
        change = {"metadata": {"annotations": annotations}}
        return await self._garden.patch(SHOOT, self._name, change, self._namespace)


def _operation(shoot: Manifest) -> str:
    return str(dig(shoot, "metadata", "annotations", OPERATION) or "")
