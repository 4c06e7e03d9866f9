"""MachineClasses, MachineDeployments, MachineSets and Machines at rest (gardener-behaviour.md 5; 11.1)."""

from __future__ import annotations

from dualstack.clock import rfc3339
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE, MACHINE_CLASS, MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import machine_class, machine_deployment
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import provider_id
from dualstack_sim.world.gardener.node_placements import Home, Resident
from dualstack_sim.world.gardener.nodes import conditions

TEMPLATE_HASH = "machine-template-hash"
"""Label that tells MachineSets of one MachineDeployment apart."""
REVISION = "deployment.kubernetes.io/revision"


def class_of(shoot: ShootView, status: InfrastructureStatus, home: Home) -> Manifest:
    """The MachineClass with the finalizer that keeps it while machines use it."""
    result = machine_class(shoot, status, home.pool, home.part)
    result["metadata"]["finalizers"] = [MACHINE_FINALIZER]
    return result


def deployment_of(shoot: ShootView, home: Home, now: float) -> Manifest:
    """The MachineDeployment, all its machines available."""
    count = home.part.minimum
    result = machine_deployment(shoot, home.pool, home.part, replicas=count)
    result["metadata"] |= {"annotations": {REVISION: "1"}, "finalizers": [MACHINE_FINALIZER]}
    stamp = rfc3339(now)
    available = ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    progressing = (
        "Progressing",
        "NewMachineSetAvailable",
        f'MachineSet "{home.machine_set}" has successfully progressed.',
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


def set_of(shoot: ShootView, home: Home, owner: Manifest) -> Manifest:
    """The one MachineSet of a MachineDeployment; its template is the deployment's plus the label with the hash."""
    template = owner["spec"]["template"]
    labels = {**template["metadata"]["labels"], TEMPLATE_HASH: home.template_hash}
    result = manifest(
        MACHINE_SET,
        home.machine_set,
        shoot.technical_id,
        spec={
            "replicas": home.part.minimum,
            "minReadySeconds": owner["spec"]["minReadySeconds"],
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
        status={"observedGeneration": 1, "fullyLabeledReplicas": home.part.minimum, **_counts(home.part.minimum)},
    )
    result["metadata"] |= {
        "labels": labels,
        "annotations": {REVISION: "1"},
        "finalizers": [MACHINE_FINALIZER],
        "ownerReferences": [owner_reference(MACHINE_DEPLOYMENT, owner)],
    }
    return result


def machine_of(shoot: ShootView, node: Resident, owner: Manifest, project: str, now: float) -> Manifest:
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


def classes(shoot: ShootView, status: InfrastructureStatus, homes: list[Home]) -> list[tuple[Kind, Manifest]]:
    """The MachineClasses of all zones."""
    return [(MACHINE_CLASS, class_of(shoot, status, home)) for home in homes]


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
