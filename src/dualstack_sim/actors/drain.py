"""Drains a Node: cordons it, evicts its pods as disruption budgets allow, and waits until they are gone
(docs/reference/gardener.md#golden-drain).
"""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.pods import BY_NODE, controller_of, is_terminating
from dualstack_sim.actors.refusals import Conflict, KubeRefusal, NotFound

RECHECK_SECONDS = 20.0
"""Seconds between two evictions of the same pod, as in the machine controller."""

_MIRROR = "kubernetes.io/config.mirror"


class Drainer:
    """Level-triggered: call `drain` until it returns None. Remembers only when it last evicted each pod."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._kube, _ = context.named("machine-controller-manager")
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._evicted_at: dict[str, dict[str, float]] = {}

    async def drain(self, node: Manifest, *, force: bool) -> float | None:
        """One step. Returns None when no pod is left, else the seconds until the next step.

        With `force` the pods are deleted regardless of budgets, without waiting for them.
        """
        name = node["metadata"]["name"]
        await self._cordon(node)
        left = movable(self._pods.indexed(BY_NODE, name))
        if force:
            await asyncio.gather(*(self._delete(pod) for pod in left))
            left = []
        if not left:
            self._evicted_at.pop(name, None)
            return None
        now = self._clock.now()
        evicted_at = self._evicted_at.setdefault(name, {})
        due = [
            pod
            for pod in left
            if not is_terminating(pod) and evicted_at.get(pod["metadata"]["uid"], 0.0) + RECHECK_SECONDS <= now
        ]
        await asyncio.gather(*(self._evict(pod) for pod in due))
        evicted_at.update((pod["metadata"]["uid"], now) for pod in due)
        return RECHECK_SECONDS

    async def _cordon(self, node: Manifest) -> None:
        if node["spec"].get("unschedulable"):
            return
        try:
            answer = await self._kube.patch(NODE, node["metadata"]["name"], {"spec": {"unschedulable": True}})
        except NotFound:
            return
        self._nodes.observe(answer)

    async def _evict(self, pod: Manifest) -> None:
        """Evict once. A refused eviction is repeated later."""
        metadata = pod["metadata"]
        try:
            await self._kube.evict(metadata["name"], metadata["namespace"])
        except NotFound:
            self._pods.forget(pod)
        except KubeRefusal:
            return

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        try:
            await self._kube.delete(POD, metadata["name"], metadata["namespace"], grace_seconds=0, uid=metadata["uid"])
        except Conflict:
            return  # another pod of the same name


def movable(pods: list[Manifest]) -> list[Manifest]:
    """The pods that a drain evicts: not those of DaemonSets, and not static pods."""
    return [
        pod
        for pod in pods
        if controller_of(pod)[0] != "DaemonSet" and _MIRROR not in (pod["metadata"].get("annotations") or {})
    ]
