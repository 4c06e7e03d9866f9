"""The probing pods of the decoy check: a DaemonSet that may only write Leases in its own namespace."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.kinds import DAEMON_SET, NAMESPACE, ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Kind, Manifest
from dualstack.model.manifests import daemon_set, manifest
from dualstack.prober.report import NAME
from dualstack.prober.report import NAMESPACE as HOME

LABELS = {"app.kubernetes.io/name": NAME}
_RBAC = "rbac.authorization.k8s.io"


def prober(image: str, addresses: Iterable[str]) -> list[tuple[Kind, Manifest]]:
    """The objects that probe `addresses`, in the order of creation. Deleting the namespace removes all of them."""
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}
    subject = {"kind": SERVICE_ACCOUNT.kind, "name": NAME, "namespace": HOME}
    return [
        (NAMESPACE, manifest(NAMESPACE, HOME)),
        (SERVICE_ACCOUNT, manifest(SERVICE_ACCOUNT, NAME, HOME)),
        (ROLE, manifest(ROLE, NAME, HOME, rules=[rule])),
        (
            ROLE_BINDING,
            manifest(
                ROLE_BINDING,
                NAME,
                HOME,
                roleRef={"apiGroup": _RBAC, "kind": ROLE.kind, "name": NAME},
                subjects=[subject],
            ),
        ),
        (DAEMON_SET, _daemon_set(image, addresses)),
    ]


def addresses_of(daemon_set: Manifest) -> tuple[str, ...]:
    """The addresses that the pods of the DaemonSet probe."""
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    return tuple(container.get("args") or ())


def _daemon_set(image: str, addresses: Iterable[str]) -> Manifest:
    result = daemon_set(
        NAME, image, labels=LABELS, words=["dualstack", "prober"], host_network=False, max_unavailable="100%"
    )
    result["metadata"]["namespace"] = HOME
    pod = result["spec"]["template"]["spec"]
    pod["serviceAccountName"] = NAME
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    container["args"] = list(addresses)
    container["env"] = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    container["resources"] = {"requests": {"cpu": "5m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return result
