"""The scheduler: binds pending pods to Nodes, spread by owner, the Nodes with the fewest pods first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of, owner_uid
from dualstack_sim.actors.pods import (
    BY_NODE,
    by_node,
    condition,
    is_active,
    is_terminating,
    is_true,
    selected,
    untolerated,
)
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import Conflict, KubeRefusal, NotFound

_NAMES = ("", "default-scheduler")


def why_unfit(pod: Manifest, node: Manifest, pods_there: int) -> str | None:
    """Why the pod does not fit the Node, as upstream words it; None if it fits."""
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "node(s) were unschedulable"
    if not is_true(node, "Ready"):
        return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
    repelled = untolerated(spec.get("taints") or (), pod["spec"].get("tolerations") or ())
    if repelled:
        return f"node(s) had untolerated taint {{{repelled[0].get('key')}: {repelled[0].get('value', '')}}}"
    if not selected(node["metadata"].get("labels"), pod["spec"].get("nodeSelector")):
        return "node(s) didn't match Pod's node affinity/selector"
    if pods_there >= int((node.get("status", {}).get("allocatable") or {}).get("pods", 110)):
        return "Too many pods"
    return None


def unschedulable_message(reasons: Iterable[str]) -> str:
    """`0/3 nodes are available: 1 node(s) were unschedulable, ...`"""
    counts = Counter(reasons)
    total = counts.total()
    listed = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return f"0/{total} nodes are available: {listed}." if total else "no nodes available to schedule pods"


class Scheduler:
    """Schedules one pod at a time. Pods that fit no Node wait until a Node changes."""

    def __init__(self, context: ActorContext, recorder: Recorder) -> None:
        self._context = context
        self._kube, _ = context.named("kube-scheduler")
        self._recorder = recorder
        self._pods = context.informers.of(POD)
        self._nodes = context.informers.of(NODE)
        self._queue = context.queue("scheduler")
        self._unschedulable: set[ObjectKey] = set()
        self._assumed: dict[ObjectKey, tuple[str, str | None]] = {}
        """Node and owner of pods that are being bound, until the watch confirms it."""

    async def run(self) -> None:
        self._pods.index(BY_NODE, by_node)
        await self._context.informers.synced(POD, NODE)
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)
        await self._queue.serve(self._schedule)

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        pod = new or old
        if pod is None:
            return
        if new is None or not _is_pending(new):
            self._assumed.pop(key_of(pod), None)
        elif key_of(pod) not in self._unschedulable:
            self._queue.add(key_of(pod))

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if old is not None and new is not None and _scheduling_state(old) == _scheduling_state(new):
            return
        for key in self._unschedulable:
            self._queue.add_soon(key, 0.5)

    async def _schedule(self, key: ObjectKey) -> float | None:
        pod = self._pods.get(key[1], key[0])
        self._unschedulable.discard(key)
        if pod is None or not _is_pending(pod) or key in self._assumed:
            return None
        node = self._choose(pod)
        if node is None:
            self._unschedulable.add(key)
            await self._report_unschedulable(pod)
            return None
        self._assumed[key] = (node, owner_uid(pod))  # before the request: the watch may be faster
        try:
            await self._kube.bind(key[1], key[0], node)
        except KubeRefusal as refusal:
            self._assumed.pop(key, None)
            if isinstance(refusal, Conflict | NotFound):
                return None  # already bound, or deleted
            raise
        self._recorder.record(pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {node}")
        return None

    def _choose(self, pod: Manifest) -> str | None:
        owner = owner_uid(pod)
        best: tuple[int, int, str] | None = None
        for node in self._nodes.all():
            name = node["metadata"]["name"]
            there = [each for each in self._pods.indexed(BY_NODE, name) if is_active(each)]
            if why_unfit(pod, node, len(there)) is not None:
                continue
            owners = [*map(owner_uid, there), *(each for place, each in self._assumed.values() if place == name)]
            siblings = owners.count(owner) if owner is not None else 0
            best = min(best or (siblings, len(owners), name), (siblings, len(owners), name))
        return best[2] if best else None

    async def _report_unschedulable(self, pod: Manifest) -> None:
        reasons = (
            why_unfit(pod, node, len(self._pods.indexed(BY_NODE, node["metadata"]["name"])))
            for node in self._nodes.all()
        )
        message = unschedulable_message(each for each in reasons if each is not None)
        before = condition(pod, "PodScheduled")
        if before is not None and before.get("reason") == "Unschedulable":
            return
        self._recorder.record(pod, "FailedScheduling", message, warning=True)
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        metadata = pod["metadata"]
        patch = {"status": {"conditions": [scheduled]}}
        self._pods.observe(
            await self._kube.patch(POD, metadata["name"], patch, metadata["namespace"], subresource="status")
        )


def _is_pending(pod: Manifest) -> bool:
    spec = pod["spec"]
    return not spec.get("nodeName") and not is_terminating(pod) and spec.get("schedulerName", "") in _NAMES


def _scheduling_state(node: Manifest) -> tuple[object, ...]:
    """The fields of a Node that decide whether pods fit."""
    spec = node.get("spec") or {}
    return is_true(node, "Ready"), spec.get("unschedulable"), spec.get("taints"), node["metadata"].get("labels")
