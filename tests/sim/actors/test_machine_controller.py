"""The machine controller over both simulated APIs: machines are created, replaced, fail and are deleted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dualstack.gardener.model.kinds import MACHINE, MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, Kind, Manifest
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.context import Actor, ActorContext
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
from dualstack_sim.world.gardener.guests import ShootGuests
from tests.sim.actors.fixtures import NS, ZONE, ActorsFixture, place_calico, ready_node, running_actors
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
    """Create what a machine needs to become a Node with pods, and to be drained."""
    recorder = Recorder(context, "kubelet")
    return [
        recorder,
        Kubelet(context, recorder, ShootGuests(context)),
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


def create_objects(env: ActorsFixture) -> None:
    place_dual_subnet(env)
    place_class(env)
    place_calico(env)
    place_controller_pod(env, CLOUD_ALLOCATOR)


def vm_names(env: ActorsFixture) -> set[str]:
    return set(env.compute.project.inventory.table("instances", ZONE))


def place_machine(env: ActorsFixture, name: str, *, labels: Manifest | None = None) -> None:
    """Create a machine that has run for a long time, with its VM and its Node, without an owner."""
    env.place_node(name, "100.96.0.0/24")
    template = machine_deployment(1)["spec"]["template"]["spec"]
    env.store.create(
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
    env.store.patch(MACHINE, name, {"status": status}, NS, subresource="status")


def place_old_set(env: ActorsFixture, *names: str) -> None:
    """Create a MachineDeployment at rest, an orphaned set of its template, and orphaned machines."""
    place_class(env, networkInterfaces=[{"subnetwork": "nodes", "disableExternalIP": True}])
    place_deployment(env, len(names), minReadySeconds=0)
    labels = {"name": NAME, "machine-template-hash": "11111"}
    template = machine_deployment(1)["spec"]["template"]
    metadata = {"name": f"{NAME}-11111", "namespace": NS, "labels": labels, "finalizers": [FINALIZER]}
    spec = {
        "replicas": len(names),
        "selector": {"matchLabels": labels},
        "template": {**template, "metadata": {"labels": labels}},
    }
    env.store.create(MACHINE_SET, typed(MACHINE_SET, {"metadata": metadata, "spec": spec}))
    for name in names:
        place_machine(env, name, labels=labels)


async def test_a_deployment_becomes_machines_with_vms_and_dual_stack_nodes() -> None:
    async with running_actors(everybody) as env:
        create_objects(env)
        phases: list[str] = []
        env.context.informers.of(MACHINE).subscribe(lambda _, new: phases.append(phase_of(new)) if new else None)
        place_deployment(env, 1)
        await env.eventually(lambda: settled(env, 1))

        assert list(dict.fromkeys(phases)) == ["", "Pending", "Running"]
        (machine,) = machines(env)
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
        nic = (env.vm(name) or {})["networkInterfaces"][0]
        assert nic["aliasIpRanges"] == [{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
        node = env.get(NODE, name)
        assert node["metadata"]["labels"]["worker.gardener.cloud/pool"] == "w1"
        assert node["spec"]["podCIDRs"][0] == "100.96.0.0/24"
        assert node["spec"]["podCIDRs"][1].endswith("/112")
        conditions = {each["type"]: each for each in deployment(env)["status"]["conditions"]}
        assert conditions["Available"]["status"] == "True"
        assert conditions["Progressing"]["reason"] == "NewMachineSetAvailable"


async def test_a_rollout_replaces_every_machine_within_its_limits() -> None:
    async with running_actors(everybody) as env:
        create_objects(env)
        place_deployment(env, 2)
        env.store.create(DEPLOYMENT, workload("web", 4))
        selector = {"matchLabels": {"app": "web"}}
        budget = {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"maxUnavailable": 1, "selector": selector},
        }
        env.store.create(BUDGET, budget)
        await env.eventually(lambda: settled(env, 2) and sum(map(is_ready, env.pods("web"))) == 4)
        before, daemons = machine_names(env), env.store.list(DAEMON_SET)
        assert daemons

        roll(env)
        least, most, serving = 2, 2, 4
        deadline = env.clock.now() + 6000.0
        while not (settled(env, 2) and not before & machine_names(env)):
            least = min(least, len(machines(env, "Running")))
            most = max(most, sum(map(is_active, machines(env))))
            serving = min(serving, sum(map(is_ready, env.pods("web"))))
            assert env.clock.now() < deadline
            await env.clock.sleep(2.0)
        assert (least, most) == (2, 3)
        assert serving >= 3
        assert sorted(replicas_of(env).values()) == [0, 2]
        assert node_names(env) == vm_names(env) == machine_names(env)
        assert len({env.get(NODE, name)["spec"]["podCIDR"] for name in node_names(env)}) == 2
        annotations = [machine["metadata"]["annotations"] for machine in machines(env)]
        assert annotations == [{"rollout-workers": "2026-01-01T00:00:00Z"}] * 2


async def test_a_budget_blocks_a_drain_until_it_is_forced() -> None:
    async with running_actors(everybody) as env:
        create_objects(env)
        place_deployment(env, 1, minReadySeconds=0)
        env.store.create(DEPLOYMENT, workload("web", 1))
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        env.store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await env.eventually(lambda: any(map(is_ready, env.pods("web"))))
        (name,) = machine_names(env)
        env.store.delete(MACHINE, name, NS)
        await env.eventually(lambda: name in machine_names(env, "Terminating"))
        await env.eventually(lambda: env.get(NODE, name)["spec"].get("unschedulable"))
        await env.throughout(lambda: env.vm(name) is not None and any(map(is_ready, env.pods("web"))), 90.0)
        env.store.patch(MACHINE, name, {"metadata": {"labels": {"force-deletion": "True"}}}, NS)
        await env.eventually(lambda: name not in machine_names(env))
        assert env.vm(name) is None
        assert env.store.get(NODE, name) is None


async def test_a_deleted_machine_is_drained_and_replaced() -> None:
    async with running_actors(everybody) as env:
        create_objects(env)
        place_deployment(env, 1, minReadySeconds=0)
        await env.eventually(lambda: settled(env, 1))
        (name,) = machine_names(env)
        env.store.delete(MACHINE, name, NS)
        await env.eventually(lambda: settled(env, 1) and name not in machine_names(env))
        assert node_names(env) == vm_names(env) == machine_names(env)


async def test_existing_machines_are_adopted_and_not_changed() -> None:
    async with running_actors(alone) as env:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb")]
        place_old_set(env, *names)
        await env.eventually(lambda: settled(env, 2))
        assert replicas_of(env) == {f"{NAME}-11111": 2}
        await env.throughout(lambda: machine_names(env) == set(names), 60.0)
        owners = {machine["metadata"]["ownerReferences"][0]["name"] for machine in machines(env)}
        assert owners == {f"{NAME}-11111"}


async def test_scaling_down_deletes_the_machine_of_lowest_priority() -> None:
    async with running_actors(alone) as env:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb", "ccccc")]
        place_old_set(env, *names)
        await env.eventually(lambda: settled(env, 3))
        env.store.patch(MACHINE, names[1], {"metadata": {"annotations": {PRIORITY: "1"}}}, NS)
        change_deployment(env, {"replicas": 2})
        await env.eventually(lambda: settled(env, 2))
        assert machine_names(env) == {names[0], names[2]}
        assert vm_names(env) == {names[0], names[2]}
        change_deployment(env, {"replicas": 3})
        await env.eventually(lambda: len(machines(env, "Pending")) == 1)
        assert len(vm_names(env)) == 3


async def test_machines_without_nodes_are_replaced_one_at_a_time() -> None:
    async with running_actors(alone) as env:
        names = [f"{NAME}-11111-{letters}" for letters in ("aaaaa", "bbbbb")]
        place_old_set(env, *names)
        await env.eventually(lambda: settled(env, 2))
        for name in names:
            env.store.delete(NODE, name)
        await env.eventually(lambda: machine_names(env, "Unknown") == set(names))
        start = env.clock.now()
        await env.eventually(lambda: len(machine_names(env) & set(names)) == 1)
        assert env.clock.now() - start > 500.0
        # The replacement does not join, so the other one is not replaced.
        await env.throughout(lambda: len(machine_names(env, "Unknown") & set(names)) == 1, 300.0)
        (new,) = machine_names(env) - set(names)
        env.store.create(NODE, ready_node(new, "100.96.7.0/24"))
        await env.eventually(lambda: not machine_names(env) & set(names))


def say_ready(env: ActorsFixture, name: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    env.store.patch(NODE, name, {"status": {"conditions": conditions}}, subresource="status")


async def test_a_machine_whose_node_recovers_is_kept() -> None:
    async with running_actors(alone) as env:
        name = f"{NAME}-11111-aaaaa"
        place_old_set(env, name)
        await env.eventually(lambda: settled(env, 1))
        say_ready(env, name, "Unknown")
        await env.eventually(lambda: machine_names(env, "Unknown") == {name})
        say_ready(env, name, "True")
        await env.eventually(lambda: machine_names(env, "Running") == {name})
        operation = machines(env)[0]["status"]["lastOperation"]
        assert operation["description"] == f"Machine {name} successfully re-joined the cluster"
        assert operation["type"] == "HealthCheck"


async def test_an_invalid_class_is_reported_and_used_once_it_is_valid() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env)
        place_deployment(env, 1)
        await env.eventually(lambda: machines(env, "CrashLoopBackOff"))
        assert f'machineclass.machine.sapcloud.io "{CLASS}" not found' in described(env)
        place_class(env, machineType="")
        await env.eventually(lambda: "providerSpec.machineType: Required value" in described(env))
        place_class(env)
        await env.eventually(lambda: machines(env, "Pending"))
        assert vm_names(env) == machine_names(env)


async def test_a_full_range_is_reported_and_retried_for_twenty_minutes() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env, pods="100.96.0.0/24")
        place_class(env)
        place_deployment(env, 2)
        await env.eventually(lambda: machines(env, "CrashLoopBackOff"))
        (first,) = machine_names(env, "CrashLoopBackOff")
        assert "IP_SPACE_EXHAUSTED" in described(env)
        await env.eventually(lambda: first not in machine_names(env))
        # The other machine had the only range and never became a Node; its range is free now.
        await env.eventually(lambda: len(machines(env, "Pending")) >= 1)
        assert first not in vm_names(env)


async def test_a_vm_whose_creation_began_before_a_restart_is_adopted() -> None:
    async with running_actors(alone) as env:
        name = f"{NAME}-11111-aaaaa"
        place_old_set(env, name)
        env.store.patch(MACHINE, name, {"spec": {"providerID": None}}, NS)
        await env.eventually(lambda: machines(env)[0]["spec"].get("providerID"))
        assert machines(env)[0]["spec"]["providerID"] == f"gce:///proj-1/europe-west1-b/{name}"
        assert vm_names(env) == {name}


async def test_deleting_the_deployment_deletes_everything() -> None:
    async with running_actors(alone) as env:
        place_old_set(env, f"{NAME}-11111-aaaaa", f"{NAME}-11111-bbbbb")
        env.store.patch(MACHINE_DEPLOYMENT, NAME, {"metadata": {"finalizers": [FINALIZER]}}, NS)
        await env.eventually(lambda: settled(env, 2))
        env.store.delete(MACHINE_DEPLOYMENT, NAME, NS)
        await env.eventually(lambda: env.store.get(MACHINE_DEPLOYMENT, NAME, NS) is None)
        assert not machines(env)
        assert not replicas_of(env)
        assert not vm_names(env)
        assert not node_names(env)


async def test_a_paused_deployment_does_not_roll() -> None:
    async with running_actors(alone) as env:
        place_old_set(env, f"{NAME}-11111-aaaaa")
        await env.eventually(lambda: settled(env, 1))
        change_deployment(env, {"paused": True})
        roll(env)
        generation = deployment(env)["metadata"]["generation"]
        await env.eventually(lambda: deployment(env)["status"]["observedGeneration"] == generation)
        assert set(replicas_of(env)) == {f"{NAME}-11111"}
        assert deployment(env)["status"].get("updatedReplicas", 0) == 0
        change_deployment(env, {"paused": False})
        await env.eventually(lambda: len(replicas_of(env)) == 2)


def described(env: ActorsFixture) -> str:
    """The descriptions of the last operations of all machines."""
    return "\n".join(
        machine.get("status", {}).get("lastOperation", {}).get("description", "") for machine in machines(env)
    )
