"""The status that a kubelet reports of its pods and of its Node (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.pods import condition


def creating(pod: Manifest, host_addresses: Sequence[str], now: str) -> dict[str, Any]:
    """The status while the containers are created."""
    names = [container["name"] for container in pod["spec"].get("containers", ())]
    reason = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(names)}]"}
    flags = {
        "Initialized": ("True", {}),
        "Ready": ("False", reason),
        "ContainersReady": ("False", reason),
        "PodScheduled": ("True", {}),
    }
    statuses = [
        {
            **_container(container),
            "ready": False,
            "started": False,
            "state": {"waiting": {"reason": "ContainerCreating"}},
        }
        for container in pod["spec"].get("containers", ())
    ]
    return {
        "phase": "Pending",
        "startTime": now,
        **_hosts(host_addresses),
        "conditions": _conditions(pod, flags, now),
        "containerStatuses": statuses,
    }


def running(
    pod: Manifest, host_addresses: Sequence[str], addresses: Sequence[str], now: str, *, unready: str | None = None
) -> dict[str, Any]:
    """The status of running containers; the primary family of `addresses` is first. `unready`: why it is not ready."""
    ready = ("False", {"reason": "ContainersNotReady", "message": unready}) if unready else ("True", {})
    flags = {
        "PodReadyToStartContainers": ("True", {}),
        "Initialized": ("True", {}),
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": ("True", {}),
    }
    statuses = [
        {
            **_container(container),
            "ready": unready is None,
            "started": True,
            "containerID": f"containerd://{pod['metadata']['uid'].replace('-', '')}",
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"].get("containers", ())
    ]
    return {
        "phase": "Running",
        "startTime": pod.get("status", {}).get("startTime") or now,
        **_hosts(host_addresses),
        "podIP": addresses[0] if addresses else None,
        "podIPs": [{"ip": address} for address in addresses],
        "conditions": _conditions(pod, flags, now),
        "containerStatuses": statuses,
    }


def ready_condition(before: dict[str, Any] | None, status: str, reason: str, message: str, now: str) -> dict[str, Any]:
    """The Ready condition of a Node. lastTransitionTime is kept if the status does not change."""
    same = before is not None and before.get("status") == status
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": before.get("lastTransitionTime", now) if before is not None and same else now,
    }


def pressure_conditions(now: str) -> list[dict[str, Any]]:
    """The conditions of a healthy kubelet about memory, disk and process IDs."""
    words = {
        "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    }
    return [
        {
            "type": kind,
            "status": "False",
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, (reason, message) in words.items()
    ]


def _container(container: dict[str, Any]) -> dict[str, Any]:
    image = container.get("image", "")
    return {"name": container["name"], "image": image, "imageID": image, "restartCount": 0}


def _hosts(addresses: Sequence[str]) -> dict[str, Any]:
    if not addresses:
        return {}
    return {"hostIP": addresses[0], "hostIPs": [{"ip": address} for address in addresses]}


def _conditions(pod: Manifest, flags: dict[str, tuple[str, dict[str, str]]], now: str) -> list[dict[str, Any]]:
    """The conditions of the kubelet, and unchanged those of other writers."""
    result = [each for each in pod.get("status", {}).get("conditions") or () if each.get("type") not in flags]
    for kind, (status, why) in flags.items():
        before = condition(pod, kind)
        kept = before is not None and before.get("status") == status
        since = before.get("lastTransitionTime", now) if before is not None and kept else now
        result.append({"type": kind, "status": status, **why, "lastProbeTime": None, "lastTransitionTime": since})
    return result
