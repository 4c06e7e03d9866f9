"""The DaemonSet controller: one pod on each Node that it fits, renewed a few Nodes at a time.

Simplified: a pod is bound to its Node when it is created; upstream leaves that to the scheduler by a node affinity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.model.kinds import DAEMON_SET, NODE, POD, Manifest
from dualstack_sim.actors.api import ActorContext, ObjectKey, key_of
from dualstack_sim.actors.ownership import on_change, on_owned_change
from dualstack_sim.actors.pod_deletion import delete_pods
from dualstack_sim.actors.pods import (
    BY_OWNER,
    NAME_ALPHABET,
    by_owner,
    is_active,
    is_ready,
    is_terminating,
    pod_of,
    repelling,
    selected,
    template_hash,
)
from dualstack_sim.actors.refusals import AlreadyExists, NotFound
from dualstack_sim.actors.rollout import share

HASH_LABEL = "controller-revision-hash"

_AT_ONCE = 10

_NODE_TROUBLES = {
    "node.kubernetes.io/not-ready": "NoExecute",
    "node.kubernetes.io/unreachable": "NoExecute",
    "node.kubernetes.io/disk-pressure": "NoSchedule",
    "node.kubernetes.io/memory-pressure": "NoSchedule",
    "node.kubernetes.io/pid-pressure": "NoSchedule",
    "node.kubernetes.io/unschedulable": "NoSchedule",
}


@dataclass(slots=True)
class Roster:
    """The pods of one DaemonSet by Node. `strays` are on Nodes where they should not be, or are one too many."""

    current: dict[str, Manifest] = field(default_factory=dict)
    outdated: dict[str, Manifest] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    strays: list[Manifest] = field(default_factory=list)
    vacant: list[str] = field(default_factory=list)


def daemon_tolerations(template: Mapping[str, Any]) -> list[dict[str, str]]:
    """What every DaemonSet pod tolerates on top of its template."""
    troubles = dict(_NODE_TROUBLES)
    if (template.get("spec") or {}).get("hostNetwork"):
        troubles["node.kubernetes.io/network-unavailable"] = "NoSchedule"
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in troubles.items()]


def fitting(template: Mapping[str, Any], nodes: Iterable[Manifest]) -> list[str]:
    """The names of the Nodes on which a pod of the template belongs."""
    spec = template.get("spec") or {}
    tolerations = [*(spec.get("tolerations") or ()), *daemon_tolerations(template)]
    return [
        node["metadata"]["name"]
        for node in nodes
        if selected(node["metadata"].get("labels"), spec.get("nodeSelector"))
        and not repelling(node.get("spec", {}).get("taints") or (), tolerations)
    ]


def muster(pods: Iterable[Manifest], wanted: Iterable[str], hashed: str) -> Roster:
    """Sort the pods of a DaemonSet, given the names of the Nodes that it wants and its template's hash."""
    names = set(wanted)
    roster = Roster()
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        node = str(pod["spec"].get("nodeName", ""))
        up_to_date = (pod["metadata"].get("labels") or {}).get(HASH_LABEL) == hashed
        place = roster.current if up_to_date else roster.outdated
        if is_terminating(pod):
            roster.leaving.add(node)
        elif not is_active(pod) or node not in names or node in place:
            roster.strays.append(pod)
        else:
            place[node] = pod
    taken = roster.current.keys() | roster.outdated.keys() | roster.leaving
    roster.vacant = sorted(names - taken)
    return roster


def to_renew(roster: Roster, limit: int) -> list[Manifest]:
    """The outdated pods to delete now, so that at most `limit` Nodes are without a ready pod.

    Those that are not ready are of no use to anyone and go at once.
    """
    useless = [pod for node, pod in roster.outdated.items() if not is_ready(pod) or node in roster.current]
    serving = {node for place in (roster.current, roster.outdated) for node, pod in place.items() if is_ready(pod)}
    everywhere = roster.current.keys() | roster.outdated.keys() | roster.leaving | set(roster.vacant)
    allowed = max(0, limit - len(everywhere - serving))
    useful = [pod for node, pod in roster.outdated.items() if is_ready(pod) and node not in roster.current]
    return useless + useful[:allowed]


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
        roster = self._muster(daemon_set, hashed)
        await delete_pods(self._kube, self._pods, [*roster.strays, *self._renewals(daemon_set, roster)])
        await self._create(daemon_set, roster.vacant, hashed)
        await self._publish(daemon_set, hashed)
        return None

    def _muster(self, daemon_set: Manifest, hashed: str) -> Roster:
        wanted = fitting(daemon_set["spec"]["template"], self._nodes.all())
        return muster(self._pods.indexed(BY_OWNER, daemon_set["metadata"]["uid"]), wanted, hashed)

    @staticmethod
    def _renewals(daemon_set: Manifest, roster: Roster) -> list[Manifest]:
        strategy = daemon_set["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return []
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        nodes = len(roster.current.keys() | roster.outdated.keys() | roster.leaving) + len(roster.vacant)
        return to_renew(roster, max(1, share(limit, nodes, round_up=True)))

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

    async def _publish(self, daemon_set: Manifest, hashed: str) -> None:
        status = daemon_set_status(daemon_set, self._muster(daemon_set, hashed))
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


def daemon_set_status(daemon_set: Manifest, roster: Roster) -> dict[str, int]:
    """The counts of a DaemonSet's status. A pod that is about to go still stands on its Node, but serves no more."""
    standing = roster.current.keys() | roster.outdated.keys()
    desired = standing | roster.leaving | set(roster.vacant)
    ready = {node for place in (roster.current, roster.outdated) for node, pod in place.items() if is_ready(pod)}
    return {
        "observedGeneration": int(daemon_set["metadata"].get("generation", 0)),
        "desiredNumberScheduled": len(desired),
        "currentNumberScheduled": len(standing | roster.leaving),
        "updatedNumberScheduled": len(roster.current),
        "numberReady": len(ready),
        "numberAvailable": len(ready),
        "numberUnavailable": len(desired) - len(ready),
        "numberMisscheduled": len(roster.strays),
    }


def _placement(node: Manifest) -> tuple[object, object]:
    """What of a Node decides whether a DaemonSet's pod belongs on it."""
    return node["metadata"].get("labels"), node.get("spec", {}).get("taints")
