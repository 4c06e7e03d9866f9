"""MachineSets: as many machines as they have replicas (docs/reference/gardener.md#node-replacement)."""

from __future__ import annotations

import asyncio
from typing import Any

from dualstack.gardener.model.kinds import MACHINE, MACHINE_SET
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.machine_facts import (
    adoption,
    deletion_order,
    is_active,
    is_orphan_of,
    is_running,
    phase_of,
    released,
    seconds_to_available,
)
from dualstack_sim.actors.ownership import on_change, on_owned_change
from dualstack_sim.actors.pods import BY_OWNER, NAME_ALPHABET, by_owner, is_terminating, owner_reference
from dualstack_sim.actors.refusals import AlreadyExists, Conflict, NotFound


class MachineSets:
    """Replaces failed and deleted machines, and deletes surplus ones."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.seed.named("machine-controller-manager")
        self._sets = context.seed.informers.of(MACHINE_SET)
        self._machines = context.seed.informers.of(MACHINE)
        self._queue = context.queue("machine sets")
        self._ordinals: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        self._machines.index(BY_OWNER, by_owner)
        await self._context.seed.informers.synced(MACHINE_SET, MACHINE)
        self._sets.subscribe(on_change(self._queue))
        self._machines.subscribe(on_owned_change(self._queue, MACHINE_SET))
        await self._queue.serve(self._reconcile, workers=4)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        machine_set = self._sets.get(key[1], key[0])
        if machine_set is None:
            return None
        if is_terminating(machine_set):
            await self._end(machine_set)
            return None
        await self._adopt(machine_set)
        owned = self._owned(machine_set)
        await self._delete([each for each in owned if phase_of(each) == "Failed" and not is_terminating(each)])
        active = [machine for machine in owned if is_active(machine)]
        surplus = len(active) - int(machine_set["spec"].get("replicas", 0))
        if surplus < 0:
            await asyncio.gather(*(self._create(machine_set) for _ in range(-surplus)))
        elif surplus > 0:
            await self._delete(deletion_order(active)[:surplus])
        return await self._publish(machine_set)

    def _owned(self, machine_set: Manifest) -> list[Manifest]:
        return self._machines.indexed(BY_OWNER, machine_set["metadata"]["uid"])

    async def _adopt(self, machine_set: Manifest) -> None:
        for machine in self._machines.all(machine_set["metadata"]["namespace"]):
            if is_orphan_of(machine, machine_set) and not is_terminating(machine):
                body = adoption(MACHINE_SET, machine_set, machine)
                name, namespace = machine["metadata"]["name"], machine["metadata"]["namespace"]
                self._machines.observe(await self._kube.patch(MACHINE, name, body, namespace))

    async def _create(self, machine_set: Manifest) -> None:
        metadata = machine_set["metadata"]
        ordinal = self._ordinals.get(metadata["uid"], 0)
        self._ordinals[metadata["uid"]] = ordinal + 1
        suffix = self._context.chance.word(5, "machine-of-set", metadata["name"], ordinal, alphabet=NAME_ALPHABET)
        try:
            answer = await self._kube.create(MACHINE, machine_of(machine_set, f"{metadata['name']}-{suffix}"))
        except AlreadyExists:
            self._queue.add(key_of(machine_set))  # the next ordinal gives another name
            return
        self._machines.observe(answer)

    async def _delete(self, machines: list[Manifest]) -> None:
        await asyncio.gather(*(self._delete_one(machine) for machine in machines))

    async def _delete_one(self, machine: Manifest) -> None:
        metadata = machine["metadata"]
        try:
            answer = await self._kube.delete(MACHINE, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except Conflict:
            return  # another machine of the same name
        if answer is None or answer.get("kind") == "Status":
            self._machines.forget(machine)
        else:
            self._machines.observe(answer)

    async def _end(self, machine_set: Manifest) -> None:
        """Delete the machines, and remove the finalizer when the last one is gone."""
        owned, metadata = self._owned(machine_set), machine_set["metadata"]
        await self._delete([machine for machine in owned if not is_terminating(machine)])
        release = released(machine_set)
        if not owned and release is not None:
            await self._kube.patch(MACHINE_SET, metadata["name"], release, metadata["namespace"])

    async def _publish(self, machine_set: Manifest) -> float | None:
        """Write the status if it changes. Returns the seconds until the next machine becomes available."""
        status, wait = set_status(machine_set, self._owned(machine_set), self._context.clock.now())
        metadata, live = machine_set["metadata"], machine_set.get("status") or {}
        if any(live.get(name, 0) != value for name, value in status.items()):
            try:
                answer = await self._kube.patch(
                    MACHINE_SET, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
                )
            except NotFound:
                return None
            self._sets.observe(answer)
        return wait


def set_status(machine_set: Manifest, machines: list[Manifest], now: float) -> tuple[dict[str, int], float | None]:
    """The status, and the seconds until the next machine becomes available, if any.

    `replicas` includes terminating machines, which exist until their VM is gone.
    """
    least = machine_set["spec"].get("minReadySeconds", 0)
    running = [machine for machine in machines if is_running(machine)]
    waits = [seconds_to_available(machine, least, now) for machine in running]
    status = {
        "replicas": len(machines),
        "fullyLabeledReplicas": len(machines),
        "readyReplicas": len(running),
        "availableReplicas": sum(1 for wait in waits if wait == 0),
        "observedGeneration": int(machine_set["metadata"].get("generation", 0)),
    }
    return status, min((wait for wait in waits if wait), default=None)


def machine_of(machine_set: Manifest, name: str) -> Manifest:
    """The Machine `name` from the set's template."""
    template = machine_set["spec"]["template"]
    metadata: dict[str, Any] = template.get("metadata") or {}
    return {
        "apiVersion": MACHINE.api_version,
        "kind": MACHINE.kind,
        "metadata": {
            "name": name,
            "namespace": machine_set["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            **({"annotations": dict(metadata["annotations"])} if metadata.get("annotations") else {}),
            "finalizers": [MACHINE_FINALIZER],
            "ownerReferences": [owner_reference(MACHINE_SET, machine_set)],
        },
        "spec": dict(template.get("spec") or {}),
    }
