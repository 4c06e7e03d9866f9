"""The machine controller over both simulated APIs: machines come, are replaced one by one, fail and go."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dualstack.gardener.model.kinds import MACHINE, MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, Kind, Manifest
from dualstack_sim.actors.api import Actor, ActorContext
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.daemon_sets import DaemonSetController
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.machine_controller import MachineController
from dualstack_sim.actors.machine_facts import PRIORITY, is_active, phase_of
from dualstack_sim.actors.pod_collector import PodCollector
from dualstack_sim.actors.pods import is_ready
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController
from dualstack_sim.actors.scheduler import Scheduler
from tests.sim.actors.fixtures import NS, ZONE, Stage, place_calico, playing, ready_node
from tests.sim.actors.fixtures import deployment as workload
from tests.sim.actors.machines import (
    CLASS,
    CLOUD_ALLOCATOR,
    NAME,
    change_deployment,
    deployment,
    machine_deployment,
    machine_names,
    machines,
    node_names,
    place_class,
    place_controller_pod,
    place_deployment,
    place_dual_subnet,
    replicas_of,
    roll,
    settled,
    typed,
)

BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
FINALIZER = "machine.sapcloud.io/machine-controller-manager"


def everybody(context: ActorContext) -> Sequence[Actor]:
    """All that a machine needs to become a Node with pods, and to be drained."""
    recorder = Recorder(context, "kubelet")
    return [
        recorder,
        Kubelet(context, recorder),
        DeploymentController(context),
        ReplicaSetController(context),
        DaemonSetController(context),
        Scheduler(context, recorder),
        PodCollector(context),
        CloudControllerManager(context),
        MachineController(context),
    ]


def alone(context: ActorContext) -> Sequence[Actor]:
    return [MachineController(context)]


def furnish(stage: Stage) -> None:
    place_dual_subnet(stage)
    place_class(stage)
    place_calico(stage)
    place_controller_pod(stage, CLOUD_ALLOCATOR)


def vm_names(stage: Stage) -> set[str]:
    return set(stage.compute.project.inventory.table("instances", ZONE))


def place_machine(stage: Stage, name: str, *, labels: Manifest | None = None) -> None:
    """A machine that has been running for long, with its VM and its Node, and no owner yet."""
    stage.place_node(name, "100.96.0.0/24")
    template = machine_deployment(1)["spec"]["template"]["spec"]
    stage.store.create(
        MACHINE,
        typed(
            MACHINE,
            {
                "metadata": {
                    "name": name,
                    "namespace": NS,
                    "labels": {"name": NAME, "node": name, **(labels or {})},
                    "finalizers": [FINALIZER],
                },
                "spec": {**template, "providerID": f"gce:///proj-1/europe-west1-b/{name}"},
            },
        ),
    )
    status = {"currentStatus": {"phase": "Running"}}
    stage.store.patch(MACHINE, name, {"status": status}, NS, subresource="status")


def place_old_set(stage: Stage, *names: str) -> None:
    """A MachineDeployment at rest as one finds it: an orphaned set of its own template, with orphaned machines."""
    place_class(stage, networkInterfaces=[{"subnetwork": "nodes", "disableExternalIP": True}])
    place_deployment(stage, len(names), minReadySeconds=0)
    labels = {"name": NAME, "machine-template-hash": "11111"}
    template = machine_deployment(1)["spec"]["template"]
    metadata = {"name": f"{NAME}-11111", "namespace": NS, "labels": labels, "finalizers": [FINALIZER]}
    spec = {
        "replicas": len(names),
        "selector": {"matchLabels": labels},
        "template": {**template, "metadata": {"labels": labels}},
    }
    stage.store.create(MACHINE_SET, typed(MACHINE_SET, {"metadata": metadata, "spec": spec}))
    for name in names:
        place_machine(stage, name, labels=labels)


async def test_a_deployment_becomes_machines_with_vms_and_dual_stack_nodes() -> None:
    async with playing(everybody) as stage:
        furnish(stage)
        phases: list[str] = []
        stage.context.informers.of(MACHINE).subscribe(lambda _, new: phases.append(phase_of(new)) if new else None)
        place_deployment(stage, 1)
        await stage.eventually(lambda: settled(stage, 1))

        assert list(dict.fromkeys(phases)) == ["", "Pending", "Running"]
        (machine,) = machines(stage)
        name = machine["metadata"]["name"]
        assert re.fullmatch(rf"{NAME}-[0-9a-f]{{5}}-[a-z0-9]{{5}}", name)
        assert machine["spec"]["providerID"] == f"gce:///proj-1/europe-west1-b/{name}"
        assert machine["metadata"]["labels"]["node"] == name
        assert machine["status"]["lastOperation"] | {"lastUpdateTime": ""} == {
            "description": f"Machine {name} successfully joined the cluster",
            "state": "Successful",
            "type": "Create",
            "lastUpdateTime": "",
        }
        nic = (stage.vm(name) or {})["networkInterfaces"][0]
        assert nic["aliasIpRanges"] == [{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
        node = stage.get(NODE, name)
        assert node["metadata"]["labels"]["worker.gardener.cloud/pool"] == "w1"
        assert node["spec"]["podCIDRs"][0] == "100.96.0.0/24"
        assert node["spec"]["podCIDRs"][1].endswith("/112")
        conditions = {each["type"]: each for each in deployment(stage)["status"]["conditions"]}
        assert conditions["Available"]["status"] == "True"
        assert conditions["Progressing"]["reason"] == "NewMachineSetAvailable"


async def test_a_roll_out_replaces_every_machine_and_neither_lacks_nor_exceeds() -> None:
    async with playing(everybody) as stage:
        furnish(stage)
        place_deployment(stage, 2)
        stage.store.create(DEPLOYMENT, workload("web", 4))
        selector = {"matchLabels": {"app": "web"}}
        budget = {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"maxUnavailable": 1, "selector": selector},
        }
        stage.store.create(BUDGET, budget)
        await stage.eventually(lambda: settled(stage, 2) and sum(map(is_ready, stage.pods("web"))) == 4)
        before, daemons = machine_names(stage), stage.store.list(DAEMON_SET)
        assert daemons

        roll(stage)
        least, most, serving = 2, 2, 4
        deadline = stage.clock.now() + 6000.0
        while not (settled(stage, 2) and not before & machine_names(stage)):
            least = min(least, len(machines(stage, "Running")))
            most = max(most, sum(map(is_active, machines(stage))))
            serving = min(serving, sum(map(is_ready, stage.pods("web"))))
            assert stage.clock.now() < deadline
            await stage.clock.sleep(2.0)
        assert (least, most) == (2, 3)
        assert serving >= 3
        assert sorted(replicas_of(stage).values()) == [0, 2]
        assert node_names(stage) == vm_names(stage) == machine_names(stage)
        assert len({stage.get(NODE, name)["spec"]["podCIDR"] for name in node_names(stage)}) == 2
        annotations = [machine["metadata"]["annotations"] for machine in machines(stage)]
        assert annotations == [{"rollout-workers": "2026-01-01T00:00:00Z"}] * 2


async def test_a_budget_holds_a_drain_up_and_force_ends_it() -> None:
    async with playing(everybody) as stage:
        furnish(stage)
        place_deployment(stage, 1, minReadySeconds=0)
        stage.store.create(DEPLOYMENT, workload("web", 1))
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        stage.store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await stage.eventually(lambda: any(map(is_ready, stage.pods("web"))))
        (name,) = machine_names(stage)
        stage.store.delete(MACHINE, name, NS)
        await stage.eventually(lambda: name in machine_names(stage, "Terminating"))
        await stage.eventually(lambda: stage.get(NODE, name)["spec"].get("unschedulable"))
        await stage.throughout(lambda: stage.vm(name) is not None and any(map(is_ready, stage.pods("web"))), 90.0)
        stage.store.patch(MACHINE, name, {"metadata": {"labels": {"force-deletion": "True"}}}, NS)
        await stage.eventually(lambda: name not in machine_names(stage))
        assert stage.vm(name) is None
        assert stage.store.get(NODE, name) is None


async def test_a_deleted_machine_is_drained_and_replaced() -> None:
    async with playing(everybody) as stage:
        furnish(stage)
        place_deployment(stage, 1, minReadySeconds=0)
        await stage.eventually(lambda: settled(stage, 1))
        (name,) = machine_names(stage)
        stage.store.delete(MACHINE, name, NS)
        await stage.eventually(lambda: settled(stage, 1) and name not in machine_names(stage))
        assert node_names(stage) == vm_names(stage) == machine_names(stage)


async def test_what_is_there_is_taken_over_and_left_alone() -> None:
    async with playing(alone) as stage:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb")]
        place_old_set(stage, *names)
        await stage.eventually(lambda: settled(stage, 2))
        assert replicas_of(stage) == {f"{NAME}-11111": 2}
        await stage.throughout(lambda: machine_names(stage) == set(names), 60.0)
        owners = {machine["metadata"]["ownerReferences"][0]["name"] for machine in machines(stage)}
        assert owners == {f"{NAME}-11111"}


async def test_scaling_down_takes_the_machine_of_lowest_priority_and_up_makes_one() -> None:
    async with playing(alone) as stage:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb", "ccccc")]
        place_old_set(stage, *names)
        await stage.eventually(lambda: settled(stage, 3))
        stage.store.patch(MACHINE, names[1], {"metadata": {"annotations": {PRIORITY: "1"}}}, NS)
        change_deployment(stage, {"replicas": 2})
        await stage.eventually(lambda: settled(stage, 2))
        assert machine_names(stage) == {names[0], names[2]}
        assert vm_names(stage) == {names[0], names[2]}
        change_deployment(stage, {"replicas": 3})
        await stage.eventually(lambda: len(machines(stage, "Pending")) == 1)
        assert len(vm_names(stage)) == 3


async def test_machines_whose_nodes_are_gone_are_replaced_one_at_a_time() -> None:
    async with playing(alone, speed=1500.0) as stage:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb")]
        place_old_set(stage, *names)
        await stage.eventually(lambda: settled(stage, 2))
        for name in names:
            stage.store.delete(NODE, name)
        await stage.eventually(lambda: machine_names(stage, "Unknown") == set(names))
        start = stage.clock.now()
        await stage.eventually(lambda: len(machine_names(stage) & set(names)) == 1)
        assert stage.clock.now() - start > 500.0
        # The replacement does not join, so it is not the other one's turn.
        await stage.throughout(lambda: len(machine_names(stage, "Unknown") & set(names)) == 1, 300.0)
        (new,) = machine_names(stage) - set(names)
        stage.store.create(NODE, ready_node(new, "100.96.7.0/24"))
        await stage.eventually(lambda: not machine_names(stage) & set(names))


def say_ready(stage: Stage, name: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    stage.store.patch(NODE, name, {"status": {"conditions": conditions}}, subresource="status")


async def test_a_machine_whose_node_comes_back_stays() -> None:
    async with playing(alone) as stage:
        name = f"{NAME}-11111-aaaaa"
        place_old_set(stage, name)
        await stage.eventually(lambda: settled(stage, 1))
        say_ready(stage, name, "Unknown")
        await stage.eventually(lambda: machine_names(stage, "Unknown") == {name})
        say_ready(stage, name, "True")
        await stage.eventually(lambda: machine_names(stage, "Running") == {name})
        operation = machines(stage)[0]["status"]["lastOperation"]
        assert operation["description"] == f"Machine {name} successfully re-joined the cluster"
        assert operation["type"] == "HealthCheck"


async def test_a_class_that_is_wrong_is_named_and_taken_when_it_is_mended() -> None:
    async with playing(alone) as stage:
        place_dual_subnet(stage)
        place_deployment(stage, 1)
        await stage.eventually(lambda: machines(stage, "CrashLoopBackOff"))
        assert f'machineclass.machine.sapcloud.io "{CLASS}" not found' in described(stage)
        place_class(stage, machineType="")
        await stage.eventually(lambda: "providerSpec.machineType: Required value" in described(stage))
        place_class(stage)
        await stage.eventually(lambda: machines(stage, "Pending"))
        assert vm_names(stage) == machine_names(stage)


async def test_a_full_range_is_told_tried_again_and_given_up_after_twenty_minutes() -> None:
    async with playing(alone, speed=1500.0) as stage:
        place_dual_subnet(stage, pods="100.96.0.0/24")
        place_class(stage)
        place_deployment(stage, 2)
        await stage.eventually(lambda: machines(stage, "CrashLoopBackOff"))
        (first,) = machine_names(stage, "CrashLoopBackOff")
        assert "IP_SPACE_EXHAUSTED" in described(stage)
        await stage.eventually(lambda: first not in machine_names(stage))
        # The other one never became a Node, and had the only range: now it is free.
        await stage.eventually(lambda: len(machines(stage, "Pending")) >= 1)
        assert first not in vm_names(stage)


async def test_a_vm_that_was_begun_before_a_restart_is_taken_over() -> None:
    async with playing(alone) as stage:
        name = f"{NAME}-11111-aaaaa"
        place_old_set(stage, name)
        stage.store.patch(MACHINE, name, {"spec": {"providerID": None}}, NS)
        await stage.eventually(lambda: machines(stage)[0]["spec"].get("providerID"))
        assert machines(stage)[0]["spec"]["providerID"] == f"gce:///proj-1/europe-west1-b/{name}"
        assert vm_names(stage) == {name}


async def test_deleting_the_deployment_leaves_nothing() -> None:
    async with playing(alone) as stage:
        place_old_set(stage, f"{NAME}-11111-aaaaa", f"{NAME}-11111-bbbbb")
        stage.store.patch(MACHINE_DEPLOYMENT, NAME, {"metadata": {"finalizers": [FINALIZER]}}, NS)
        await stage.eventually(lambda: settled(stage, 2))
        stage.store.delete(MACHINE_DEPLOYMENT, NAME, NS)
        await stage.eventually(lambda: stage.store.get(MACHINE_DEPLOYMENT, NAME, NS) is None)
        assert not machines(stage)
        assert not replicas_of(stage)
        assert not vm_names(stage)
        assert not node_names(stage)


async def test_a_pause_holds_a_roll_out() -> None:
    async with playing(alone) as stage:
        place_old_set(stage, f"{NAME}-11111-aaaaa")
        await stage.eventually(lambda: settled(stage, 1))
        change_deployment(stage, {"paused": True})
        roll(stage)
        generation = deployment(stage)["metadata"]["generation"]
        await stage.eventually(lambda: deployment(stage)["status"]["observedGeneration"] == generation)
        assert set(replicas_of(stage)) == {f"{NAME}-11111"}
        assert deployment(stage)["status"].get("updatedReplicas", 0) == 0
        change_deployment(stage, {"paused": False})
        await stage.eventually(lambda: len(replicas_of(stage)) == 2)


def described(stage: Stage) -> str:
    """What the last operations of all machines say."""
    return "\n".join(
        machine.get("status", {}).get("lastOperation", {}).get("description", "") for machine in machines(stage)
    )
