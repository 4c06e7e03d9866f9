"""What Gardener adds to the workloads of a shoot besides its system components (docs/objects.md, Shoot cluster)."""

from __future__ import annotations

from dualstack.gardener.model.shoot import ShootView
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, Kind, Manifest
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.names import KUBE_SYSTEM
from dualstack_sim.world.gardener.guests import END_POINT


def shoot_info(view: ShootView) -> tuple[Kind, Manifest]:
    """The ConfigMap with which gardenlet describes the shoot in itself
    (docs/reference/gardener.md#shoot-info)."""
    window = dig(view.manifest, "spec", "maintenance", "timeWindow") or {}
    ranges = {"podNetwork": view.pods, "serviceNetwork": view.services, "nodeNetwork": view.nodes or ""}
    data = {
        "extensions": "",
        "projectName": view.namespace.removeprefix("garden-"),
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


def end_points() -> tuple[Kind, Manifest]:
    """The end points of the observed traffic."""
    pods = daemon_set(
        END_POINT,
        "network-problem-detector:v0.26.0",
        labels={"k8s-app": END_POINT},
        host_network=False,
        max_unavailable="100%",
    )
    return DAEMON_SET, pods
