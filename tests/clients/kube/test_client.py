"""`LightkubeKube` over HTTP against the simulated API: every verb, and every error as its type."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from tests.support.loopback import connection, on_loopback

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import SHOOT
from dualstack.kube.client import LightkubeKube, refusal_of_status
from dualstack.kube.interface import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    Kube,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from dualstack.model.errors import KubeError
from dualstack.model.kinds import CONFIG_MAP, CRD, DEPLOYMENT, NAMESPACE, NODE, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions


@pytest.fixture
async def url() -> AsyncIterator[str]:
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    for name in ("one", "two"):
        store.create(NAMESPACE, {"metadata": {"name": name}})
    async with on_loopback(create_app(store)) as root:
        yield root


@pytest.fixture
async def kube(url: str) -> AsyncIterator[Kube]:
    client = LightkubeKube.connect(connection(url))
    yield client
    await client.close()


def config_map(name: str, namespace: str = "one", labels: dict[str, str] | None = None) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


async def test_a_created_object_is_read_back(kube: Kube) -> None:
    created = await kube.create(CONFIG_MAP, config_map("x"))
    found = await kube.get(CONFIG_MAP, "x", "one")
    assert found == created
    assert found["data"] == {"a": "1"}
    assert found["metadata"]["resourceVersion"]


async def test_a_missing_object_is_none(kube: Kube) -> None:
    assert await kube.get(CONFIG_MAP, "x", "one") is None
    assert await kube.get(NODE, "x") is None
    await kube.delete(CONFIG_MAP, "x", "one")


async def test_lists_span_namespaces_and_follow_selectors(kube: Kube) -> None:
    await kube.create(CONFIG_MAP, config_map("x", "one", {"app": "a", "tier": "t"}))
    await kube.create(CONFIG_MAP, config_map("y", "two", {"app": "a"}))
    everywhere = await kube.list(CONFIG_MAP, labels="app=a")
    assert [item["metadata"]["name"] for item in everywhere] == ["x", "y"]
    assert [item["metadata"]["name"] for item in await kube.list(CONFIG_MAP, "two")] == ["y"]
    both = await kube.list(CONFIG_MAP, labels="app=a,tier=t")
    assert [(item["kind"], item["metadata"]["name"]) for item in both] == [("ConfigMap", "x")]
    with pytest.raises(Invalid, match="only key=value"):
        await kube.list(CONFIG_MAP, labels="app in (a)")


async def test_every_patch_type_and_subresource(kube: Kube) -> None:
    container = {"name": "main", "image": "one"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    await kube.create(
        DEPLOYMENT,
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "one"}, "spec": spec},
    )
    patched = await kube.patch(DEPLOYMENT, "d", {"metadata": {"labels": {"c": "d"}}}, "one")
    assert patched["metadata"]["labels"] == {"c": "d"}
    scaled = await kube.patch(DEPLOYMENT, "d", {"spec": {"replicas": 0}}, "one", subresource="scale")
    assert scaled["spec"] == {"replicas": 0}
    status = await kube.patch(DEPLOYMENT, "d", {"status": {"replicas": 7}}, "one", subresource="status")
    assert (status["status"]["replicas"], status["spec"]["replicas"]) == (7, 0)
    operations = [{"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}}]
    annotated = await kube.patch(DEPLOYMENT, "d", operations, "one", patch_type="json")
    assert annotated["metadata"]["annotations"]["x"] == "y"


async def test_custom_kinds_and_their_status(kube: Kube) -> None:
    shoot = {"apiVersion": SHOOT.api_version, "kind": "Shoot", "metadata": {"name": "s", "namespace": "one"}}
    await kube.create(SHOOT, {**shoot, "spec": {"unknown": {"kept": True}}})
    await kube.patch(SHOOT, "s", {"status": {"technicalID": "t"}}, "one", subresource="status")
    found = await kube.get(SHOOT, "s", "one")
    assert found is not None
    assert (found["spec"], found["status"]) == ({"unknown": {"kept": True}}, {"technicalID": "t"})


async def test_errors_have_their_types(kube: Kube) -> None:
    await kube.create(CONFIG_MAP, config_map("x"))
    with pytest.raises(AlreadyExists, match="already exists"):
        await kube.create(CONFIG_MAP, config_map("x"))
    with pytest.raises(NotFound, match='configmaps "y" not found'):
        await kube.patch(CONFIG_MAP, "y", {}, "one")
    with pytest.raises(Invalid):
        await kube.create(CONFIG_MAP, config_map("Not A Name"))
    with pytest.raises(Invalid, match="namespace is required"):
        await kube.get(CONFIG_MAP, "x")


async def test_an_unreachable_server_is_unavailable() -> None:
    client = LightkubeKube.connect(connection("http://127.0.0.1:9"))
    with pytest.raises(Unavailable):
        await client.get(NODE, "x")
    await client.close()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (401, "Unauthorized", Unauthenticated),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Unavailable),
        (500, None, Unavailable),
    ],
)
def test_a_status_maps_to_one_type(code: int, reason: str | None, expected: type[Exception]) -> None:
    assert type(refusal_of_status(code, reason, "words")) is expected


async def test_x6_every_request_names_the_program_its_version_and_its_platform() -> None:
    """Given a client, when it reads, lists, watches, creates, patches and deletes, then each request has the same
    User-Agent, in the form of kubectl's."""
    seen: list[tuple[str, str]] = []

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append((request.method, request.headers["User-Agent"]))
        return await handler(request)

    application = create_app(KubeStore(ScaledClock(), Chance(1)))
    application.middlewares.append(note)
    async with on_loopback(application) as url:
        client = LightkubeKube.connect(connection(url))
        await client.create(NAMESPACE, {"metadata": {"name": "one"}})
        _, version = await client.snapshot(NAMESPACE)
        await client.patch(NAMESPACE, "one", {"metadata": {"labels": {"a": "1"}}})
        async for _ in client.watch(NAMESPACE, version):
            break
        await client.delete(NAMESPACE, "one")
        await client.close()
    assert {method for method, _ in seen} == {"GET", "POST", "PATCH", "DELETE"}
    (agent,) = {agent for _, agent in seen}
    assert re.fullmatch(r"dualstack/\d\S* \(\w+/\w+\)", agent)


@pytest.mark.parametrize(
    ("status", "body", "media_type", "error"),
    [
        (503, "<html>no backend</html>", "text/html", Unavailable),
        (503, "<html>no backend</html>", "application/json", Unavailable),
        (500, "", "application/json", Unavailable),
        (403, '{"code": "x"}', "application/json", Forbidden),
        (401, "<html>", "application/json", Unauthenticated),
        (200, "<html>log in</html>", "text/html", Unavailable),
        (200, "null", "application/json", Unavailable),
        (200, '"x"', "application/json", Unavailable),
        (200, '{"kind": "Status", "status": "Failure"}', "application/json", Unavailable),
        (200, '{"kind": "NodeList", "items": []}', "application/json", Unavailable),
        (200, '{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": null}]}', "application/json", Unavailable),
        (200, '{"metadata": {"resour', "application/json", Unavailable),
    ],
)
async def test_p12_what_a_proxy_answers_instead_of_the_api_server_is_an_error_of_its_status(
    status: int, body: str, media_type: str, error: type[KubeError]
) -> None:
    """Not of the credentials, whatever the body is, and never an exception of a library."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=media_type)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    async with on_loopback(application) as root:
        kube = LightkubeKube.connect(connection(root))
        try:
            for call in (kube.get(NODE, "n"), kube.list(NODE), kube.patch(NODE, "n", {})):
                with pytest.raises(error, match=r"Kubernetes API: |HTTP status"):
                    await call
        finally:
            await kube.close()


async def test_p12_a_server_that_ends_each_watch_at_once_is_asked_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        return web.Response(content_type="application/json")

    monkeypatch.setattr("dualstack.kube.client.SILENCE", 0.3)
    application = web.Application()
    application.router.add_get("/{tail:.*}", answer)
    async with on_loopback(application) as root:
        kube = LightkubeKube.connect(connection(root))
        try:
            assert [change async for change in kube.watch(NODE, "1")] == []
        finally:
            await kube.close()
    assert seen == 1
