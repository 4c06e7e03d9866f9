"""Why a wait takes long: the Machines, Nodes and pods that are not ready, each with since when and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.model.kinds import MACHINE
from dualstack.kube.interface import Kube
from dualstack.model.conditions import find_condition
from dualstack.model.errors import KubeError
from dualstack.model.json_path import dig
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, Manifest

_MOST = 3
"""Objects of one kind in a diagnosis; the others are counted."""
_LONGEST = 300
"""Characters of a message of another program in a diagnosis."""
_GOOD_PHASES = ("Running", "Available")


async def of_machines(clusters: Clusters, namespace: str) -> str:
    """The Machines and Nodes of a shoot that are not ready; empty when all are, or when they cannot be read."""
    with suppress(KubeError):
        machines = machine_problems(await clusters.seed.list(MACHINE, namespace))
        try:
            return listed(machines, node_problems(await clusters.shoot(namespace).list(NODE)))
        except KubeError as error:
            return listed(machines, [str(error)])
    return ""


async def of_workloads(kube: Kube, manifests: Sequence[Manifest]) -> str:
    """The pods of these Deployments and DaemonSets that are not ready, and the Nodes that are not."""
    found: list[str] = []
    kinds = {kind.kind: kind for kind in (DEPLOYMENT, DAEMON_SET)}
    with suppress(KubeError):
        for manifest in manifests:
            kind = kinds.get(manifest["kind"])
            labels = dig(manifest, "spec", "selector", "matchLabels")
            if kind is None or not labels:
                continue
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            found += pod_problems(await kube.list(POD, manifest["metadata"].get("namespace"), labels=selector))
        return listed(found, node_problems(await kube.list(NODE)))
    return ""


async def of_pods(kube: Kube, namespace: str, labels: str) -> str:
    """The pods with these labels that are not ready, and the Nodes that are not."""
    with suppress(KubeError):
        return listed(
            pod_problems(await kube.list(POD, namespace, labels=labels)), node_problems(await kube.list(NODE))
        )
    return ""


def listed(*problems: Sequence[str]) -> str:
    """The first problems of each kind as one clause, and how many more there are."""
    parts = ["; ".join(each[:_MOST]) + _more(len(each) - _MOST) for each in problems if each]
    return "; ".join(parts)


def machine_problems(machines: Iterable[Manifest]) -> list[str]:
    """One clause for each Machine that does not run; those with an error first."""
    found = []
    for machine in machines:
        phase = dig(machine, "status", "currentStatus", "phase") or ""
        deleted = machine["metadata"].get("deletionTimestamp")
        if phase in _GOOD_PHASES and not deleted:
            continue
        last = dig(machine, "status", "lastOperation") or {}
        state = "is being deleted" if deleted else f"is {phase}" if phase else "was not created yet"
        since = dig(machine, "status", "currentStatus", "lastUpdateTime") or machine["metadata"]["creationTimestamp"]
        code = f"{last['errorCode']}: " if last.get("errorCode") else ""
        text = _clause("Machine", machine, state, deleted or since, code + str(last.get("description", "")))
        found.append((last.get("state") != "Failed", str(since), text))
    return [text for *_, text in sorted(found)]


def node_problems(nodes: Iterable[Manifest]) -> list[str]:
    """One clause for each Node that is not Ready, or has no pod CIDR."""
    found = []
    for node in nodes:
        conditions = dig(node, "status", "conditions") or ()
        ready = find_condition(conditions, "Ready")
        created = node["metadata"].get("creationTimestamp", "")
        if ready is None or ready.get("status") != "True":
            since = (ready or {}).get("lastTransitionTime") or created
            found.append(_clause("Node", node, "is not Ready", since, _reason(ready)))
        elif not dig(node, "spec", "podCIDRs"):
            unavailable = find_condition(conditions, "NetworkUnavailable")
            why = _reason(unavailable) if (unavailable or {}).get("status") == "True" else ""
            found.append(_clause("Node", node, "has no pod CIDR", created, why))
    return found


def pod_problems(pods: Iterable[Manifest]) -> list[str]:
    """One clause for each pod that is not ready, with the reason of its container or of the scheduler."""
    return [text for pod in pods if (text := _pod_problem(pod))]


def _pod_problem(pod: Manifest) -> str:
    conditions = dig(pod, "status", "conditions") or ()
    ready = find_condition(conditions, "Ready")
    if dig(pod, "status", "phase") == "Succeeded" or (ready is not None and ready.get("status") == "True"):
        return ""
    if since := pod["metadata"].get("deletionTimestamp"):
        return _clause("Pod", pod, "is being deleted", since, "")
    created = pod["metadata"].get("creationTimestamp", "")
    scheduled = find_condition(conditions, "PodScheduled")
    if scheduled is not None and scheduled.get("status") != "True":
        since = scheduled.get("lastTransitionTime") or created
        return _clause("Pod", pod, "is not scheduled", since, _reason(scheduled))
    since = (ready or {}).get("lastTransitionTime") or created
    place = f" on Node {node}" if (node := dig(pod, "spec", "nodeName")) else ""
    return _clause("Pod", pod, f"is not ready{place}", since, _container_reason(pod) or _reason(ready))


def _container_reason(pod: Manifest) -> str:
    statuses = [*(dig(pod, "status", "initContainerStatuses") or ()), *(dig(pod, "status", "containerStatuses") or ())]
    for status in statuses:
        for state in (dig(status, "state", "waiting"), dig(status, "state", "terminated")):
            if state and state.get("reason") != "Completed":
                return f"container {status.get('name', '')}: {_reason(state)}"
    return ""


def _reason(condition: Manifest | None) -> str:
    """`<reason>: <message>` of a condition or a container state."""
    parts = (str((condition or {}).get(key) or "") for key in ("reason", "message"))
    return ": ".join(filter(None, parts))


def _clause(kind: str, found: Manifest, state: str, since: str, why: str) -> str:
    metadata = found["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}" if kind == "Pod" else metadata["name"]
    when = f" since {since}" if since else ""
    short = why if len(why) <= _LONGEST else f"{why[:_LONGEST]}..."
    return f"{kind} {name} {state}{when}" + (f": {short}" if short else "")


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
