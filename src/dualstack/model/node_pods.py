"""Pods of this program on every node: a DaemonSet in a namespace of its own, with no rights outside of it; why one of
them is not ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dualstack.model.json_path import dig
from dualstack.model.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Kind, Manifest
from dualstack.model.manifests import daemon_set, manifest

LEASES: Manifest = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["get", "create", "patch"],
}
"""The rule with which a pod writes its report."""


def rights(name: str, namespace: str, rules: Sequence[Manifest]) -> list[tuple[Kind, Manifest]]:
    """The service account of the pods, and what it may do in the namespace."""
    subject = {"kind": SERVICE_ACCOUNT.kind, "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": ROLE.kind, "name": name}
    return [
        (SERVICE_ACCOUNT, manifest(SERVICE_ACCOUNT, name, namespace)),
        (ROLE, manifest(ROLE, name, namespace, rules=list(rules))),
        (ROLE_BINDING, manifest(ROLE_BINDING, name, namespace, roleRef=role, subjects=[subject])),
    ]


def node_pods(
    name: str,
    namespace: str,
    image: str,
    *,
    labels: Mapping[str, str],
    words: list[str],
    requests: Mapping[str, str],
    memory: str,
) -> Manifest:
    """The DaemonSet: a pod on each node, whatever its taints, without privileges. memory: its limit."""
    result = daemon_set(name, image, labels=labels, words=words, host_network=False, max_unavailable="100%")
    result["metadata"]["namespace"] = namespace
    pod = result["spec"]["template"]["spec"]
    pod["serviceAccountName"] = name
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    container["env"] = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    container["resources"] = {"requests": dict(requests), "limits": {"memory": memory}}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return result


def node_of(pod: Manifest) -> str:
    """The node that a pod of the DaemonSet runs on or is meant for."""
    if name := dig(pod, "spec", "nodeName"):
        return str(name)
    wanted = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    for term in dig(pod, "spec", *wanted) or ():
        for each in term.get("matchFields") or ():
            if each.get("key") == "metadata.name" and each.get("values"):
                return str(each["values"][0])
    return ""


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
