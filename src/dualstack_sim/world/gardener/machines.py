"""MachineClasses, MachineDeployments, MachineSets, Machines and Nodes at rest (docs/reference/gardener.md#workers)."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import machine_class, machine_deployment
from dualstack.model.kinds import NODE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.actors import machine_sets
from dualstack_sim.actors.kubelet import NODE_INFO
from dualstack_sim.actors.machine_deployments import REVISION, machine_set_of
from dualstack_sim.actors.pod_status import pressure_conditions, ready_condition
from dualstack_sim.world.gardener.node_placements import NodePlacement, PoolZone


def class_of(shoot: ShootView, status: InfrastructureStatus, pool_zone: PoolZone) -> Manifest:
    """The MachineClass with its finalizer."""
    result = machine_class(shoot, status, pool_zone.pool, pool_zone.part).new
    result["metadata"]["finalizers"] = [MACHINE_FINALIZER]
    return result


def deployment_of(shoot: ShootView, pool_zone: PoolZone, now: float) -> Manifest:
    """The MachineDeployment with all its machines available."""
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


def set_of(pool_zone: PoolZone, owner: Manifest) -> Manifest:
    """The only MachineSet of a MachineDeployment, all its machines available."""
    count = pool_zone.part.minimum
    result = machine_set_of(owner, pool_zone.template_hash, revision=1)
    result["spec"]["replicas"] = count
    result["status"] = {"observedGeneration": 1, "fullyLabeledReplicas": count, **_counts(count)}
    return result


def machine_of(node: NodePlacement, owner: Manifest, project: str, now: float) -> Manifest:
    """A running Machine whose Node has its name."""
    stamp = rfc3339(now)
    result = machine_sets.machine_of(owner, node.name)
    result["metadata"]["labels"]["node"] = node.name
    result["spec"]["providerID"] = f"gce:///{project}/{node.zone}/{node.name}"
    result["status"] = {
        "conditions": conditions(now),
        "currentStatus": {"phase": "Running", "lastUpdateTime": stamp},
        "lastOperation": {
            "type": "Create",
            "state": "Successful",
            "description": f"Machine {node.name} successfully joined the cluster",
            "lastUpdateTime": stamp,
        },
    }
    return result


def classes(shoot: ShootView, status: InfrastructureStatus, pool_zones: list[PoolZone]) -> list[tuple[Kind, Manifest]]:
    """The MachineClasses of all zones."""
    return [(MACHINE_CLASS, class_of(shoot, status, pool_zone)) for pool_zone in pool_zones]


def _counts(count: int) -> Manifest:
    return {"replicas": count, "readyReplicas": count, "availableReplicas": count}


def node_of(
    shoot: ShootView, node: NodePlacement, vm: Manifest, template: Manifest, project: str, now: float
) -> Manifest:
    """The Ready Node of a VM. `template` is the `nodeTemplate` of its Machine, with labels and taints of the pool."""
    address = vm["networkInterfaces"][0]["networkIP"]
    capacity = {"cpu": "4", "memory": "15Gi", "pods": str(shoot.max_pods), "ephemeral-storage": "50Gi"}
    result = manifest(
        NODE,
        node.name,
        spec={
            "podCIDR": node.pod_cidr,
            "podCIDRs": [node.pod_cidr],
            "providerID": f"gce://{project}/{node.zone}/{node.name}",
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
    """The conditions of a healthy Node with a route. Its Machine has a copy of them."""
    stamp = rfc3339(now)
    network = ready_condition(None, "False", "RouteCreated", "RouteController created a route", stamp)
    ready = ready_condition(None, "True", "KubeletReady", "kubelet is posting ready status", stamp)
    return [{**network, "type": "NetworkUnavailable"}, *pressure_conditions(stamp), ready]


def _node_info(shoot: ShootView, machine_id: str) -> Manifest:
    version = f"v{shoot.kubernetes_version}"
    ids = dict.fromkeys(("bootID", "machineID", "systemUUID"), machine_id)
    return {**NODE_INFO, **ids, "kubeletVersion": version, "kubeProxyVersion": version}
