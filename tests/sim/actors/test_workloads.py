"""Deployments, ReplicaSets, DaemonSets, scheduler and pod collector, with kubelets that run their pods."""

from __future__ import annotations

from collections import Counter

import pytest

from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, REPLICA_SET, Manifest
from dualstack_sim.actors.context import SEED_NODE
from dualstack_sim.actors.daemon_sets import eligible_nodes, group_pods, pods_to_replace
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.pods import is_active, is_ready
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import deletion_order
from dualstack_sim.actors.scheduler import Scheduler
from tests.sim.actors.fixtures import (
    NS,
    ActorsFixture,
    complete,
    daemon_set,
    deployment,
    place_calico,
    running_actors,
    template,
    workload_actors,
)


def create_objects(env: ActorsFixture, *nodes: str) -> None:
    place_calico(env)
    for number, name in enumerate(nodes):
        env.place_node(name, f"100.96.{number}.0/24")


async def test_a_deployment_runs_its_pods_spread_over_the_nodes_and_scales() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a", "node-b")
        env.store.create(DEPLOYMENT, deployment("web", 4))
        await env.eventually(lambda: complete(env, "web", 4))
        pods = env.pods("web")
        assert Counter(pod["spec"]["nodeName"] for pod in pods) == {"node-a": 2, "node-b": 2}
        addresses = {pod["status"]["podIP"] for pod in pods}
        assert len(addresses) == 4
        assert all(pod["metadata"]["ownerReferences"][0]["controller"] is True for pod in pods)
        conditions = {each["type"]: each for each in env.get(DEPLOYMENT, "web", "default")["status"]["conditions"]}
        assert conditions["Available"]["reason"] == "MinimumReplicasAvailable"
        assert conditions["Progressing"]["reason"] == "NewReplicaSetAvailable"
        await env.context.kube.scale(DEPLOYMENT, "web", "default", 1)
        await env.eventually(lambda: complete(env, "web", 1) and len(env.pods("web")) == 1)
        env.store.delete(POD, env.pods("web")[0]["metadata"]["name"], "default")
        await env.eventually(
            lambda: (
                complete(env, "web", 1) and not any(pod["metadata"].get("deletionTimestamp") for pod in env.pods("web"))
            )
        )


async def test_pods_spread_even_if_the_watch_is_faster_than_the_response_to_the_binding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_actors(lambda context: [Scheduler(context, Recorder(context, "test"))]) as env:
        bind, pods = KubeApi.bind, env.context.informers.of(POD)

        async def answered_late(kube: KubeApi, name: str, namespace: str, node: str) -> None:
            await bind(kube, name, namespace, node)
            if node == "node-b":
                await env.eventually(lambda: (pods.get(name, namespace) or {"spec": {}})["spec"].get("nodeName"))

        monkeypatch.setattr(KubeApi, "bind", answered_late)
        create_objects(env, "node-a", "node-b")
        for number in range(4):
            metadata = {"name": f"web-{number}", "namespace": "default"}
            env.store.create(POD, {**template("web"), "metadata": metadata})
        await env.eventually(lambda: all(each["spec"].get("nodeName") for each in env.pods()))
        assert Counter(each["spec"]["nodeName"] for each in env.pods()) == {"node-a": 2, "node-b": 2}


async def test_a_rollout_stays_within_its_limits_and_keeps_the_old_replica_set() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a")
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        env.store.create(DEPLOYMENT, deployment("web", 3, strategy=strategy))
        await env.eventually(lambda: complete(env, "web", 3))
        before = {pod["metadata"]["uid"] for pod in env.pods("web")}
        annotations = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
        env.store.patch(DEPLOYMENT, "web", annotations, "default")

        def within_limits() -> bool:
            active = [pod for pod in env.pods("web") if is_active(pod)]
            return sum(1 for pod in active if is_ready(pod)) >= 3 and len(active) <= 4

        def rolled() -> bool:
            assert within_limits()
            now = {pod["metadata"]["uid"] for pod in env.pods("web")}
            return complete(env, "web", 3) and len(now) == 3 and not now & before

        await env.eventually(rolled)
        sets = env.store.list(REPLICA_SET, "default")
        assert sorted(each["spec"]["replicas"] for each in sets) == [0, 3]
        assert {each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for each in sets} == {"1", "2"}
        # Back to the first template: its ReplicaSet is used again.
        env.store.patch(DEPLOYMENT, "web", {"spec": {"template": {"metadata": {"annotations": None}}}}, "default")
        await env.eventually(lambda: complete(env, "web", 3))
        assert len(env.store.list(REPLICA_SET, "default")) == 2


async def test_recreate_waits_until_the_last_old_pod_is_gone() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a")
        env.store.create(DEPLOYMENT, deployment("one", 1, strategy={"type": "Recreate"}))
        await env.eventually(lambda: complete(env, "one", 1))
        first = env.pods("one")[0]["metadata"]["uid"]
        env.store.patch(DEPLOYMENT, "one", {"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}, "default")

        def renewed() -> bool:
            uids = [pod["metadata"]["uid"] for pod in env.pods("one")]
            assert len(uids) <= 1
            return bool(uids) and uids[0] != first and complete(env, "one", 1)

        await env.eventually(renewed)


async def test_pods_of_the_seed_run_on_its_node_and_the_cloud_controller_manager_takes_its_grace() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env)
        for name in ("cloud-controller-manager", "kube-apiserver"):
            env.store.create(DEPLOYMENT, deployment(name, 1, namespace=NS))
        await env.eventually(
            lambda: complete(env, "cloud-controller-manager", 1, NS) and complete(env, "kube-apiserver", 1, NS)
        )
        pods = env.pods(namespace=NS)
        assert {pod["spec"]["nodeName"] for pod in pods} == {SEED_NODE}
        assert all(pod["status"]["podIP"].startswith("10.243.0.") for pod in pods)
        start = env.clock.now()
        for name in ("cloud-controller-manager", "kube-apiserver"):
            await env.context.kube.scale(DEPLOYMENT, name, NS, 0)
        await env.eventually(lambda: not env.pods("kube-apiserver", NS))
        # The Deployment has no replica while its leader still runs for 30 s (docs/reference/weaknesses.md#w8).
        await env.eventually(lambda: complete(env, "cloud-controller-manager", 0, NS))
        assert env.pods("cloud-controller-manager", NS)
        await env.eventually(lambda: not env.pods("cloud-controller-manager", NS))
        assert env.clock.now() - start >= 30.0


async def test_pods_wait_while_they_fit_no_node() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a")
        env.store.patch(NODE, "node-a", {"spec": {"unschedulable": True}})
        env.store.create(DEPLOYMENT, deployment("web", 1))

        def unschedulable() -> str | None:
            for pod in env.pods("web"):
                for condition in pod["status"].get("conditions", ()):
                    if condition.get("reason") == "Unschedulable":
                        return str(condition["message"])
            return None

        message = await env.eventually(unschedulable)
        assert message == "0/1 nodes are available: 1 node(s) were unschedulable."
        env.store.patch(NODE, "node-a", {"spec": {"unschedulable": None}})
        await env.eventually(lambda: complete(env, "web", 1))


async def test_a_daemon_set_has_one_pod_on_each_node_and_replaces_one_at_a_time() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a", "node-b", "node-c")
        env.store.create(DAEMON_SET, daemon_set("agent"))

        def counts() -> dict[str, int]:
            found = env.get(DAEMON_SET, "agent", "kube-system")
            status = found.get("status", {})
            assert status.get("observedGeneration", 0) <= found["metadata"]["generation"]
            return dict(status)

        await env.eventually(lambda: counts().get("numberReady") == 3)
        before = {pod["metadata"]["uid"] for pod in env.pods("agent", "kube-system")}
        env.store.patch(
            DAEMON_SET, "agent", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}, "kube-system"
        )

        def renewed() -> bool:
            pods = env.pods("agent", "kube-system")
            assert sum(1 for pod in pods if is_ready(pod) and is_active(pod)) >= 2
            now = {pod["metadata"]["uid"] for pod in pods}
            return not now & before and counts().get("numberReady") == 3

        await env.eventually(renewed)
        assert counts() == {
            "observedGeneration": 2,
            "desiredNumberScheduled": 3,
            "currentNumberScheduled": 3,
            "updatedNumberScheduled": 3,
            "numberReady": 3,
            "numberAvailable": 3,
            "numberUnavailable": 0,
            "numberMisscheduled": 0,
        }
        env.place_node("node-d", "100.96.9.0/24")
        await env.eventually(lambda: counts().get("numberReady") == 4)


async def test_pods_of_a_deleted_node_are_collected_and_replaced() -> None:
    async with running_actors(workload_actors) as env:
        create_objects(env, "node-a")
        env.store.create(DEPLOYMENT, deployment("web", 1))
        await env.eventually(lambda: complete(env, "web", 1))
        env.place_node("node-b", "100.96.1.0/24")
        start = env.clock.now()
        env.store.delete(NODE, "node-a")
        await env.eventually(
            lambda: [pod["spec"].get("nodeName") for pod in env.pods("web") if is_ready(pod)] == ["node-b"]
        )
        assert env.clock.now() - start >= 40.0
        assert not [pod for pod in env.store.list(POD) if pod["spec"].get("nodeName") == "node-a"]
        assert env.traffic.left == ["node-a"]


def pod(
    name: str, node: str = "n", *, ready: bool = True, hashed: str = "h", gone: bool = False, since: str = ""
) -> Manifest:
    metadata: Manifest = {"name": name, "labels": {"controller-revision-hash": hashed}}
    if gone:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    return {
        "metadata": metadata,
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": [condition]},
    }


def test_the_order_in_which_pods_are_deleted() -> None:
    pods = [
        pod("old", since="2026-01-01T00:00:00Z"),
        pod("young", since="2026-01-02T00:00:00Z"),
        pod("unready", ready=False),
        pod("unbound", node="", ready=False),
    ]
    assert [each["metadata"]["name"] for each in deletion_order(pods)] == ["unbound", "unready", "young", "old"]


def test_how_the_pods_of_a_daemon_set_are_grouped_and_replaced() -> None:
    pods = [
        pod("a", "one"),
        pod("b", "two", hashed="old"),
        pod("c", "three", hashed="old", ready=False),
        pod("d", "four", gone=True),
        pod("e", "elsewhere"),
        pod("f", "one"),
    ]
    groups = group_pods(pods, ["one", "two", "three", "four", "five"], "h")
    assert groups.current.keys() == {"one"}
    assert groups.missing == ["five"]
    assert [each["metadata"]["name"] for each in groups.surplus] == ["e", "f"]
    names = [each["metadata"]["name"] for each in pods_to_replace(groups, 1)]
    assert names == ["c"]
    assert [each["metadata"]["name"] for each in pods_to_replace(groups, 4)] == ["c", "b"]


def fits(manifest: Manifest, node: Manifest) -> bool:
    return eligible_nodes(manifest, [node]) == ["n"]


def test_daemon_pods_run_on_cordoned_nodes_but_not_on_nodes_with_other_taints() -> None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    node: Manifest = {"metadata": {"name": "n", "labels": {"disk": "fast"}}, "spec": {"taints": [taint]}}
    assert fits(template("agent"), node)
    assert fits(template("agent", nodeSelector={"disk": "fast"}), node)
    assert not fits(template("agent", nodeSelector={"disk": "slow"}), node)
    node["spec"]["taints"] = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]
    assert not fits(template("agent"), node)
    toleration = {"key": "dedicated", "operator": "Equal", "value": "x"}
    assert fits(template("agent", tolerations=[toleration]), node)
    unavailable = {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}
    node["spec"]["taints"] = [unavailable]
    assert not fits(template("agent"), node)
    assert fits(template("agent", hostNetwork=True), node)
