"""Nodes at rest: Ready, with their pod CIDR, and with a route in the VPC (gardener-behaviour.md 8; 11.1)."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import NODE, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import provider_id
from dualstack_sim.world.gardener.node_placements import Resident

_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def node_of(shoot: ShootView, node: Resident, vm: Manifest, template: Manifest, project: str, now: float) -> Manifest:
    """The Node of a VM. `template` is the `nodeTemplate` of its Machine; labels and taints of the pool come from it."""
    address = vm["networkInterfaces"][0]["networkIP"]
    capacity = {"cpu": "4", "memory": "15Gi", "pods": str(shoot.max_pods), "ephemeral-storage": "50Gi"}
    result = manifest(
        NODE,
        node.name,
        spec={
            "podCIDR": node.pod_cidr,
            "podCIDRs": [node.pod_cidr],
            "providerID": provider_id(project, node.zone, node.name),
            **({"taints": template["spec"]["taints"]} if template["spec"].get("taints") else {}),
        },
        status={
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": node.name},
            ],
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions(now),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": _node_info(shoot, vm["id"]),
        },
    )
    result["metadata"]["labels"] = _labels(shoot, node, template)
    return result


def _labels(shoot: ShootView, node: Resident, template: Manifest) -> dict[str, str]:
    machine_type = node.home.pool.machine_type
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": machine_type,
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": shoot.region,
        "failure-domain.beta.kubernetes.io/zone": node.zone,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": machine_type,
        "topology.kubernetes.io/region": shoot.region,
        "topology.kubernetes.io/zone": node.zone,
        **template["metadata"]["labels"],
    }


def conditions(now: float) -> list[dict[str, Any]]:
    """The conditions of a healthy Node whose route exists; its Machine has a copy of them."""
    stamp = rfc3339(now)
    times = {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    words = [
        ("NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"),
        *((kind, "False", reason, message) for kind, reason, message in _PRESSURES),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    return [
        {"type": kind, "status": status, "reason": reason, "message": message, **times}
        for kind, status, reason, message in words
    ]


def _node_info(shoot: ShootView, machine_id: str) -> Manifest:
    version = f"v{shoot.kubernetes_version}"
    return {
        "architecture": "amd64",
        "bootID": machine_id,
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": "6.12.44-cloud-amd64",
        "kubeProxyVersion": version,
        "kubeletVersion": version,
        "machineID": machine_id,
        "operatingSystem": "linux",
        "osImage": "Garden Linux",
        "systemUUID": machine_id,
    }
