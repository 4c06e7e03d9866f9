"""Kubelets: registration of Nodes, addresses of pods, and VMs that stop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dualstack.gardener.model.kinds import MACHINE
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, EVENT, LEASE, NODE, POD, Manifest
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.daemon_sets import DaemonSetController
from dualstack_sim.actors.hosts import Registration, Vm, vm_of
from dualstack_sim.actors.kubelet import Kubelet, node_of
from dualstack_sim.actors.pods import condition, is_ready, is_true
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.world.gardener.guests import ShootGuests, pool_of, registration_of
from tests.sim.actors.fixtures import (
    NS,
    ZONE,
    ActorsFixture,
    addresses_of,
    calico_config,
    daemon_set,
    place_calico,
    running_actors,
    template,
)
from tests.support.third_cni import registered
from tests.support.third_cni.simulator import FLAT, POLICY

DUAL = ("100.96.3.0/24", "2600:1900:4010:1234:0:1::/112")


def actors(context: ActorContext) -> Sequence[Actor]:
    recorder = Recorder(context, "kubelet")
    return [recorder, Kubelet(context, recorder, ShootGuests(context)), DaemonSetController(context)]


def bound_pod(name: str, node: str) -> Manifest:
    manifest = template("probe", nodeName=node)
    return {**manifest, "metadata": {**manifest["metadata"], "name": name, "namespace": "default"}}


def ready(env: ActorsFixture, name: str) -> dict[str, Any]:
    node = env.store.get(NODE, name)
    return (condition(node, "Ready") if node is not None else None) or {}


def running(env: ActorsFixture, name: str) -> Manifest | None:
    pod = env.get(POD, name, "default")
    return pod if is_ready(pod) else None


async def test_a_vm_boots_registers_becomes_ready_and_an_end_point() -> None:
    async with running_actors(actors) as env:
        place_calico(env)
        start = env.clock.now()
        name = f"{NS}-w1-z1-11111-aaaaa"
        env.place_vm(name)
        node = await env.eventually(lambda: env.store.get(NODE, name))
        assert env.clock.now() - start >= 30.0
        assert node["spec"]["taints"] == [
            {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}
        ]
        assert node["metadata"]["labels"]["worker.gardener.cloud/pool"] == "w1"
        assert "providerID" not in node["spec"]
        assert "podCIDR" not in node["spec"]
        words = ready(env, name)
        assert (words["status"], words["reason"]) == ("False", "KubeletNotReady")
        assert words["message"] == "container runtime network not ready: cni config uninitialized"
        await env.eventually(lambda: any(map(is_ready, env.pods("calico-node", "kube-system"))))
        # With a CNI but without a pod range the node is not ready, and NetworkUnavailable is not set.
        assert ready(env, name)["status"] == "False"
        assert condition(env.get(NODE, name), "NetworkUnavailable") is None
        assert env.traffic.joined == {}
        env.initialise(name, *DUAL)
        await env.eventually(lambda: ready(env, name)["status"] == "True")
        await env.eventually(lambda: name in env.traffic.joined)
        assert env.traffic.joined[name] == DUAL
        assert not env.traffic.stealing
        lease = await env.eventually(lambda: env.store.get(LEASE, name, "kube-node-lease"))
        assert lease["spec"]["holderIdentity"] == name
        await env.eventually(
            lambda: {"Starting", "NodeReady"} <= {each["reason"] for each in env.store.list(EVENT, "default")}
        )


async def test_pods_get_the_families_that_the_cni_agent_configured() -> None:
    async with running_actors(actors) as env:
        place_calico(env)
        env.place_node("node-a", *DUAL)
        env.store.create(POD, bound_pod("before", "node-a"))
        before = await env.eventually(lambda: running(env, "before"))
        assert len(addresses_of(before)) == 1
        assert addresses_of(before)[0].startswith("100.96.3.")
        # A new ConfigMap changes nothing until a CNI agent starts.
        env.store.upsert(CONFIG_MAP, calico_config(dual=True))
        env.store.create(POD, bound_pod("between", "node-a"))
        assert len(addresses_of(await env.eventually(lambda: running(env, "between")))) == 1
        patch = {"spec": {"template": {"metadata": {"annotations": {"checksum": "2"}}}}}
        old = {pod["metadata"]["uid"] for pod in env.pods("calico-node", "kube-system")}
        env.store.patch(DAEMON_SET, "calico-node", patch, "kube-system")
        await env.eventually(
            lambda: [
                pod
                for pod in env.pods("calico-node", "kube-system")
                if is_ready(pod) and pod["metadata"]["uid"] not in old
            ]
        )
        env.store.create(POD, bound_pod("after", "node-a"))
        after = addresses_of(await env.eventually(lambda: running(env, "after")))
        assert [":" in address for address in after] == [False, True]
        assert env.get(POD, "before", "default")["status"]["podIPs"] == before["status"]["podIPs"]
        everything = [address for pod in env.store.list(POD, "default") for address in addresses_of(pod)]
        assert len(everything) == len(set(everything))


async def test_a_node_without_a_range_of_the_second_family_cannot_start_pods() -> None:
    async with running_actors(actors) as env:
        place_calico(env, dual=True)
        env.place_node("old", "100.96.0.0/24")
        env.store.create(POD, bound_pod("stuck", "old"))

        def refused() -> Manifest | None:
            events = [each for each in env.store.list(EVENT, "default") if each["reason"] == "FailedCreatePodSandBox"]
            return next((each for each in events if each["involvedObject"]["name"] == "stuck"), None)

        event = await env.eventually(refused)
        assert event["type"] == "Warning"
        assert "no IPv6 pod CIDR on this node" in event["message"]
        stuck = env.get(POD, "stuck", "default")
        assert stuck["status"]["phase"] == "Pending"
        waiting = stuck["status"]["containerStatuses"][0]["state"]["waiting"]
        assert waiting == {"reason": "ContainerCreating"}
        assert ready(env, "old")["status"] == "True"


async def test_ciliums_agent_itself_is_not_ready_without_a_range_of_each_family() -> None:
    async with running_actors(actors) as env:
        data = {"enable-ipv4": "true", "enable-ipv6": "false"}
        config = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": data}
        env.store.create(CONFIG_MAP, config)
        env.place_node("old", "100.96.0.0/24")
        env.place_node("new", *DUAL)
        env.store.create(DAEMON_SET, daemon_set("cilium", hostNetwork=True))

        def agents() -> dict[str, Manifest]:
            return {pod["spec"]["nodeName"]: pod for pod in env.pods("cilium", "kube-system")}

        await env.eventually(lambda: len(agents()) == 2 and all(map(is_ready, agents().values())))
        env.store.upsert(CONFIG_MAP, {**config, "data": {**data, "enable-ipv6": "true"}})
        for pod in agents().values():
            env.store.delete(POD, pod["metadata"]["name"], "kube-system")
        uids = {pod["metadata"]["uid"] for pod in agents().values()}

        def renewed() -> bool:
            found = agents()
            phases = [pod["status"].get("phase") for pod in found.values() if pod["metadata"]["uid"] not in uids]
            return phases == ["Running", "Running"] and is_ready(found["new"])

        await env.eventually(renewed)
        assert not is_ready(agents()["old"])
        why = condition(agents()["old"], "Ready")
        assert why is not None
        assert why["message"] == "required IPv6 PodCIDR not available"
        for name, families in (("old", 1), ("new", 2)):
            env.store.create(POD, bound_pod(f"on-{name}", name))
            pod = await env.eventually(partial(running, env, f"on-{name}"))
            assert len(addresses_of(pod)) == families


async def test_a_cni_is_one_module_of_the_simulator() -> None:
    """A third CNI, with its own ConfigMap format, address offset and resource type, needs nothing but its module."""
    with registered():
        async with running_actors(actors) as env:
            metadata = {"name": FLAT.config_map, "namespace": "kube-system"}
            env.store.create(CONFIG_MAP, {"metadata": metadata, "data": {"IPv4": "", "IPv6": ""}})
            env.place_node("dual", *DUAL)
            env.store.create(DAEMON_SET, daemon_set(FLAT.daemon_set, hostNetwork=True))
            env.store.create(POLICY, {"metadata": {"name": "example", "namespace": "default"}})
            env.store.create(POD, bound_pod("web", "dual"))
            pod = await env.eventually(lambda: running(env, "web"))
            assert addresses_of(pod) == ["100.96.3.10", "2600:1900:4010:1234:0:1:0:a"]


async def test_pods_on_the_host_network_have_the_nodes_internal_addresses() -> None:
    async with running_actors(actors) as env:
        place_calico(env)
        env.place_node("node-a", *DUAL)
        env.initialise("node-a", *DUAL, addresses=("10.250.0.5", "2600:1900:4010:1234:0:1::"))
        agent = await env.eventually(lambda: next(filter(is_ready, env.pods("calico-node", "kube-system")), None))
        assert addresses_of(agent) == ["10.250.0.5", "2600:1900:4010:1234:0:1::"]


async def test_the_node_of_a_stopped_vm_becomes_unknown() -> None:
    async with running_actors(actors) as env:
        place_calico(env)
        env.place_node("node-a", "100.96.0.0/24")
        await env.eventually(lambda: "node-a" in env.traffic.joined)
        compute = env.context.compute
        await compute.wait(await compute.insert(f"{ZONE}/instances/node-a/stop", {}))
        await env.eventually(lambda: env.traffic.left == ["node-a"])
        assert ready(env, "node-a")["status"] == "True"
        await env.eventually(lambda: ready(env, "node-a")["status"] == "Unknown")
        assert ready(env, "node-a")["reason"] == "NodeStatusUnknown"
        env.traffic.joined.clear()
        await compute.wait(await compute.insert(f"{ZONE}/instances/node-a/start", {}))
        await env.eventually(lambda: ready(env, "node-a")["status"] == "True")
        await env.eventually(lambda: "node-a" in env.traffic.joined)


async def test_a_guest_agent_that_takes_aliases_is_reported_to_the_fabric() -> None:
    async with running_actors(actors, steals=True) as env:
        place_calico(env)
        env.place_node("node-a", "100.96.0.0/24")
        await env.eventually(lambda: "node-a" in env.traffic.joined)
        assert env.traffic.stealing == {"node-a"}


async def test_at_rest_there_are_few_requests_and_no_writes_to_nodes() -> None:
    async with running_actors(actors) as env:
        place_calico(env)
        name = f"{NS}-w1-z1-11111-aaaaa"
        env.place_node(name, "100.96.0.0/24")
        head = {"apiVersion": MACHINE.api_version, "kind": MACHINE.kind}
        env.store.create(MACHINE, {**head, "metadata": {"name": name, "namespace": NS}, "spec": {}})
        await env.eventually(lambda: name in env.traffic.joined)
        await env.clock.sleep(30.0)
        calls = env.compute.statistics()["calls"]
        version = env.get(NODE, name)["metadata"]["resourceVersion"]
        await env.clock.sleep(150.0)
        assert env.compute.statistics()["calls"] - calls <= 6
        assert env.get(NODE, name)["metadata"]["resourceVersion"] == version


def test_the_vm_as_its_guest_sees_it() -> None:
    nic = {"networkIP": "10.250.0.5", "ipv6AccessConfigs": [{"externalIpv6": "2600:1900:4010:1234:0:1::"}]}
    instance = {"name": "a", "zone": "https://x/zones/europe-west1-b", "status": "RUNNING", "networkInterfaces": [nic]}
    assert vm_of(instance) == Vm("a", "europe-west1-b", "RUNNING", ("10.250.0.5", "2600:1900:4010:1234:0:1::"))
    assert vm_of({"name": "b"}) == Vm("b", "", "", ())


def test_labels_and_taints_come_from_the_machine() -> None:
    assert pool_of(f"{NS}-cpu-worker-z2-5cdcf-x7f2q", NS) == "cpu-worker"
    assert pool_of("something-else", NS) is None
    machine = {
        "spec": {
            "nodeTemplate": {
                "metadata": {"labels": {"team": "blue"}},
                "spec": {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]},
            }
        }
    }
    name = f"{NS}-w1-z1-11111-aaaaa"
    node = node_of(Vm(name, "z", "RUNNING", ()), registration_of(name, NS, machine))
    assert node["metadata"]["labels"]["team"] == "blue"
    assert [taint["key"] for taint in node["spec"]["taints"]][1] == "dedicated"
    assert not is_true(node, "Ready")
    sibling = {"status": {"capacity": {"pods": "64"}, "nodeInfo": {"kubeletVersion": "v1.31.0"}}}
    status = node_of(Vm("a", "z", "RUNNING", ()), Registration(), sibling)["status"]
    assert status["allocatable"] == {"pods": "64"}
    assert status["nodeInfo"]["kubeletVersion"] == "v1.31.0"
