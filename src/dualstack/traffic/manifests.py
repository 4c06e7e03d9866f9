"""The objects of a measurement: a namespace with all that is in it. Deleting the namespace removes everything."""

from __future__ import annotations

from dualstack.model.kinds import DAEMON_SET, NAMESPACE, ROLE, ROLE_BINDING, SERVICE, SERVICE_ACCOUNT, Kind, Manifest
from dualstack.model.manifests import daemon_set, manifest
from dualstack.traffic.node_report import NAME, PORT
from dualstack.traffic.node_report import NAMESPACE as HOME
from dualstack.traffic.pairs import PLAN

LABELS = {"app.kubernetes.io/name": NAME}
OWNED = {**LABELS, "app.kubernetes.io/managed-by": "dualstack"}
"""Labels of the namespace, which show that it is ours."""
_RBAC = "rbac.authorization.k8s.io"


def namespace() -> Manifest:
    result = manifest(NAMESPACE, HOME)
    result["metadata"]["labels"] = dict(OWNED)
    return result


def contents(image: str) -> list[tuple[Kind, Manifest]]:
    """What is in the namespace, in the order of creation, without the plan. image: of this program."""
    rules = [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [PLAN], "verbs": ["get"]},
    ]
    subject = {"kind": SERVICE_ACCOUNT.kind, "name": NAME, "namespace": HOME}
    binding = manifest(
        ROLE_BINDING, NAME, HOME, roleRef={"apiGroup": _RBAC, "kind": ROLE.kind, "name": NAME}, subjects=[subject]
    )
    return [
        (SERVICE_ACCOUNT, manifest(SERVICE_ACCOUNT, NAME, HOME)),
        (ROLE, manifest(ROLE, NAME, HOME, rules=rules)),
        (ROLE_BINDING, binding),
        (SERVICE, _service()),
        (DAEMON_SET, _daemon_set(image)),
    ]


def _service() -> Manifest:
    ports = [{"name": name.lower(), "protocol": name, "port": PORT, "targetPort": PORT} for name in ("TCP", "UDP")]
    return manifest(SERVICE, NAME, HOME, spec={"selector": LABELS, "ipFamilyPolicy": "PreferDualStack", "ports": ports})


def _daemon_set(image: str) -> Manifest:
    result = daemon_set(
        NAME,
        image,
        labels=LABELS,
        words=["dualstack", "prober", "--traffic"],
        host_network=False,
        max_unavailable="100%",
    )
    result["metadata"]["namespace"] = HOME
    pod = result["spec"]["template"]["spec"]
    del pod["priorityClassName"]  # a measurement must not evict a workload
    pod["serviceAccountName"] = NAME
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    container["env"] = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    container["ports"] = [{"containerPort": PORT, "protocol": "TCP"}, {"containerPort": PORT, "protocol": "UDP"}]
    container["resources"] = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return result
