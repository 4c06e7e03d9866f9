"""The cells of a pod: the one type whose state kubectl's table derives from many fields."""

from __future__ import annotations

from typing import Any

from dualstack_sim.kube.kubectl.ages import age
from dualstack_sim.kube.trees import lookup

Tree = dict[str, Any]


def _container_reason(state: Tree) -> str | None:
    """What keeps a container from running, or how it ended; None while it runs."""
    if reason := lookup(state, ("waiting", "reason")):
        return str(reason)
    ended = state.get("terminated")
    if ended:
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}")
    return None


def pod_status(pod: Tree) -> str:
    """The word in the STATUS column."""
    status = pod.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    initialising = _initialisation(status, lookup(pod, ("spec", "initContainers"), []))
    if initialising:
        word = initialising
    else:
        for container in status.get("containerStatuses") or ():
            word = _container_reason(container.get("state") or {}) or word
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word


def _initialisation(status: Tree, containers: list[Any]) -> str | None:
    for at, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        if lookup(state, ("terminated", "exitCode")) == 0:
            continue
        reason = _container_reason(state)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{at}/{len(containers)}"
    return None


def pod_row(pod: Tree, now: float) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    containers = status.get("containerStatuses") or ()
    ready = sum(1 for each in containers if each.get("ready"))
    addresses = status.get("podIPs") or ()
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or ())}",
        pod_status(pod),
        str(sum(each.get("restartCount", 0) for each in containers)),
        age(pod["metadata"].get("creationTimestamp"), now),
        addresses[0].get("ip") if addresses else "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        "<none>",
    ]
