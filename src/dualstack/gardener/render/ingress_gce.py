"""ingress-gce, which serves dual-stack load balancers (docs/reference/gardener.md#ingress-gce)."""

from __future__ import annotations

from typing import Any

from dualstack.gardener.model.names import (
    CLOUD_PROVIDER_CONFIG_INGRESS,
    CLOUD_PROVIDER_SECRET,
    INGRESS_GCE,
    INGRESS_GCE_ROLE,
    SERVICE_ACCOUNT_KEY,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import CLUSTER_ROLE_BINDING, DEPLOYMENT, SERVICE_ACCOUNT, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, KUBE_SYSTEM

_CREDENTIALS = "/srv/cloudprovider"
_CONFIGURATION = "/etc/kubernetes/cloudprovider"
_KUBECONFIG = "/var/run/secrets/gardener.cloud/shoot/generic-kubeconfig"
_HEALTH_PORT = 8086
_FLAGS = {
    "config-file-path": f"{_CONFIGURATION}/cloudprovider.conf",
    "healthz-port": str(_HEALTH_PORT),
    "logtostderr": "true",
    "sync-period": "600s",
    "running-in-cluster": "false",
    "run-l4-netlb-controller": "true",
    "enable-l4ilb-dual-stack": "true",
    "enable-l4netlb-dual-stack": "true",
    "kubeconfig": f"{_KUBECONFIG}/kubeconfig",
    "leader-elect": "true",
    "v": "2",
    "run-l4-controller": "false",
    "run-ingress-controller": "false",
    "enable-negs-for-ingress": "false",
}
_LABELS = {"app": "kubernetes", "role": INGRESS_GCE_ROLE}
_NETWORK_LABELS = (
    "networking.gardener.cloud/to-dns",
    "networking.gardener.cloud/to-public-networks",
    "networking.resources.gardener.cloud/to-kube-apiserver-tcp-443",
)
"""Of pods in the seed that may open these connections."""


def deployment(shoot: ShootView, kubeconfig: str) -> Manifest | None:
    """The Deployment, or None for a cluster that was never dual-stack; no replicas when its spec is IPv4-only again.

    kubeconfig: name of the Secret with the kubeconfig that all components in the namespace share.
    """
    if not shoot.dual_stack_infrastructure:
        return None
    result = manifest(
        DEPLOYMENT,
        INGRESS_GCE,
        shoot.technical_id,
        spec={
            "replicas": 1 if shoot.dual_stack and not shoot.hibernated else 0,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {
                    "labels": {
                        **_LABELS,
                        "gardener.cloud/role": "controlplane",
                        **dict.fromkeys(_NETWORK_LABELS, "allowed"),
                    }
                },
                "spec": {
                    "automountServiceAccountToken": False,
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": 30,
                    "containers": [_container()],
                    "volumes": _volumes(kubeconfig),
                },
            },
        },
    )
    result["metadata"]["labels"] = _LABELS
    return result


def _container() -> dict[str, Any]:
    return {
        "name": INGRESS_GCE_ROLE,
        "image": "ingress-gce/glbc:v1.38.2",
        "args": [f"--{name}={value}" for name, value in _FLAGS.items()],
        "env": [{"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": f"{_CREDENTIALS}/credentialsConfig"}],
        "securityContext": {"allowPrivilegeEscalation": False},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": _HEALTH_PORT, "scheme": "HTTP"},
            "initialDelaySeconds": 30,
            "periodSeconds": 30,
            "timeoutSeconds": 15,
            "failureThreshold": 5,
        },
        "resources": {"requests": {"cpu": "100m", "memory": "75Mi"}},
        "volumeMounts": [
            {"name": CLOUD_PROVIDER_CONFIG_INGRESS, "mountPath": _CONFIGURATION},
            {"name": CLOUD_PROVIDER_SECRET, "mountPath": _CREDENTIALS, "readOnly": True},
            {"name": "kubeconfig", "mountPath": _KUBECONFIG, "readOnly": True},
        ],
    }


def _volumes(kubeconfig: str) -> list[dict[str, Any]]:
    """Its configuration, the service account of the cloud, and access to the shoot with the token of
    cloud-controller-manager."""
    return [
        {"name": CLOUD_PROVIDER_CONFIG_INGRESS, "configMap": {"name": CLOUD_PROVIDER_CONFIG_INGRESS}},
        _projected(CLOUD_PROVIDER_SECRET, (CLOUD_PROVIDER_SECRET, SERVICE_ACCOUNT_KEY, "credentialsConfig")),
        _projected(
            "kubeconfig",
            (kubeconfig, "kubeconfig", "kubeconfig"),
            (f"shoot-access-{CLOUD_CONTROLLER_MANAGER}", "token", "token"),
        ),
    ]


def _projected(name: str, *files: tuple[str, str, str]) -> dict[str, Any]:
    """A volume with files from Secrets: name of the Secret, key, file."""
    sources = [
        {"secret": {"name": secret, "items": [{"key": key, "path": path}], "optional": False}}
        for secret, key, path in files
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}


def service_account(shoot: ShootView) -> Manifest:
    """Its service account in the seed."""
    return manifest(SERVICE_ACCOUNT, INGRESS_GCE_ROLE, shoot.technical_id)


def access_to_shoot() -> Manifest:
    """The rights in the shoot of the token that it shares with cloud-controller-manager."""
    group = CLUSTER_ROLE_BINDING.group
    return manifest(
        CLUSTER_ROLE_BINDING,
        f"extensions.gardener.cloud:provider-gcp:{CLOUD_CONTROLLER_MANAGER}",
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        subjects=[{"kind": "ServiceAccount", "name": CLOUD_CONTROLLER_MANAGER, "namespace": KUBE_SYSTEM}],
    )
