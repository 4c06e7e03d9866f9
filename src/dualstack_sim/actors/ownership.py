"""What a controller of sets listens to: its own objects, and those that they own."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import POD, Kind, Manifest
from dualstack_sim.actors.informer import Handler, Informer, ObjectKey, key_of
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.pods import controller_of
from dualstack_sim.actors.refusals import Conflict
from dualstack_sim.actors.workqueue import Workqueue

_SOON = 0.5
"""Seconds in which the changes of several owned objects become one look at their owner."""


def on_change(queue: Workqueue[ObjectKey]) -> Handler:
    """A handler that queues every object that is there."""

    def changed(_old: Manifest | None, new: Manifest | None) -> None:
        if new is not None:
            queue.add(key_of(new))

    return changed


def on_owned_change(queue: Workqueue[ObjectKey], owner: Kind) -> Handler:
    """A handler that queues, a little later, the controlling owner of that kind of whatever changes or goes."""

    def changed(old: Manifest | None, new: Manifest | None) -> None:
        owned = new or old
        if owned is None:
            return
        kind, name = controller_of(owned)
        if kind == owner.kind:
            queue.add_soon((owned["metadata"]["namespace"], name), _SOON)

    return changed


_AT_ONCE = 10


async def delete_pods(kube: KubeApi, known: Informer, pods: list[Manifest]) -> None:
    """Delete each, gracefully where it runs on a node, and take the answers into `known`."""
    for start in range(0, len(pods), _AT_ONCE):
        await asyncio.gather(*(_delete(kube, known, pod) for pod in pods[start : start + _AT_ONCE]))


async def _delete(kube: KubeApi, known: Informer, pod: Manifest) -> None:
    metadata = pod["metadata"]
    try:
        answer = await kube.delete(POD, metadata["name"], metadata["namespace"], uid=metadata["uid"])
    except Conflict:
        return  # another pod has taken the name: the watch will tell
    if answer is None or answer.get("kind") == "Status":
        known.forget(pod)
    else:
        known.observe(answer)
