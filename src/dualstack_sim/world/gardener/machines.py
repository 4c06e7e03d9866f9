"""MachineClasses, MachineDeployments, MachineSets and Machines at rest (gardener-behaviour.md 5; 11.1)."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE, MACHINE_CLASS, MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import machine_class, machine_deployment
from dualstack.model.kinds import NODE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import provider_id
from dualstack_sim.world.gardener.node_placements import NodePlacement, PoolZone

TEMPLATE_HASH = "machine-template-hash"
"""Label that tells MachineSets of one MachineDeployment apart."""
REVISION = "deployment.kubernetes.io/revision"


def class_of(shoot: ShootView, status: InfrastructureStatus, pool_zone: PoolZone) -> Manifest:
    """The MachineClass with the finalizer that keeps it while machines use it."""
    result = machine_class(shoot, status, pool_zone.pool, pool_zone.part)
    result["metadata"]["finalizers"] = [MACHINE_FINALIZER]
    return result


def deployment_of(shoot: ShootView, pool_zone: PoolZone, now: float) -> Manifest:
    """The MachineDeployment, all its machines available."""
    count = pool_zone.part.minimum
    result = machine_deployment(shoot, pool_zone.pool, pool_zone.part, replicas=count)
    result["metadata"] |= {"annotations": {REVISION: "1"}, "finalizers": [MACHINE_FINALIZER]}
    stamp = rfc3339(now)
    available = ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    progressing = (
        "Progressing",
        "NewMachineSetAvailable",
        f'MachineSet "{pool_zone.machine_set}" has successfully progressed.',
    )
    result["status"] = {
        "observedGeneration": 1,
        **_counts(count),
        "updatedReplicas": count,
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": stamp,
                "lastUpdateTime": stamp,
            }
            for kind, reason, message in (available, progressing)
        ],
    }
    return result


def set_of(shoot: ShootView, pool_zone: PoolZone, owner: Manifest) -> Manifest:
    """The one MachineSet of a MachineDeployment; its template is the deployment's plus the label with the hash."""
    template = owner["spec"]["template"]
    labels = {**template["metadata"]["labels"], TEMPLATE_HASH: pool_zone.template_hash}
    result = manifest(
        MACHINE_SET,
        pool_zone.machine_set,
        shoot.technical_id,
        spec={
            "replicas": pool_zone.part.minimum,
            "minReadySeconds": owner["spec"]["minReadySeconds"],
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
        status={
            "observedGeneration": 1,
            "fullyLabeledReplicas": pool_zone.part.minimum,
            **_counts(pool_zone.part.minimum),
        },
    )
    result["metadata"] |= {
        "labels": labels,
        "annotations": {REVISION: "1"},
        "finalizers": [MACHINE_FINALIZER],
        "ownerReferences": [owner_reference(MACHINE_DEPLOYMENT, owner)],
    }
    return result


def machine_of(shoot: ShootView, node: NodePlacement, owner: Manifest, project: str, now: float) -> Manifest:
    """A Machine that runs and whose Node has its own name."""
    stamp = rfc3339(now)
    template = owner["spec"]["template"]
    result = manifest(
        MACHINE,
        node.name,
        shoot.technical_id,
        spec={**template["spec"], "providerID": provider_id(project, node.zone, node.name)},
        status={
            "conditions": conditions(now),
            "currentStatus": {"phase": "Running", "lastUpdateTime": stamp},
            "lastOperation": {
                "type": "Create",
                "state": "Successful",
                "description": f"Machine {node.name} successfully joined the cluster",
                "lastUpdateTime": stamp,
            },
        },
    )
    result["metadata"] |= {
        "labels": {**template["metadata"]["labels"], "node": node.name},
        "finalizers": [MACHINE_FINALIZER],
        "ownerReferences": [owner_reference(MACHINE_SET, owner)],
    }
    return result


def classes(shoot: ShootView, status: InfrastructureStatus, pool_zones: list[PoolZone]) -> list[tuple[Kind, Manifest]]:
    """The MachineClasses of all zones."""
    return [(MACHINE_CLASS, class_of(shoot, status, pool_zone)) for pool_zone in pool_zones]


def owner_reference(kind: Kind, owner: Manifest) -> Manifest:
    """The reference by which `owner`, as it is stored, controls another object."""
    metadata = owner["metadata"]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _counts(count: int) -> Manifest:
    return {"replicas": count, "readyReplicas": count, "availableReplicas": count}


_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def node_of(
    shoot: ShootView, node: NodePlacement, vm: Manifest, template: Manifest, project: str, now: float
) -> Manifest:
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


def _labels(shoot: ShootView, node: NodePlacement, template: Manifest) -> dict[str, str]:
    machine_type = node.pool_zone.pool.machine_type
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
