"""Arbitrary request bodies get a response, and objects stay readable."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.model.kinds import CRD, DAEMON_SET, DEPLOYMENT, EVENT, NAMESPACE, NODE, POD, SERVICE, Kind
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.conftest import ManualClock
from tests.sim.kube.objects import BUDGET, WIDGET, pod, widget, widget_definition
from tests.support.loopback import on_loopback

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
WORDS = [
    "metadata",
    "spec",
    "status",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "name",
    "template",
    "containers",
    "ports",
    "env",
    "conditions",
    "type",
    "podCIDRs",
    "podCIDR",
    "podIPs",
    "addresses",
    "replicas",
    "selector",
    "matchLabels",
    "matchExpressions",
    "minAvailable",
    "clusterIPs",
    "taints",
    "key",
    "values",
    "operator",
    "strategy",
    "rollingUpdate",
    "versions",
    "names",
    "group",
    "subresources",
    "nodeName",
    "terminationGracePeriodSeconds",
    "containerStatuses",
    "state",
    "involvedObject",
    "source",
    "resourceVersion",
    "generation",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/finalizers",
]


scalars = (
    st.none() | st.booleans() | st.integers(-3, 99) | st.sampled_from(["", "a", "web", "delete", "10.0.0.0/24", "5%"])
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(st.sampled_from(["metadata", "spec", "status", "data", "involvedObject"]), trees, max_size=3)
patch_types = st.sampled_from(["merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"])
kinds: st.SearchStrategy[Kind] = st.sampled_from(
    [NODE, POD, SERVICE, DEPLOYMENT, DAEMON_SET, BUDGET, CRD, WIDGET, EVENT, NAMESPACE]
)


def store_with_objects(deployment: dict[str, Any]) -> KubeStore:
    """A store with an object named web of every kind that the test modifies."""
    store = KubeStore(ManualClock(), Chance(1))
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("web", replicas=1))
    store.create(NODE, {"metadata": {"name": "web"}})
    store.create(POD, pod("web", node="web", labels={"app": "web"}))
    store.create(DEPLOYMENT, deployment)
    store.create(DAEMON_SET, {**deployment, "kind": "DaemonSet"})
    selector = {"selector": {"matchLabels": {"app": "web"}}}
    store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": selector})
    spec = {"ports": [{"port": 80}]}
    store.create(SERVICE, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    return store


@settings(max_examples=60)
@given(
    st.lists(st.tuples(kinds, patch_types, st.sampled_from([None, "status", "scale"]), objects), min_size=1, max_size=4)
)
def test_no_body_breaks_the_server(requests: list[tuple[Kind, str, str | None, dict[str, Any]]]) -> None:
    container = {"name": "web", "image": "web:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
    asyncio.run(disturb(store_with_objects({**deployment, "spec": spec}), requests))


async def disturb(store: KubeStore, requests: list[tuple[Kind, str, str | None, dict[str, Any]]]) -> None:
    async with on_loopback(create_app(store)) as url, aiohttp.ClientSession(url) as http:
        for kind, patch_type, subresource, body in requests:
            name = "widgets.example.org" if kind == CRD else "web"
            path = kind.item(name, "default", subresource)
            query = {"fieldManager": "test", "force": "true"}
            headers = {"Content-Type": f"application/{patch_type}"}
            applied = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
            sent = applied if patch_type.startswith("apply") else body
            await answered(http, "PATCH", path, params=query, json=sent, headers=headers)
            await answered(http, "POST", kind.collection("default"), json={**body, "metadata": {"name": "new"}})
            await answered(http, "GET", kind.collection(), headers=TABLE)
        await answered(http, "DELETE", POD.item("web", "default"))
        await answered(http, "DELETE", NODE.item("web"))
    other = KubeStore(ManualClock(), Chance(1))
    other.restore(store.snapshot())
    assert other.snapshot() == store.snapshot()


async def answered(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> None:
    async with http.request(method, path, **more) as response:
        document = await response.json(content_type=None)
        # The API server answers so to an applied configuration that does not fit the type.
        untyped = str(document.get("message")).startswith("failed to create typed patch object")
        assert response.status < 500 or untyped, document
        assert (response.status < 400) or document["kind"] == "Status"


@pytest.mark.parametrize(
    "body",
    [
        {"status": {"conditions": ["Ready"]}},
        {"status": {"containerStatuses": [1]}},
        {"status": {"podIPs": [1]}},
        {"status": []},
        {"status": 7},
    ],
)
async def test_a_status_of_the_wrong_shape_is_refused(store: KubeStore, http: aiohttp.ClientSession, body: Any) -> None:
    made = store.create(POD, pod("p"))
    headers = {"Content-Type": "application/merge-patch+json"}
    async with http.patch(POD.item("p", "default", "status"), json=body, headers=headers) as response:
        assert response.status == 422
    assert store.get(POD, "p", "default") == made
