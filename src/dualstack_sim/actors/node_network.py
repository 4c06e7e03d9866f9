"""The Node condition NetworkUnavailable, and the taint that follows it (gardener-behaviour.md 8.1, 8.4)."""

from __future__ import annotations

from dualstack.model.conditions import HEARTBEAT_TIME, find_condition, with_condition
from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.kube_api import KubeApi

UNAVAILABLE_TAINT = "node.kubernetes.io/network-unavailable"


async def set_network_available(
    kube: KubeApi, node: Manifest, message: str, now: float, *, available: bool
) -> Manifest | None:
    """Set the condition with the reason of the route controllers; None if it stands so already.

    The taint is set in the same breath; in a real cluster the node lifecycle controller does it a moment later.
    """
    conditions = node.get("status", {}).get("conditions", [])
    status, reason = ("False", "RouteCreated") if available else ("True", "NoRouteCreated")
    changed = with_condition(
        conditions, "NetworkUnavailable", status, reason, message, now=now, update_key=HEARTBEAT_TIME
    )
    wanted = find_condition(changed, "NetworkUnavailable")
    name = node["metadata"]["name"]
    taints = [taint for taint in node["spec"].get("taints") or () if taint["key"] != UNAVAILABLE_TAINT]
    if not available:
        taints.append({"key": UNAVAILABLE_TAINT, "effect": "NoSchedule"})
    if taints != (node["spec"].get("taints") or []):
        node = await kube.patch(NODE, name, {"spec": {"taints": taints or None}})
    if wanted == find_condition(conditions, "NetworkUnavailable"):
        return None
    body = {"status": {"conditions": [wanted]}}
    return await kube.patch(NODE, name, body, patch_type="strategic", subresource="status")
