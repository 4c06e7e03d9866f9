"""The workloads of the shoot besides its system components (docs/objects.md, Shoot cluster)."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.workload import tolerations
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, SERVICE, Kind, Manifest
from dualstack.model.manifests import config_map, daemon_set, manifest
from dualstack.model.names import KUBE_SYSTEM

POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")

_NAMESPACE = "default"
_WEB = {"app": "web"}
_MOST_REPLICAS = 40
_SINGLE_STACK: Manifest = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}


def services(networks: Networks, web_address: str) -> list[tuple[Kind, Manifest]]:
    """Service kubernetes at the API server's address, and Service web. Both stay IPv4 during the migration."""
    kubernetes = {
        "type": "ClusterIP",
        **_addresses(networks.api_server_ips[0]),
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
    }
    web = {
        "type": "ClusterIP",
        **_addresses(web_address),
        "selector": _WEB,
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
    }
    return [
        (SERVICE, manifest(SERVICE, "kubernetes", _NAMESPACE, spec=kubernetes)),
        (SERVICE, manifest(SERVICE, "web", _NAMESPACE, spec=web)),
    ]


def shoot_info(view: ShootView) -> tuple[Kind, Manifest]:
    """The ConfigMap with which gardenlet describes the shoot in itself
    (docs/reference/gardener.md#shoot-info)."""
    window = dig(view.manifest, "spec", "maintenance", "timeWindow") or {}
    ranges = {"podNetwork": view.pods, "serviceNetwork": view.services, "nodeNetwork": view.nodes or ""}
    data = {
        "extensions": "",
        "projectName": view.technical_id.split("--")[1],
        "shootName": view.name,
        "provider": view.provider,
        "region": view.region,
        "kubernetesVersion": view.kubernetes_version,
        "maintenanceBegin": window.get("begin", ""),
        "maintenanceEnd": window.get("end", ""),
        **ranges,
        **{f"{name}s": text for name, text in ranges.items()},
    }
    return CONFIG_MAP, config_map("shoot-info", KUBE_SYSTEM, data)


def workloads(nodes: int, pools: Iterable[Pool]) -> list[tuple[Kind, Manifest]]:
    """The end points of the observed traffic, and a Deployment with a disruption budget."""
    end_points = daemon_set(
        "network-problem-detector-pod",
        "network-problem-detector:v0.26.0",
        labels={"k8s-app": "network-problem-detector-pod"},
        host_network=False,
        max_unavailable="100%",
    )
    web = manifest(
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
                    "tolerations": tolerations(pools),
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
    return [(DAEMON_SET, end_points), (DEPLOYMENT, web), (POD_DISRUPTION_BUDGET, budget)]


def single_stack(service: Manifest) -> Manifest:
    """A rendered Service with the defaults of the API server of an IPv4 cluster."""
    return {**service, "spec": {**_SINGLE_STACK, **service["spec"]}}


def is_service(item: Manifest) -> bool:
    return item["kind"] == SERVICE.kind and item["metadata"].get("namespace") in (KUBE_SYSTEM, _NAMESPACE)


def _addresses(address: str) -> Manifest:
    return {"clusterIP": address, "clusterIPs": [address], **_SINGLE_STACK}
