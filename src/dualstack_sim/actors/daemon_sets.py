"""The DaemonSet controller: one pod on each eligible Node, replaced a few Nodes at a time.

Simplified: a pod is bound to its Node when it is created. Upstream sets a node affinity for the scheduler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.model.kinds import DAEMON_SET, NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.ownership import delete_pods, on_change, on_owned_change
from dualstack_sim.actors.pods import (
    BY_OWNER,
    NAME_ALPHABET,
    by_owner,
    is_active,
    is_ready,
    is_terminating,
    pod_of,
    selected,
    template_hash,
    untolerated,
)
from dualstack_sim.actors.refusals import AlreadyExists, NotFound
from dualstack_sim.actors.rollout import share

HASH_LABEL = "controller-revision-hash"

_AT_ONCE = 10

_NODE_TAINTS = {
    "node.kubernetes.io/not-ready": "NoExecute",
    "node.kubernetes.io/unreachable": "NoExecute",
    "node.kubernetes.io/disk-pressure": "NoSchedule",
    "node.kubernetes.io/memory-pressure": "NoSchedule",
    "node.kubernetes.io/pid-pressure": "NoSchedule",
    "node.kubernetes.io/unschedulable": "NoSchedule",
}


@dataclass(slots=True)
class PodGroups:
    """The pods of one DaemonSet by Node. `surplus` are duplicates, or on Nodes that are not eligible."""

    current: dict[str, Manifest] = field(default_factory=dict)
    outdated: dict[str, Manifest] = field(default_factory=dict)
    terminating: set[str] = field(default_factory=set)
    surplus: list[Manifest] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def daemon_tolerations(template: Mapping[str, Any]) -> list[dict[str, str]]:
    """The tolerations that the controller adds to every DaemonSet pod."""
    taints = dict(_NODE_TAINTS)
    if (template.get("spec") or {}).get("hostNetwork"):
        taints["node.kubernetes.io/network-unavailable"] = "NoSchedule"
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in taints.items()]


def eligible_nodes(template: Mapping[str, Any], nodes: Iterable[Manifest]) -> list[str]:
    """The names of the Nodes on which a pod of the template must run."""
    spec = template.get("spec") or {}
    tolerations = [*(spec.get("tolerations") or ()), *daemon_tolerations(template)]
    return [
        node["metadata"]["name"]
        for node in nodes
        if selected(node["metadata"].get("labels"), spec.get("nodeSelector"))
        and not untolerated(node.get("spec", {}).get("taints") or (), tolerations)
    ]


def group_pods(pods: Iterable[Manifest], wanted: Iterable[str], hashed: str) -> PodGroups:
    """Group the pods of a DaemonSet, given the names of its eligible Nodes and its template's hash."""
    names = set(wanted)
    groups = PodGroups()
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        node = str(pod["spec"].get("nodeName", ""))
        up_to_date = (pod["metadata"].get("labels") or {}).get(HASH_LABEL) == hashed
        place = groups.current if up_to_date else groups.outdated
        if is_terminating(pod):
            groups.terminating.add(node)
        elif not is_active(pod) or node not in names or node in place:
            groups.surplus.append(pod)
        else:
            place[node] = pod
    taken = groups.current.keys() | groups.outdated.keys() | groups.terminating
    groups.missing = sorted(names - taken)
    return groups


def pods_to_replace(groups: PodGroups, limit: int) -> list[Manifest]:
    """The outdated pods to delete now, so that at most `limit` Nodes are without a ready pod.

    Pods that are not ready are deleted at once.
    """
    unready = [pod for node, pod in groups.outdated.items() if not is_ready(pod) or node in groups.current]
    serving = {node for place in (groups.current, groups.outdated) for node, pod in place.items() if is_ready(pod)}
    everywhere = groups.current.keys() | groups.outdated.keys() | groups.terminating | set(groups.missing)
    allowed = max(0, limit - len(everywhere - serving))
    replaceable = [pod for node, pod in groups.outdated.items() if is_ready(pod) and node not in groups.current]
    return unready + replaceable[:allowed]


class DaemonSetController:
    """RollingUpdate with maxUnavailable (default 1), and OnDelete."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.named("daemonset-controller")
        self._sets = context.informers.of(DAEMON_SET)
        self._pods = context.informers.of(POD)
        self._nodes = context.informers.of(NODE)
        self._queue = context.queue("daemon sets")
        self._ordinals: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        self._pods.index(BY_OWNER, by_owner)
        await self._context.informers.synced(DAEMON_SET, POD, NODE)
        self._sets.subscribe(on_change(self._queue))
        self._pods.subscribe(on_owned_change(self._queue, DAEMON_SET))
        self._nodes.subscribe(self._node_changed)
        await self._queue.serve(self._reconcile, workers=2)

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if old is not None and new is not None and _placement(old) == _placement(new):
            return
        for daemon_set in self._sets.all():
            self._queue.add_soon(key_of(daemon_set), 0.5)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        daemon_set = self._sets.get(key[1], key[0])
        if daemon_set is None or is_terminating(daemon_set):
            return None
        hashed = template_hash(daemon_set["spec"]["template"])
        groups = self._group_pods(daemon_set, hashed)
        deleted = [*groups.surplus, *self._outdated_pods(daemon_set, groups)]
        if deleted or groups.missing:
            await delete_pods(self._kube, self._pods, deleted)
            await self._create(daemon_set, groups.missing, hashed)
            groups = self._group_pods(daemon_set, hashed)
        await self._publish(daemon_set, daemon_set_status(daemon_set, groups))
        return None

    def _group_pods(self, daemon_set: Manifest, hashed: str) -> PodGroups:
        wanted = eligible_nodes(daemon_set["spec"]["template"], self._nodes.all())
        return group_pods(self._pods.indexed(BY_OWNER, daemon_set["metadata"]["uid"]), wanted, hashed)

    @staticmethod
    def _outdated_pods(daemon_set: Manifest, groups: PodGroups) -> list[Manifest]:
        strategy = daemon_set["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return []
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        nodes = len(groups.current.keys() | groups.outdated.keys() | groups.terminating) + len(groups.missing)
        return pods_to_replace(groups, max(1, share(limit, nodes, round_up=True)))

    async def _create(self, daemon_set: Manifest, nodes: list[str], hashed: str) -> None:
        for start in range(0, len(nodes), _AT_ONCE):
            batch = nodes[start : start + _AT_ONCE]
            await asyncio.gather(*(self._create_one(daemon_set, node, hashed) for node in batch))

    async def _create_one(self, daemon_set: Manifest, node: str, hashed: str) -> None:
        metadata = daemon_set["metadata"]
        place = (metadata["uid"], node)
        ordinal = self._ordinals.get(place, 0)
        self._ordinals[place] = ordinal + 1
        suffix = self._context.chance.word(5, "daemon pod", *place, ordinal, alphabet=NAME_ALPHABET)
        pod = pod_of(
            DAEMON_SET,
            daemon_set,
            name=f"{metadata['name']}-{suffix}",
            labels={HASH_LABEL: hashed},
            node=node,
            tolerations=daemon_tolerations(daemon_set["spec"]["template"]),
        )
        try:
            self._pods.observe(await self._kube.create(POD, pod))
        except AlreadyExists:
            self._queue.add(key_of(daemon_set))  # the next ordinal gives another name

    async def _publish(self, daemon_set: Manifest, status: dict[str, int]) -> None:
        live = daemon_set.get("status") or {}
        if all(live.get(name, 0) == value for name, value in status.items()):
            return
        metadata = daemon_set["metadata"]
        try:
            self._sets.observe(
                await self._kube.patch(
                    DAEMON_SET, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
                )
            )
        except NotFound:
            return


def daemon_set_status(daemon_set: Manifest, groups: PodGroups) -> dict[str, int]:
    """The counts of a DaemonSet's status. A terminating pod counts as scheduled, but not as ready."""
    scheduled = groups.current.keys() | groups.outdated.keys()
    desired = scheduled | groups.terminating | set(groups.missing)
    ready = {node for place in (groups.current, groups.outdated) for node, pod in place.items() if is_ready(pod)}
    return {
        "observedGeneration": int(daemon_set["metadata"].get("generation", 0)),
        "desiredNumberScheduled": len(desired),
        "currentNumberScheduled": len(scheduled | groups.terminating),
        "updatedNumberScheduled": len(groups.current),
        "numberReady": len(ready),
        "numberAvailable": len(ready),
        "numberUnavailable": len(desired) - len(ready),
        "numberMisscheduled": len(groups.surplus),
    }


def _placement(node: Manifest) -> tuple[object, object]:
    """The fields of a Node that decide whether it is eligible."""
    return node["metadata"].get("labels"), node.get("spec", {}).get("taints")
