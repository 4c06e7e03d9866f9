"""MachineClasses, MachineDeployments, MachineSets, Machines and Nodes at rest (docs/reference/gardener.md#workers)."""

from __future__ import annotations

from dualstack.clock import rfc3339
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import machine_class, machine_deployment
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors import machine_sets
from dualstack_sim.actors.machine_deployments import REVISION, machine_set_of
from dualstack_sim.actors.network_problem_detector import CONDITION
from dualstack_sim.actors.pod_status import ready_condition
from dualstack_sim.world.gardener.node_placements import NodePlacement, PoolZone
from dualstack_sim.world.nodes import NodeFacts, conditions, node_at_rest


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
    facts = NodeFacts(project, shoot.kubernetes_version, shoot.max_pods, now, info={})
    labels, taints = template["metadata"]["labels"], template["spec"].get("taints") or ()
    result = node_at_rest(facts, vm, node.pod_cidr, labels=labels, taints=taints)
    stamp = rfc3339(now)
    network = ready_condition(None, "False", "NoNetworkProblems", "no cluster network problems", stamp)
    result["status"]["conditions"].append({**network, "type": CONDITION})
    return result
