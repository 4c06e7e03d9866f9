"""Shared parts of controllers that own objects: which changes they watch, and how they delete pods."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import POD, Kind, Manifest
from dualstack_sim.actors.informer import Handler, Informer, ObjectKey, key_of
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.pods import controller_of
from dualstack_sim.actors.refusals import Conflict
from dualstack_sim.actors.workqueue import Workqueue

_DELAY = 0.5
"""Seconds within which changes of several owned objects cause one reconcile of their owner."""


def on_change(queue: Workqueue[ObjectKey]) -> Handler:
    """A handler that queues every object that is added or changed."""

    def changed(_old: Manifest | None, new: Manifest | None) -> None:
        if new is not None:
            queue.add(key_of(new))

    return changed


def on_owned_change(queue: Workqueue[ObjectKey], owner: Kind) -> Handler:
    """A handler that queues the controlling owner of kind `owner` of every object that changes or is deleted."""

    def changed(old: Manifest | None, new: Manifest | None) -> None:
        owned = new or old
        if owned is None:
            return
        kind, name = controller_of(owned)
        if kind == owner.kind:
            queue.add_soon((owned["metadata"]["namespace"], name), _DELAY)

    return changed


_AT_ONCE = 10


async def delete_pods(kube: KubeApi, known: Informer, pods: list[Manifest]) -> None:
    """Delete the pods gracefully, never another pod of the same name, and update the cache `known`."""
    for start in range(0, len(pods), _AT_ONCE):
        await asyncio.gather(*(_delete(kube, known, pod) for pod in pods[start : start + _AT_ONCE]))


async def _delete(kube: KubeApi, known: Informer, pod: Manifest) -> None:
    metadata = pod["metadata"]
    try:
        answer = await kube.delete(POD, metadata["name"], metadata["namespace"], uid=metadata["uid"])
    except Conflict:
        return  # another pod of the same name
    if answer is None or answer.get("kind") == "Status":
        known.forget(pod)
    else:
        known.observe(answer)
