"""Deployments, ReplicaSets, DaemonSets, scheduler and pod collector, with kubelets that run their pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, REPLICA_SET, Manifest
from dualstack_sim.actors.api import SEED_NODE, Actor, ActorContext
from dualstack_sim.actors.daemon_sets import DaemonSetController, fitting, muster, to_renew
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.pod_collector import PodCollector
from dualstack_sim.actors.pods import is_active, is_ready
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController, first_to_go
from dualstack_sim.actors.scheduler import Scheduler
from tests.sim.actors.fixtures import NS, Stage, daemon_set, deployment, place_calico, playing, template


def troupe(context: ActorContext) -> Sequence[Actor]:
    recorder = Recorder(context, "test")
    return [
        recorder,
        Kubelet(context, recorder),
        ReplicaSetController(context),
        DeploymentController(context),
        DaemonSetController(context),
        Scheduler(context, recorder),
        PodCollector(context),
    ]


def furnish(stage: Stage, *nodes: str) -> None:
    place_calico(stage)
    for number, name in enumerate(nodes):
        stage.place_node(name, f"100.96.{number}.0/24")


def complete(stage: Stage, name: str, replicas: int, namespace: str = "default") -> bool:
    found = stage.get(DEPLOYMENT, name, namespace)
    status = found.get("status", {})
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and all(
            status.get(field, 0) == replicas
            for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        )
    )


async def test_a_deployment_runs_its_pods_spread_over_the_nodes_and_scales() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a", "node-b")
        stage.store.create(DEPLOYMENT, deployment("web", 4))
        await stage.eventually(lambda: complete(stage, "web", 4))
        pods = stage.pods("web")
        assert Counter(pod["spec"]["nodeName"] for pod in pods) == {"node-a": 2, "node-b": 2}
        addresses = {pod["status"]["podIP"] for pod in pods}
        assert len(addresses) == 4
        assert all(pod["metadata"]["ownerReferences"][0]["controller"] is True for pod in pods)
        conditions = {each["type"]: each for each in stage.get(DEPLOYMENT, "web", "default")["status"]["conditions"]}
        assert conditions["Available"]["reason"] == "MinimumReplicasAvailable"
        assert conditions["Progressing"]["reason"] == "NewReplicaSetAvailable"
        await stage.context.kube.scale(DEPLOYMENT, "web", "default", 1)
        await stage.eventually(lambda: complete(stage, "web", 1) and len(stage.pods("web")) == 1)
        stage.store.delete(POD, stage.pods("web")[0]["metadata"]["name"], "default")
        await stage.eventually(
            lambda: (
                complete(stage, "web", 1)
                and not any(pod["metadata"].get("deletionTimestamp") for pod in stage.pods("web"))
            )
        )


async def test_pods_spread_also_where_their_watch_is_faster_than_the_answer_to_the_binding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with playing(lambda context: [Scheduler(context, Recorder(context, "test"))]) as stage:
        bind, pods = KubeApi.bind, stage.context.informers.of(POD)

        async def answered_late(kube: KubeApi, name: str, namespace: str, node: str) -> None:
            await bind(kube, name, namespace, node)
            if node == "node-b":
                await stage.eventually(lambda: (pods.get(name, namespace) or {"spec": {}})["spec"].get("nodeName"))

        monkeypatch.setattr(KubeApi, "bind", answered_late)
        furnish(stage, "node-a", "node-b")
        for number in range(4):
            metadata = {"name": f"web-{number}", "namespace": "default"}
            stage.store.create(POD, {**template("web"), "metadata": metadata})
        await stage.eventually(lambda: all(each["spec"].get("nodeName") for each in stage.pods()))
        assert Counter(each["spec"]["nodeName"] for each in stage.pods()) == {"node-a": 2, "node-b": 2}


async def test_a_new_template_rolls_within_its_limits_and_keeps_the_old_replica_set() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a")
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        stage.store.create(DEPLOYMENT, deployment("web", 3, strategy=strategy))
        await stage.eventually(lambda: complete(stage, "web", 3))
        before = {pod["metadata"]["uid"] for pod in stage.pods("web")}
        annotations = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
        stage.store.patch(DEPLOYMENT, "web", annotations, "default")

        def within_limits() -> bool:
            active = [pod for pod in stage.pods("web") if is_active(pod)]
            return sum(1 for pod in active if is_ready(pod)) >= 3 and len(active) <= 4

        def rolled() -> bool:
            assert within_limits()
            now = {pod["metadata"]["uid"] for pod in stage.pods("web")}
            return complete(stage, "web", 3) and len(now) == 3 and not now & before

        await stage.eventually(rolled)
        sets = stage.store.list(REPLICA_SET, "default")
        assert sorted(each["spec"]["replicas"] for each in sets) == [0, 3]
        assert {each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for each in sets} == {"1", "2"}
        # Back to the first template: its ReplicaSet is used again.
        stage.store.patch(DEPLOYMENT, "web", {"spec": {"template": {"metadata": {"annotations": None}}}}, "default")
        await stage.eventually(lambda: complete(stage, "web", 3))
        assert len(stage.store.list(REPLICA_SET, "default")) == 2


async def test_recreate_waits_until_the_last_old_pod_is_gone() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a")
        stage.store.create(DEPLOYMENT, deployment("one", 1, strategy={"type": "Recreate"}))
        await stage.eventually(lambda: complete(stage, "one", 1))
        first = stage.pods("one")[0]["metadata"]["uid"]
        stage.store.patch(DEPLOYMENT, "one", {"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}, "default")

        def renewed() -> bool:
            uids = [pod["metadata"]["uid"] for pod in stage.pods("one")]
            assert len(uids) <= 1
            return bool(uids) and uids[0] != first and complete(stage, "one", 1)

        await stage.eventually(renewed)


async def test_pods_of_the_seed_run_on_its_node_and_the_cloud_controller_manager_takes_its_grace() -> None:
    async with playing(troupe, speed=40.0) as stage:
        furnish(stage)
        for name in ("cloud-controller-manager", "kube-apiserver"):
            stage.store.create(DEPLOYMENT, deployment(name, 1, namespace=NS))
        await stage.eventually(
            lambda: complete(stage, "cloud-controller-manager", 1, NS) and complete(stage, "kube-apiserver", 1, NS)
        )
        pods = stage.pods(namespace=NS)
        assert {pod["spec"]["nodeName"] for pod in pods} == {SEED_NODE}
        assert all(pod["status"]["podIP"].startswith("10.243.0.") for pod in pods)
        start = stage.clock.now()
        for name in ("cloud-controller-manager", "kube-apiserver"):
            await stage.context.kube.scale(DEPLOYMENT, name, NS, 0)
        await stage.eventually(lambda: not stage.pods("kube-apiserver", NS))
        # W8: the Deployment has no replica any more while its leader still works for its 30 s of grace.
        await stage.eventually(lambda: complete(stage, "cloud-controller-manager", 0, NS))
        assert stage.pods("cloud-controller-manager", NS)
        await stage.eventually(lambda: not stage.pods("cloud-controller-manager", NS))
        assert stage.clock.now() - start >= 30.0


async def test_pods_wait_while_no_node_takes_them() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a")
        stage.store.patch(NODE, "node-a", {"spec": {"unschedulable": True}})
        stage.store.create(DEPLOYMENT, deployment("web", 1))

        def unschedulable() -> str | None:
            for pod in stage.pods("web"):
                for condition in pod["status"].get("conditions", ()):
                    if condition.get("reason") == "Unschedulable":
                        return str(condition["message"])
            return None

        message = await stage.eventually(unschedulable)
        assert message == "0/1 nodes are available: 1 node(s) were unschedulable."
        stage.store.patch(NODE, "node-a", {"spec": {"unschedulable": None}})
        await stage.eventually(lambda: complete(stage, "web", 1))


async def test_a_daemon_set_has_one_pod_on_each_node_and_renews_one_at_a_time() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a", "node-b", "node-c")
        stage.store.create(DAEMON_SET, daemon_set("agent"))

        def counts() -> dict[str, int]:
            found = stage.get(DAEMON_SET, "agent", "kube-system")
            status = found.get("status", {})
            assert status.get("observedGeneration", 0) <= found["metadata"]["generation"]
            return dict(status)

        await stage.eventually(lambda: counts().get("numberReady") == 3)
        before = {pod["metadata"]["uid"] for pod in stage.pods("agent", "kube-system")}
        stage.store.patch(
            DAEMON_SET, "agent", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}, "kube-system"
        )

        def renewed() -> bool:
            pods = stage.pods("agent", "kube-system")
            assert sum(1 for pod in pods if is_ready(pod) and is_active(pod)) >= 2
            now = {pod["metadata"]["uid"] for pod in pods}
            return not now & before and counts().get("numberReady") == 3

        await stage.eventually(renewed)
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
        stage.place_node("node-d", "100.96.9.0/24")
        await stage.eventually(lambda: counts().get("numberReady") == 4)


async def test_pods_of_a_vanished_node_are_collected_and_replaced() -> None:
    async with playing(troupe) as stage:
        furnish(stage, "node-a")
        stage.store.create(DEPLOYMENT, deployment("web", 1))
        await stage.eventually(lambda: complete(stage, "web", 1))
        stage.place_node("node-b", "100.96.1.0/24")
        start = stage.clock.now()
        stage.store.delete(NODE, "node-a")
        await stage.eventually(
            lambda: [pod["spec"].get("nodeName") for pod in stage.pods("web") if is_ready(pod)] == ["node-b"]
        )
        assert stage.clock.now() - start >= 40.0
        assert not [pod for pod in stage.store.list(POD) if pod["spec"].get("nodeName") == "node-a"]
        assert stage.traffic.left == ["node-a"]


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


def test_which_pods_go_first() -> None:
    pods = [
        pod("old", since="2026-01-01T00:00:00Z"),
        pod("young", since="2026-01-02T00:00:00Z"),
        pod("unready", ready=False),
        pod("unbound", node="", ready=False),
    ]
    assert [each["metadata"]["name"] for each in first_to_go(pods)] == ["unbound", "unready", "young", "old"]


def test_how_a_daemon_set_is_mustered_and_renewed() -> None:
    pods = [
        pod("a", "one"),
        pod("b", "two", hashed="old"),
        pod("c", "three", hashed="old", ready=False),
        pod("d", "four", gone=True),
        pod("e", "elsewhere"),
        pod("f", "one"),
    ]
    roster = muster(pods, ["one", "two", "three", "four", "five"], "h")
    assert roster.current.keys() == {"one"}
    assert roster.vacant == ["five"]
    assert [each["metadata"]["name"] for each in roster.strays] == ["e", "f"]
    names = [each["metadata"]["name"] for each in to_renew(roster, 1)]
    assert names == ["c"]
    assert [each["metadata"]["name"] for each in to_renew(roster, 4)] == ["c", "b"]


def fits(manifest: Manifest, node: Manifest) -> bool:
    return fitting(manifest, [node]) == ["n"]


def test_daemon_pods_come_to_cordoned_nodes_but_not_through_foreign_taints() -> None:
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
