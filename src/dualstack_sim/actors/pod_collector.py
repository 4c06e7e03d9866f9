"""The pod garbage collector of kube-controller-manager: it force-deletes pods of deleted Nodes."""

from __future__ import annotations

from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.pods import BY_NODE, by_node
from dualstack_sim.actors.refusals import Conflict

_QUARANTINE_SECONDS = 40.0
"""How long the Node must be missing."""


class PodCollector:
    """Runs when a Node is deleted, or when the Node of a pod does not exist."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.named("pod-garbage-collector")
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._queue = context.queue("pod collector")
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        self._pods.index(BY_NODE, by_node)
        await self._context.informers.synced(NODE, POD)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        await self._queue.serve(self._reconcile)

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None:
            self._missing_since.pop(new["metadata"]["name"], None)
        elif old is not None:
            self._queue.add(key_of(old))

    def _pod_changed(self, _old: Manifest | None, new: Manifest | None) -> None:
        for name in by_node(new) if new is not None else ():
            if (
                name != self._context.control_plane_host
                and name not in self._missing_since
                and self._nodes.get(name) is None
            ):
                self._queue.add(("", name))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        name = key[1]
        pods = self._pods.indexed(BY_NODE, name)
        if name == self._context.control_plane_host or not pods or self._nodes.get(name) is not None:
            self._missing_since.pop(name, None)
            return None
        now = self._context.clock.now()
        left = self._missing_since.setdefault(name, now) + _QUARANTINE_SECONDS - now
        if left > 0:
            return left
        for pod in pods:
            await self._collect(pod)
        return _QUARANTINE_SECONDS

    async def _collect(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        try:
            await self._kube.delete(POD, metadata["name"], metadata["namespace"], grace_seconds=0, uid=metadata["uid"])
        except Conflict:
            return  # another pod of the same name
        self._pods.forget(pod)
