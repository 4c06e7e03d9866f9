"""The ReplicaSet controller: as many pods as there are replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from dualstack.model.kinds import POD, REPLICA_SET, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.ownership import delete_pods, on_change, on_owned_change
from dualstack_sim.actors.pods import (
    BY_OWNER,
    NAME_ALPHABET,
    by_owner,
    condition,
    is_active,
    is_ready,
    is_terminating,
    pod_of,
    seconds_to_available,
)
from dualstack_sim.actors.refusals import AlreadyExists, NotFound

_AT_ONCE = 10
"""Pods that are created in parallel."""


class ReplicaSetController:
    """Pods of the control plane are bound to the seed's node on creation (docs/objects.md)."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.named("replicaset-controller")
        self._sets = context.informers.of(REPLICA_SET)
        self._pods = context.informers.of(POD)
        self._queue = context.queue("replica sets")
        self._ordinals: dict[str, int] = {}

    async def run(self) -> None:
        self._pods.index(BY_OWNER, by_owner)
        await self._context.informers.synced(REPLICA_SET, POD)
        self._sets.subscribe(on_change(self._queue))
        self._pods.subscribe(on_owned_change(self._queue, REPLICA_SET))
        await self._queue.serve(self._reconcile, workers=4)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        replica_set = self._sets.get(key[1], key[0])
        if replica_set is None or is_terminating(replica_set):
            return None
        active = self._active(replica_set)
        surplus = len(active) - int(replica_set["spec"].get("replicas", 1))
        if surplus < 0:
            await self._create(replica_set, -surplus)
        elif surplus > 0:
            await delete_pods(self._kube, self._pods, deletion_order(active)[:surplus])
        return await self._publish(replica_set)

    def _active(self, replica_set: Manifest) -> list[Manifest]:
        return [pod for pod in self._pods.indexed(BY_OWNER, replica_set["metadata"]["uid"]) if is_active(pod)]

    async def _create(self, replica_set: Manifest, count: int) -> None:
        for start in range(0, count, _AT_ONCE):
            batch = range(min(_AT_ONCE, count - start))
            await asyncio.gather(*(self._create_one(replica_set) for _ in batch))

    async def _create_one(self, replica_set: Manifest) -> None:
        metadata = replica_set["metadata"]
        ordinal = self._ordinals.get(metadata["uid"], 0)
        self._ordinals[metadata["uid"]] = ordinal + 1
        suffix = self._context.chance.word(5, "pod", metadata["uid"], ordinal, alphabet=NAME_ALPHABET)
        node = self._context.control_plane_host if metadata["namespace"] == self._context.namespace else None
        pod = pod_of(REPLICA_SET, replica_set, name=f"{metadata['name']}-{suffix}", node=node)
        try:
            self._pods.observe(await self._kube.create(POD, pod))
        except AlreadyExists:
            self._queue.add(key_of(replica_set))  # the next ordinal gives another name

    async def _publish(self, replica_set: Manifest) -> float | None:
        """Write the status if it changes. Returns the seconds until the next pod becomes available."""
        least = replica_set["spec"].get("minReadySeconds", 0)
        now = self._context.clock.now()
        active = self._active(replica_set)
        waits = [seconds_to_available(pod, least, now) for pod in active]
        status: dict[str, Any] = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": sum(1 for pod in active if is_ready(pod)),
            "availableReplicas": sum(1 for wait in waits if wait == 0),
            "observedGeneration": replica_set["metadata"].get("generation", 0),
        }
        if any(replica_set.get("status", {}).get(name, 0) != value for name, value in status.items()):
            metadata = replica_set["metadata"]
            patch = {"status": status}
            try:
                self._sets.observe(
                    await self._kube.patch(
                        REPLICA_SET, metadata["name"], patch, metadata["namespace"], subresource="status"
                    )
                )
            except NotFound:
                return None
        return min((wait for wait in waits if wait), default=None)


def deletion_order(pods: Iterable[Manifest]) -> list[Manifest]:
    """The order in which pods are deleted: unbound, not running, not ready, youngest, then by name."""

    def deletion_order(pod: Manifest) -> tuple[bool, bool, bool]:
        running = pod.get("status", {}).get("phase") == "Running"
        return bool(pod["spec"].get("nodeName")), running, is_ready(pod)

    def ready_since(pod: Manifest) -> str:
        ready = condition(pod, "Ready")
        return str((ready or {}).get("lastTransitionTime") or pod["metadata"].get("creationTimestamp") or "")

    by_name = sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    youngest_first = sorted(by_name, key=ready_since, reverse=True)
    return sorted(youngest_first, key=deletion_order)
