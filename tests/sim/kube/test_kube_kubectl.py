"""The real kubectl binary against the server: the commands that users need for the simulated cluster."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import SHOOT
from dualstack.kube.client import LightkubeKube
from dualstack.kube.event_recorder import EventRecorder
from dualstack.model.kinds import (
    CONFIG_MAP,
    CRD,
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Manifest,
)
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.types import ResourceType
from dualstack_sim.world.gardener.definitions import definitions
from tests.sim.kube.objects import BUDGET, WIDGET, pod, ready, widget, widget_definition
from tests.support.loopback import connection

pytestmark = pytest.mark.clients

Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
def arguments(url: str, tmp_path: Path) -> list[str]:
    """The command up to the verb. The test fails without the binary, because the server must work with it."""
    binary = shutil.which("kubectl")
    assert binary is not None, "kubectl is not installed"
    return [binary, "--server", url, "--cache-dir", str(tmp_path / "cache")]


@pytest.fixture
def kubectl(arguments: list[str], tmp_path: Path) -> Kubectl:
    async def run(*words: str, stdin: Any = None, fails: bool = False) -> str:
        """stdout of a command that succeeds; stderr of one that `fails`. `stdin` is sent as YAML documents."""
        process = await asyncio.create_subprocess_exec(
            *arguments,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        text = yaml.safe_dump_all(stdin).encode() if stdin else b""
        async with asyncio.timeout(60):
            out, err = await process.communicate(text)
        assert (process.returncode != 0) is fails, err.decode()
        return (err if fails else out).decode()

    return run


@pytest.fixture
def node(store: KubeStore) -> Manifest:
    status = {**ready()["status"], "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}
    status["nodeInfo"] = {"kubeletVersion": "v1.32.0"}
    return store.create(
        NODE, {"metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}, "status": status}
    )


async def test_get(store: KubeStore, kubectl: Kubectl, node: Manifest) -> None:
    store.create(POD, pod("p", node="n1"))
    lines = (await kubectl("get", "nodes,pods", "-o", "wide")).splitlines()
    assert re.match(r"NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP", lines[0])
    assert re.match(r"node/n1 +Ready +<none> +0s +v1\.32\.0 +10\.0\.0\.2", lines[1])
    assert re.match(r"pod/p +0/1 +Pending +0 +0s +<none> +n1", lines[4])
    shown = json.loads(await kubectl("get", "node", "n1", "-o", "json"))
    assert shown == node
    assert await kubectl("get", "po", "-o", "name", "-l", "a=b") == ""
    assert await kubectl("get", "no", "-o", "jsonpath={.items[*].spec.podCIDRs[1]}") == "fd00::/64"
    assert await kubectl("get", "pods", "--field-selector", "spec.nodeName=n1", "-o", "name") == "pod/p\n"
    assert 'pods "q" not found' in await kubectl("get", "pod", "q", fails=True)
    assert 'the server doesn\'t have a resource type "gadgets"' in await kubectl("get", "gadgets", fails=True)
    assert "n1" in await kubectl("get", "nodes", "--sort-by", ".metadata.name", "--chunk-size=1")


async def test_describe(store: KubeStore, kubectl: Kubectl, node: Manifest, web_deployment: Manifest) -> None:
    await kubectl("apply", "-f", "-", stdin=[web_deployment])
    store.create(POD, pod("p", node="n1", labels={"app": "web"}))
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}, "clusterIP": "10.2.0.1", "clusterIPs": ["10.2.0.1"]}
    store.create(SERVICE, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    described = await kubectl("describe", "node", "n1")
    assert re.search(r"PodCIDRs: +10\.1\.0\.0/24,fd00::/64", described)
    assert re.search(r"Non-terminated Pods: +\(1 in total\)", described)
    assert re.search(r"Node: +n1/", await kubectl("describe", "pod", "p"))
    assert re.search(r"Replicas: +2 desired", await kubectl("describe", "deployment", "web"))
    assert re.search(r"IP: +10\.2\.0\.1", await kubectl("describe", "service", "web"))
    assert "Name:         default" in await kubectl("describe", "namespace", "default")


async def test_p13_describe_shows_the_events_of_the_product(
    store: KubeStore, kubectl: Kubectl, url: str, clock: Clock
) -> None:
    """Given Events about a Shoot, a namespaced custom object, then `kubectl describe` shows them."""
    for definition in definitions():
        store.create(CRD, definition)
    names = {"apiVersion": SHOOT.api_version, "kind": SHOOT.kind}
    store.create(SHOOT, {**names, "metadata": {"name": "bar", "namespace": "default"}, "spec": {}})
    client = LightkubeKube.connect(connection(url))
    events = EventRecorder(client, clock, SHOOT, "bar", "default")
    await events.announce("StrategyChosen", "overlap: requested", kind="Warning")
    await client.close()
    described = await kubectl("describe", "shoot", "bar")
    assert re.search(r"Warning +StrategyChosen .* dualstack-shoot +overlap: requested", described)


async def test_apply_twice_and_changed(store: KubeStore, kubectl: Kubectl, web_deployment: Manifest) -> None:
    assert "created" in await kubectl("apply", "-f", "-", stdin=[web_deployment])
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=[web_deployment])
    template = web_deployment["spec"]["template"]["spec"]
    template["containers"] = [{"name": "side", "image": "side:1"}, {"name": "web", "image": "web:2"}]
    assert "configured" in await kubectl("apply", "-f", "-", stdin=[web_deployment])
    stored = store.get(DEPLOYMENT, "web", "default")
    assert stored is not None
    containers = {each["name"]: each for each in stored["spec"]["template"]["spec"]["containers"]}
    assert containers["web"]["image"] == "web:2"
    assert "ports" not in containers["web"], "what was applied before and is not now goes"
    assert containers["side"]["imagePullPolicy"] == "IfNotPresent"
    assert "serverside-applied" in await kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=[web_deployment]
    )


async def test_custom_resources(store: KubeStore, kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=[widget_definition()])
    await kubectl("wait", "--for", "condition=Established", "crd/widgets.example.org", "--timeout=10s")
    await kubectl("apply", "-f", "-", stdin=[widget("one", replicas=1, list=[1, 2])])
    await kubectl("apply", "-f", "-", stdin=[widget("one", replicas=2, list=[3])])
    assert (await kubectl("get", "wd")).split() == ["NAME", "SIZE", "READY", "one", "2", "<none>"]
    await kubectl("scale", "widget", "one", "--replicas", "5")
    stored = store.get(WIDGET, "one", "default")
    assert stored is not None
    assert stored["spec"] == {"replicas": 5, "list": [3]}
    assert "What the widget should be." in await kubectl("explain", "widget.spec")
    refusal = await kubectl("patch", "wd", "one", "--type=strategic", "-p", '{"spec":{}}', fails=True)
    assert "application/strategic-merge-patch+json is not supported" in refusal
    await kubectl("delete", "crd", "widgets.example.org")


async def test_create_what_kubectl_sends_as_protobuf(store: KubeStore, kubectl: Kubectl) -> None:
    await kubectl("create", "namespace", "shop")
    await kubectl("-n", "shop", "create", "configmap", "c", "--from-literal=a=b", "--from-literal=empty=")
    await kubectl("-n", "shop", "create", "secret", "generic", "s", "--from-literal=p=q")
    await kubectl("-n", "shop", "create", "serviceaccount", "bob")
    config, secret = store.get(CONFIG_MAP, "c", "shop"), store.get(SECRET, "s", "shop")
    assert config is not None
    assert secret is not None
    assert config["data"] == {"a": "b", "empty": ""}
    assert (secret["type"], secret["data"]) == ("Opaque", {"p": "cQ=="})
    assert (await kubectl("-n", "shop", "create", "token", "bob")).startswith("simulated-token-of-")
    assert await kubectl("auth", "can-i", "delete", "nodes") == "yes\n"
    await kubectl("create", "deployment", "web", "--image=web:1")
    deployment = store.get(DEPLOYMENT, "web", "default")
    assert deployment is not None
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    await kubectl("delete", "namespace", "shop")
    assert store.get(NAMESPACE, "shop") is None


async def test_patch(store: KubeStore, kubectl: Kubectl, web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)
    container = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}'
    await kubectl("patch", "deployment", "web", "-p", container)
    await kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    operations = '[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/replicas","value":4}]'
    await kubectl("patch", "deployment", "web", "--type=json", "-p", operations)
    stored = store.get(DEPLOYMENT, "web", "default")
    assert stored is not None
    spec = stored["spec"]
    assert (spec["template"]["spec"]["containers"][0]["image"], spec["paused"], spec["replicas"]) == ("web:2", True, 4)
    assert "the server rejected our request due to an error in our request" in await kubectl(
        "patch", "deployment", "web", "--type=json", "-p", operations, fails=True
    )
    status = '{"status":{"replicas":4}}'
    await kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status)
    stored = store.get(DEPLOYMENT, "web", "default")
    assert stored is not None
    assert stored["status"] == {"replicas": 4}


async def test_the_pod_range_of_a_node_cannot_change(kubectl: Kubectl, node: Manifest) -> None:
    refusal = await kubectl(
        "patch", "node", "n1", "--type=merge", "-p", '{"spec":{"podCIDRs":null,"podCIDR":null}}', fails=True
    )
    assert 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid' in refusal


async def test_scale_label_annotate_and_delete(store: KubeStore, kubectl: Kubectl, web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)
    await kubectl("scale", "deployment", "web", "--replicas=3", "--current-replicas=2")
    await kubectl("label", "deployment", "web", "tier=front")
    await kubectl("annotate", "deployment", "web", "note=well")
    stored = store.get(DEPLOYMENT, "web", "default")
    assert stored is not None
    assert stored["spec"]["replicas"] == 3
    assert (stored["metadata"]["labels"], stored["metadata"]["annotations"]) == ({"tier": "front"}, {"note": "well"})
    await kubectl("label", "deployment", "web", "tier-")
    assert "deleted" in await kubectl("delete", "deployment", "web")
    assert store.get(DEPLOYMENT, "web", "default") is None


def end_pods_at_once(store: KubeStore) -> None:
    """A kubelet without delay: it removes pods in deletion a moment later."""

    def observe(resource: ResourceType, change: Change) -> None:
        if resource.plural == "pods" and change.type == "MODIFIED" and change.object.being_deleted:
            asyncio.get_running_loop().call_later(
                0.05, lambda: store.delete(POD, change.object.name, change.object.namespace, grace=0)
            )

    store.listen(observe)


async def test_cordon_drain_and_uncordon(
    store: KubeStore, kubectl: Kubectl, node: Manifest, web_deployment: Manifest
) -> None:
    end_pods_at_once(store)
    body = {**web_deployment, "metadata": {"name": "set", "namespace": "default"}}
    owners = [store.create(kind, {**body, "kind": kind.kind}) for kind in (DAEMON_SET, REPLICA_SET)]
    for owner, name in zip(owners, ("everywhere", "web"), strict=True):
        reference = {"apiVersion": "apps/v1", "kind": owner["kind"], "name": "set", "uid": owner["metadata"]["uid"]}
        store.create(
            POD, pod(name, node="n1", labels={"app": name}, ownerReferences=[{**reference, "controller": True}])
        )
        store.patch(POD, name, ready(), "default", subresource="status")
    await kubectl("cordon", "n1")
    assert "Ready,SchedulingDisabled" in await kubectl("get", "node", "n1")
    drained = await kubectl("drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=20s")
    assert "pod/web evicted" in drained
    assert [each["metadata"]["name"] for each in store.list(POD)] == ["everywhere"]
    await kubectl("uncordon", "n1")
    assert "SchedulingDisabled" not in await kubectl("get", "node", "n1")


@pytest.mark.slow
async def test_a_drain_waits_for_the_budget(store: KubeStore, kubectl: Kubectl, node: Manifest) -> None:
    store.create(POD, pod("web", node="n1", labels={"app": "web"}))
    store.patch(POD, "web", ready(), "default", subresource="status")
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    refusal = await kubectl("drain", "n1", "--force", "--timeout=1s", fails=True)
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refusal
    (kept,) = store.list(POD)
    assert "deletionTimestamp" not in kept["metadata"]


@asynccontextmanager
async def lines_of(arguments: list[str], *words: str) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        *arguments, *words, stdout=asyncio.subprocess.PIPE, env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            yield process.stdout
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_get_and_watch(store: KubeStore, arguments: list[str], node: Manifest) -> None:
    async with lines_of(arguments, "get", "nodes", "-w") as lines:
        assert (await lines.readline()).split()[:2] == [b"NAME", b"STATUS"]
        assert (await lines.readline()).split()[:2] == [b"n1", b"Ready"]
        store.patch(NODE, "n1", ready("False"), subresource="status")
        assert (await lines.readline()).split()[:2] == [b"n1", b"NotReady"]
        store.create(NODE, {"metadata": {"name": "n2"}})
        assert (await lines.readline()).split()[:2] == [b"n2", b"Unknown"]


async def test_rollout_status(store: KubeStore, arguments: list[str], web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)

    def report(updated: int) -> None:
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), updated)
        status = {"status": {"observedGeneration": 1, **counts}}
        store.patch(DEPLOYMENT, "web", status, "default", subresource="status")

    report(1)
    async with lines_of(arguments, "rollout", "status", "deployment/web", "--timeout=20s") as lines:
        assert b"1 out of 2 new replicas have been updated" in await lines.readline()
        report(2)
        assert b"successfully rolled out" in await lines.read()
