"""What the pods of the probers tell: who probes, and which nodes have no prober (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.conditions import is_true
from dualstack.model.kinds import Manifest
from dualstack.model.node_pods import node_of
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


def _is_ready(found: Manifest) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or []
    return is_true(conditions, "Ready") and not found["metadata"].get("deletionTimestamp")


def _addresses(pod: Manifest) -> tuple[str, ...]:
    return tuple(each["ip"] for each in (pod.get("status") or {}).get("podIPs") or () if each.get("ip"))
