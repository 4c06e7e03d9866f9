"""How workload controllers delete pods that they own: a few at a time, and never another pod of the same name."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import POD, Manifest
from dualstack_sim.actors.informer import Informer
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import Conflict

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
