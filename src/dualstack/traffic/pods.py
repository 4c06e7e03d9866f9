"""What the pods of the probers tell: who probes, which nodes have no prober, and why (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.conditions import is_true
from dualstack.model.kinds import Manifest
from dualstack.traffic.pairs import ProberAddress

_ZONE = "topology.kubernetes.io/zone"


def members_of(
    nodes: Iterable[Manifest], pods: Iterable[Manifest]
) -> tuple[tuple[ProberAddress, ...], tuple[str, ...], frozenset[str]]:
    """The probers that are ready, the nodes without one, and the nodes that are ready."""
    by_name = {node["metadata"]["name"]: node for node in nodes}
    ready = {node_of(pod): pod for pod in pods if _is_ready(pod) and _addresses(pod)}
    members = tuple(
        ProberAddress(name, _addresses(ready[name]), (node["metadata"].get("labels") or {}).get(_ZONE, ""))
        for name, node in sorted(by_name.items())
        if name in ready
    )
    without = tuple(sorted(by_name.keys() - ready.keys()))
    return members, without, frozenset(name for name, node in by_name.items() if _is_ready(node))


def node_of(pod: Manifest) -> str:
    """The node that a pod of the DaemonSet runs on or is meant for."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or []:
        for each in term.get("matchFields") or []:
            if each.get("key") == "metadata.name" and each.get("values"):
                return str(each["values"][0])
    return ""


def _is_ready(found: Manifest) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or []
    return is_true(conditions, "Ready") and not found["metadata"].get("deletionTimestamp")


def _addresses(pod: Manifest) -> tuple[str, ...]:
    return tuple(each["ip"] for each in (pod.get("status") or {}).get("podIPs") or () if each.get("ip"))


def reason_of(pod: Manifest | None) -> str:
    """Why a pod is not ready."""
    if pod is None:
        return "it has no pod; see the events of the DaemonSet"
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        for each in (state.get("waiting"), state.get("terminated")):
            if each:
                return ": ".join(text for text in (each.get("reason"), each.get("message")) if text)
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition.get('reason')}: {condition['message']}"
    return f"the pod is {status.get('phase') or 'Pending'}"
