"""Draining a Node: cordon it, evict its pods as budgets allow, and see them gone (gardener-behaviour.md 11.5)."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.pods import BY_NODE, controller_of, is_terminating
from dualstack_sim.actors.refusals import Conflict, KubeRefusal, NotFound

LOOK_AGAIN_SECONDS = 20.0
"""Seconds between two attempts at a pod whose budget does not allow its eviction, as the machine controller's."""

_MIRROR = "kubernetes.io/config.mirror"


class Drainer:
    """Level-triggered: call `drain` until it says the Node is empty. Remembers only when it asked for which pod."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._kube, _ = context.named("machine-controller-manager")
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._asked: dict[str, dict[str, float]] = {}

    async def drain(self, node: Manifest, *, force: bool) -> float | None:
        """One step; None when nothing is left to wait for, else the seconds after which to come again.

        With `force` the pods are deleted, whatever budgets say, and not waited for.
        """
        name = node["metadata"]["name"]
        await self._cordon(node)
        left = movable(self._pods.indexed(BY_NODE, name))
        if force:
            await asyncio.gather(*(self._kill(pod) for pod in left))
            left = []
        if not left:
            self._asked.pop(name, None)
            return None
        now = self._clock.now()
        asked = self._asked.setdefault(name, {})
        due = [
            pod
            for pod in left
            if not is_terminating(pod) and asked.get(pod["metadata"]["uid"], 0.0) + LOOK_AGAIN_SECONDS <= now
        ]
        await asyncio.gather(*(self._evict(pod) for pod in due))
        asked.update((pod["metadata"]["uid"], now) for pod in due)
        return LOOK_AGAIN_SECONDS

    async def _cordon(self, node: Manifest) -> None:
        if node["spec"].get("unschedulable"):
            return
        try:
            answer = await self._kube.patch(NODE, node["metadata"]["name"], {"spec": {"unschedulable": True}})
        except NotFound:
            return
        self._nodes.observe(answer)

    async def _evict(self, pod: Manifest) -> None:
        """Ask once. Whatever the answer is, the pod shows what became of it; a refusal is asked again later."""
        metadata = pod["metadata"]
        try:
            await self._kube.evict(metadata["name"], metadata["namespace"])
        except NotFound:
            self._pods.forget(pod)
        except KubeRefusal:
            return

    async def _kill(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        try:
            await self._kube.delete(POD, metadata["name"], metadata["namespace"], grace_seconds=0, uid=metadata["uid"])
        except Conflict:
            return  # another pod has taken the name


def movable(pods: list[Manifest]) -> list[Manifest]:
    """The pods that a drain waits for: not those of DaemonSets, and no static ones."""
    return [
        pod
        for pod in pods
        if controller_of(pod)[0] != "DaemonSet" and _MIRROR not in (pod["metadata"].get("annotations") or {})
    ]
