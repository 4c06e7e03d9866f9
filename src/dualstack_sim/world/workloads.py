"""A workload that every cluster runs, and Services of an IPv4 cluster (docs/objects.md, Shoot cluster)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dualstack.model.kinds import DEPLOYMENT, SERVICE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import KUBE_SYSTEM

POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")

_NAMESPACE = "default"
_WEB = {"app": "web"}
_MOST_REPLICAS = 40
_SINGLE_STACK: Manifest = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}


def services(api_server: str, web: str) -> list[tuple[Kind, Manifest]]:
    """Service kubernetes at the API server's address, and Service web. Both stay IPv4 during the migration."""
    kubernetes = {
        "type": "ClusterIP",
        **_addresses(api_server),
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
    }
    of_web = {
        "type": "ClusterIP",
        **_addresses(web),
        "selector": _WEB,
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
    }
    return [
        (SERVICE, manifest(SERVICE, "kubernetes", _NAMESPACE, spec=kubernetes)),
        (SERVICE, manifest(SERVICE, "web", _NAMESPACE, spec=of_web)),
    ]


def web(nodes: int, tolerations: Sequence[Mapping[str, Any]]) -> list[tuple[Kind, Manifest]]:
    """Deployment web with two replicas for each node, at most 40, and its disruption budget."""
    deployment = manifest(
        DEPLOYMENT,
        "web",
        _NAMESPACE,
        spec={
            "replicas": min(2 * nodes, _MOST_REPLICAS),
            "selector": {"matchLabels": _WEB},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": _WEB},
                "spec": {
                    "tolerations": list(tolerations),
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{"name": "web", "image": "web:1.0.0", "ports": [{"containerPort": 8080}]}],
                },
            },
        },
    )
    budget = manifest(
        POD_DISRUPTION_BUDGET,
        "web",
        _NAMESPACE,
        spec={"maxUnavailable": "25%", "selector": {"matchLabels": _WEB}},
    )
    return [(DEPLOYMENT, deployment), (POD_DISRUPTION_BUDGET, budget)]


def at_rest(item: Manifest) -> Manifest:
    """A rendered Deployment with all its replicas available, although the actors still have to create its pods, and a
    Service with the defaults of the API server of an IPv4 cluster."""
    if item["kind"] == DEPLOYMENT.kind:
        return _rolled_out(item)
    if item["kind"] == SERVICE.kind and item["metadata"].get("namespace") in (KUBE_SYSTEM, _NAMESPACE):
        return {**item, "spec": {**_SINGLE_STACK, **item["spec"]}}
    return item


def _rolled_out(deployment: Manifest) -> Manifest:
    count = deployment["spec"]["replicas"]
    status = {
        "observedGeneration": 1,
        "replicas": count,
        "updatedReplicas": count,
        "readyReplicas": count,
        "availableReplicas": count,
    }
    return {**deployment, "status": status}


def _addresses(address: str) -> Manifest:
    return {"clusterIP": address, "clusterIPs": [address], **_SINGLE_STACK}
