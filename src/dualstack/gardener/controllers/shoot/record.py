"""Writes the Shoot's status, its copy in the seed, and the annotations that Gardener removes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import sentence
from dualstack.gardener.model.constraints import Change, apply_changes
from dualstack.gardener.model.defaults import remove_tasks
from dualstack.gardener.model.kinds import CLOUD_PROFILE, CLUSTER, SHOOT
from dualstack.gardener.model.names import OPERATION, TASKS
from dualstack.gardener.model.shoot import cloud_profile_of, technical_id
from dualstack.kube.apply import until_current
from dualstack.kube.event_recorder import EventRecorder
from dualstack.kube.interface import NotFound
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

INITIALIZED = "Reconciliation of Shoot cluster initialized."
SUCCEEDED = "Shoot cluster has been successfully reconciled."
ANNOTATIONS = "Checking the annotations of the Shoot"
"""The task of annotations without effect, in `lastErrors[].taskID`; passes neither set nor remove its entry."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed pass. `task` is the step in which it failed, `since` the first of `count` failures in it (RFC 3339).

    `final`: it is not retried.
    """

    task: str
    description: str
    codes: tuple[str, ...]
    since: str
    count: int
    final: bool


class ShootRecord:
    """One Shoot in the garden. Every method that writes returns the current Shoot if it returns one."""

    def __init__(self, clusters: Clusters, clock: Clock, name: str, namespace: str) -> None:
        self._garden, self._seed = clusters.garden, clusters.seed
        self._clock = clock
        self._name = name
        self._namespace = namespace

    @property
    def events(self) -> EventRecorder:
        """Writes Events about the Shoot."""
        return EventRecorder(self._garden, self._clock, SHOOT, self._name, self._namespace)

    async def find(self) -> Manifest | None:
        """The Shoot, or None."""
        return await self._garden.get(SHOOT, self._name, self._namespace)

    async def read(self) -> Manifest:
        """The Shoot; raises NotFound when it is gone."""
        shoot = await self.find()
        if shoot is None:
            raise NotFound(f'shoots.core.gardener.cloud "{self._name}" not found')
        return shoot

    async def change_constraints(self, changes: Sequence[Change]) -> Manifest:
        """Change constraints; those of other writers stay, also under concurrent writes."""

        async def write(shoot: Manifest) -> Manifest:
            current = dig(shoot, "status", "constraints") or []
            wanted = apply_changes(current, changes, now=self._clock.now())
            return shoot if wanted == current else await self._status({"constraints": wanted}, seen=shoot)

        return await until_current(self.read, write)

    async def processing(self, progress: int, description: str) -> Manifest:
        """Set lastOperation to Processing with this percentage."""
        return await self._status({"lastOperation": self._operation("Processing", progress, description)})

    async def succeeded(self, generation: int) -> Manifest:
        """Set lastOperation to Succeeded/100; remove errors and requested rollouts."""
        kept = _of_annotations(await self.read())
        return await self._status(
            {
                "lastOperation": self._operation("Succeeded", 100, SUCCEEDED),
                "lastErrors": kept or None,
                "manualWorkerPoolRollout": None,
                "observedGeneration": generation,
                "retryCycleStartTime": None,
            }
        )

    async def failed(self, failure: Failure, generation: int) -> Manifest:
        """Set lastOperation to Error or Failed, with one entry in lastErrors."""
        text = sentence(failure.description)
        if failure.count > 1:
            text = f"{text} It has failed {failure.count} times since {failure.since}."
        shown = text if failure.final else f"{text} Operation will be retried."
        before = await self.read()
        current = dig(before, "status", "lastOperation", "progress") or 0
        return await self._status(
            {
                "lastOperation": self._operation("Failed" if failure.final else "Error", int(current), shown),
                "lastErrors": [self._error(text, failure.codes, failure.task), *_of_annotations(before)],
                "observedGeneration": generation,
                "retryCycleStartTime": failure.since,
            }
        )

    async def new_retry_cycle(self) -> None:
        """The next failure is the first of its kind (docs/reference/gardener.md#failed-or-error)."""
        if dig(await self.read(), "status", "retryCycleStartTime") is not None:
            await self._status({"retryCycleStartTime": None})

    async def refused(self, description: str, codes: Sequence[str], task: str) -> bool:
        """Set only the entry of `task` in lastErrors: nothing was changed. False if it has that text already."""
        return await self._set_error(task, self._error(sentence(description), codes, task))

    async def accepted(self, task: str) -> None:
        """Remove the entry of `task` from lastErrors, if there is one."""
        await self._set_error(task, None)

    async def _set_error(self, task: str, error: Manifest | None) -> bool:
        """Replace or remove the entry of `task`; whether that changed its text."""

        async def write(shoot: Manifest) -> bool:
            known = dig(shoot, "status", "lastErrors") or []
            others = [entry for entry in known if entry.get("taskID") != task]
            same = [entry["description"] for entry in known if entry.get("taskID") == task]
            if same == ([error["description"]] if error else []):
                return False
            errors = [*others, *([error] if error else [])]
            await self._status({"lastErrors": errors or None}, seen=shoot)
            return True

        return await until_current(self.read, write)

    async def hibernated(self, value: bool) -> Manifest:
        """Set `status.hibernated`, which follows the spec when the machines do."""
        shoot = await self.read()
        return shoot if bool(dig(shoot, "status", "hibernated")) is value else await self._status({"hibernated": value})

    async def networking(self, networking: Manifest) -> Manifest:
        """Replace `status.networking` as a whole (docs/reference/gardener.md#status-networking)."""
        keys = ("pods", "nodes", "services", "egressCIDRs")
        wanted = {key: list(networking.get(key) or []) for key in keys}
        shoot = await self.read()
        if dig(shoot, "status", "networking") == wanted:
            return shoot
        return await self._status({"networking": wanted})

    async def rollouts(self, value: dict[str, object]) -> Manifest:
        """Set `status.manualWorkerPoolRollout`."""
        return await self._status({"manualWorkerPoolRollout": value})

    async def request(self, operation: str) -> None:
        """Set `gardener.cloud/operation`, unless it has a value."""
        await self._annotate(OPERATION, lambda shoot: dig(shoot, "metadata", "annotations", OPERATION) or operation)

    async def remove_operation(self, operation: str) -> Manifest:
        """Remove `gardener.cloud/operation` if its value is still `operation`."""

        def left(shoot: Manifest) -> str | None:
            current: str | None = dig(shoot, "metadata", "annotations", OPERATION)
            return None if current == operation else current

        return await self._annotate(OPERATION, left)

    async def remove_task(self, task: str, generation: int) -> Manifest:
        """Remove the task from `shoot.gardener.cloud/tasks`, unless the spec has changed since `generation`.

        The task of a spec that is not applied yet belongs to the next pass (docs/reference/gardener.md#tasks).
        """

        def left(shoot: Manifest) -> str | None:
            current: str | None = dig(shoot, "metadata", "annotations", TASKS)
            return remove_tasks(shoot, (task,)) if shoot["metadata"]["generation"] == generation else current

        return await self._annotate(TASKS, left)

    async def sync_cluster(self, shoot: Manifest) -> None:
        """Copy the Shoot into `Cluster/<technical ID>` for the extensions (docs/reference/gardener.md#cluster-copy)."""
        metadata = {key: value for key, value in shoot["metadata"].items() if key != "managedFields"}
        copied = {**shoot, "metadata": metadata}
        name = technical_id(shoot)
        live = await self._seed.get(CLUSTER, name)
        if live is None:
            profile = (
                await self._garden.get(CLOUD_PROFILE, cloud_profile_of(shoot)) if cloud_profile_of(shoot) else None
            )
            spec = {"shoot": copied, "seed": {}, "cloudProfile": profile or {}}
            manifest = {"apiVersion": CLUSTER.api_version, "kind": CLUSTER.kind, "metadata": {"name": name}}
            await self._seed.create(CLUSTER, {**manifest, "spec": spec})
        elif live["spec"].get("shoot") != copied:
            # A merge patch would keep keys that the Shoot no longer has.
            change = [{"op": "add", "path": "/spec/shoot", "value": copied}]
            await self._seed.patch(CLUSTER, name, change, patch_type="json")

    def _operation(self, state: str, progress: int, description: str) -> dict[str, Any]:
        return {
            "type": "Reconcile",
            "state": state,
            "progress": progress,
            "description": description,
            "lastUpdateTime": rfc3339(self._clock.now()),
        }

    def _error(self, text: str, codes: Sequence[str], task: str) -> dict[str, Any]:
        error: dict[str, Any] = {"description": text, "taskID": task, "lastUpdateTime": rfc3339(self._clock.now())}
        return {**error, "codes": list(codes)} if codes else error

    async def _status(self, status: Manifest, seen: Manifest | None = None) -> Manifest:
        """Patch the status; Conflict when the Shoot has changed since `seen`."""
        body: Manifest = {"status": status}
        if seen is not None:
            body["metadata"] = {"resourceVersion": seen["metadata"]["resourceVersion"]}
        return await self._garden.patch(SHOOT, self._name, body, self._namespace, subresource="status")

    async def _annotate(self, annotation: str, value_of: Callable[[Manifest], str | None]) -> Manifest:
        """Set or remove one annotation; `value_of` gets the version of the Shoot that is changed."""

        async def write(shoot: Manifest) -> Manifest:
            value = value_of(shoot)
            if value == dig(shoot, "metadata", "annotations", annotation):
                return shoot
            version = shoot["metadata"]["resourceVersion"]
            body = {"metadata": {"annotations": {annotation: value}, "resourceVersion": version}}
            return await self._garden.patch(SHOOT, self._name, body, self._namespace)

        return await until_current(self.read, write)


def _of_annotations(shoot: Manifest) -> list[Manifest]:
    """The entry of the annotations in lastErrors, if any."""
    return [entry for entry in dig(shoot, "status", "lastErrors") or () if entry.get("taskID") == ANNOTATIONS]
