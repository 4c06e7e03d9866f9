"""The two client libraries that the product is built on, against the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import kopf
import lightkube
import pytest
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node, Pod
from lightkube.types import CascadeType, PatchType

from dualstack.model.kinds import CONFIG_MAP, CRD, DEPLOYMENT, NODE, POD, Manifest
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.objects import WIDGET, config_map, pod, widget, widget_definition

Widget = create_namespaced_resource("example.org", "v1", "Widget", "widgets")


@pytest.fixture
async def client(url: str) -> AsyncIterator[lightkube.AsyncClient]:
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sim",
        "contexts": [{"name": "sim", "context": {"cluster": "sim", "user": "sim"}}],
        "clusters": [{"name": "sim", "cluster": {"server": url}}],
        "users": [{"name": "sim", "user": {"token": "any"}}],
    }
    client = lightkube.AsyncClient(config=KubeConfig.from_dict(configuration), namespace="default")
    yield client
    await client.close()


async def test_lightkube_objects(store: KubeStore, client: lightkube.AsyncClient, web_deployment: Manifest) -> None:
    made = await client.create(ConfigMap(metadata=ObjectMeta(name="a", labels={"k": "v"}), data={"key": "1"}))
    assert made.metadata is not None
    assert made.metadata.uid
    made.data = {"key": "2"}
    assert (await client.replace(made)).data == {"key": "2"}
    with pytest.raises(ApiError) as stale:
        await client.replace(made)
    assert (stale.value.status.code, stale.value.status.reason) == (409, "Conflict")
    patched = await client.patch(ConfigMap, "a", {"data": {"more": "3"}}, patch_type=PatchType.MERGE)
    assert patched.data == {"key": "2", "more": "3"}
    assert [each.data async for each in client.list(ConfigMap, labels={"k": "v"})] == [patched.data]
    await client.delete(ConfigMap, "a", cascade=CascadeType.BACKGROUND)
    with pytest.raises(ApiError) as missing:
        await client.get(ConfigMap, "a")
    assert missing.value.status.reason == "NotFound"
    store.create(DEPLOYMENT, web_deployment)
    scale = await client.get(Deployment.Scale, "web")
    assert scale.spec is not None
    scale.spec.replicas = 7
    await client.replace(scale, "web")
    scaled = store.get(DEPLOYMENT, "web", "default")
    assert scaled is not None
    assert scaled["spec"]["replicas"] == 7


async def test_lightkube_lists_in_chunks(store: KubeStore, client: lightkube.AsyncClient) -> None:
    for number in range(5):
        store.create(CONFIG_MAP, config_map(f"c{number}"))
    found = [each.metadata.name async for each in client.list(ConfigMap, chunk_size=2) if each.metadata]
    assert found == ["c0", "c1", "c2", "c3", "c4"]


async def test_lightkube_generic_resources_and_status(store: KubeStore, client: lightkube.AsyncClient) -> None:
    store.create(CRD, widget_definition())
    await client.create(Widget(metadata=ObjectMeta(name="one"), spec={"size": 1}))
    await client.patch(Widget.Status, "one", {"status": {"seen": True}}, patch_type=PatchType.MERGE)
    assert (await client.get(Widget, "one"))["status"] == {"seen": True}
    applied = await client.apply(Widget(metadata=ObjectMeta(name="two"), spec={"size": 2}), field_manager="test")
    assert applied.spec == {"size": 2}


async def test_lightkube_watches(store: KubeStore, client: lightkube.AsyncClient) -> None:
    version = str(store.storage.version)
    store.create(NODE, {"metadata": {"name": "a"}})

    async def follow() -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        async for event, node in client.watch(Node, resource_version=version):
            assert node.metadata is not None
            seen.append((event, str(node.metadata.name)))
            if event == "DELETED":
                return seen
        return seen

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.05)
    store.patch(NODE, "a", {"spec": {"unschedulable": True}})
    store.delete(NODE, "a")
    async with asyncio.timeout(30):
        assert await task == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_lightkube_deletes_a_pod_with_grace(store: KubeStore, client: lightkube.AsyncClient) -> None:
    store.create(POD, pod("p", node="n"))
    await client.delete(Pod, "p", grace_period=7)
    leaving = await client.get(Pod, "p")
    assert leaving.metadata is not None
    assert leaving.metadata.deletionGracePeriodSeconds == 7


async def test_a_kopf_operator_follows_and_patches(store: KubeStore, url: str) -> None:
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("early", size=1))
    loop, seen = asyncio.get_running_loop(), asyncio.Queue[tuple[str | None, str]]()
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    @kopf.on.event("example.org", "v1", "widgets", registry=registry)
    async def follow(event: kopf.RawEvent, name: str, patch: kopf.Patch, **_: Any) -> None:
        loop.call_soon_threadsafe(seen.put_nowait, (event["type"], name))
        if event["type"] != "DELETED":
            patch.status["seen"] = True

    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    stop = threading.Event()

    def operate() -> None:
        kopf.run(registry=registry, settings=settings, standalone=True, namespaces=["default"], stop_flag=stop)

    # In a loop of its own: when an operator ends, it cancels all tasks of its loop, including the server.
    operator = asyncio.create_task(asyncio.to_thread(operate))
    try:
        async with asyncio.timeout(20):
            assert await seen.get() == (None, "early")
            store.create(WIDGET, widget("late", size=1))
            while await seen.get() != ("ADDED", "late"):
                pass
            while await seen.get() != ("MODIFIED", "late"):
                pass
            store.delete(WIDGET, "late", "default")
            while await seen.get() != ("DELETED", "late"):
                pass
    finally:
        stop.set()
        await asyncio.wait_for(operator, 20)
    early = store.get(WIDGET, "early", "default")
    assert early is not None
    assert early["status"] == {"seen": True}
