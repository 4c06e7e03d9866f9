"""`follow` against a scripted API: the first list, changes, watches that break, a compacted history, a missing CRD."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.support.loopback import connection, on_loopback

from dualstack.kube import client, watching
from dualstack.kube.client import LightkubeKube
from dualstack.kube.watching import follow
from dualstack.model.kinds import NODE, Manifest

GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


class Api:
    """Serves one collection. A test changes `objects` and sends what the watches see."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.served = True
        self.forbidden = 0
        self.lists = 0
        self.watches: asyncio.Queue[asyncio.Queue[dict[str, Any] | None]] = asyncio.Queue()
        self.seen: asyncio.Queue[tuple[str | None, str]] = asyncio.Queue()
        self.listed = asyncio.Event()
        self.failures: asyncio.Queue[Exception] = asyncio.Queue()
        self.fail_on = ""
        self.tasks: list[asyncio.Task[None]] = []
        self.kube: LightkubeKube | None = None

    def start(self) -> None:
        assert self.kube is not None
        self.tasks.append(
            asyncio.create_task(follow(self.kube, NODE, self.handle, self.listed.set, self.failures.put_nowait))
        )

    def handle(self, change: str | None, found: Manifest) -> None:
        self.seen.put_nowait((change, found["metadata"]["name"]))
        if found["metadata"]["name"] == self.fail_on:
            raise ValueError("a defect")

    def put(self, name: str, version: str) -> dict[str, Any]:
        """The object at a version; what a watch would say of it."""
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = version
        return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not self.served:
            return web.json_response({"kind": "Status", "code": 404, "message": "no such resource"}, status=404)
        if "watch" not in request.query:
            self.lists += 1
            if self.forbidden:
                self.forbidden -= 1
                return web.json_response({"kind": "Status", "code": 403, "message": "forbidden"}, status=403)
            items = [{"metadata": {"name": name, "resourceVersion": v}} for name, v in self.objects.items()]
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": items})
        script: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.watches.put_nowait(script)
        response = web.StreamResponse()
        await response.prepare(request)
        while (change := await script.get()) is not None:
            await response.write(json.dumps(change).encode() + b"\n")
        assert request.transport is not None
        request.transport.close()
        return response

    async def changes(self, count: int) -> list[tuple[str | None, str]]:
        async with asyncio.timeout(20):
            return [await self.seen.get() for _ in range(count)]

    async def watch(self) -> asyncio.Queue[dict[str, Any] | None]:
        """The script of the next watch, once it has begun; None breaks its connection."""
        return await asyncio.wait_for(self.watches.get(), 20)


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The API while `follow` runs against it."""
    monkeypatch.setattr(watching, "FIRST", 0.05)
    monkeypatch.setattr(watching, "LONGEST", 0.1)
    monkeypatch.setattr(watching, "MISSING", 0.05)
    stand = Api()
    application = web.Application()
    application.router.add_route("GET", "/api/v1/nodes", stand.answer)
    async with on_loopback(application) as url:
        kube = LightkubeKube.connect(connection(url))
        stand.kube = kube
        yield stand
        for task in stand.tasks:
            task.cancel()
        await asyncio.gather(*stand.tasks, return_exceptions=True)
        await kube.close()


async def test_the_first_list_then_each_change(api: Api) -> None:
    api.put("a", "1")
    api.start()
    script = await api.watch()
    assert api.listed.is_set()
    script.put_nowait(api.put("b", "8"))
    script.put_nowait(api.put("a", "9"))
    script.put_nowait({**api.put("b", "10"), "type": "DELETED"})
    assert await api.changes(4) == [(None, "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


@pytest.mark.parametrize("end", [None, GONE], ids=["the connection breaks", "the version is too old"])
async def test_what_a_broken_watch_missed_comes_with_the_next_list(api: Api, end: dict[str, Any] | None) -> None:
    """Given a watch that ends, when the objects are listed again, then only what differs is passed on."""
    for name in ("same", "changed", "gone"):
        api.put(name, "1")
    api.start()
    script = await api.watch()
    api.put("changed", "8")
    api.put("new", "9")
    del api.objects["gone"]
    script.put_nowait(end)
    (await api.watch()).put_nowait(api.put("later", "10"))
    assert await api.changes(3) == [(None, "same"), (None, "changed"), (None, "gone")]
    assert await api.changes(4) == [("MODIFIED", "changed"), ("ADDED", "new"), ("DELETED", "gone"), ("ADDED", "later")]


async def test_a_silent_watch_is_replaced(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a connection that is dead without being closed, when it stays silent, then the objects are listed again."""
    monkeypatch.setattr(client, "SILENCE", 0.2)
    api.start()
    await api.watch()
    api.put("a", "8")
    assert await api.changes(1) == [("ADDED", "a")]


async def test_x4_a_kind_whose_crd_appears_later_is_followed_and_not_ready_before(api: Api) -> None:
    api.served = False
    api.start()
    error = await asyncio.wait_for(api.failures.get(), 20)
    assert str(error) == "the API server does not serve nodes; install its CustomResourceDefinition"
    assert not api.listed.is_set()
    assert api.watches.empty()
    api.served = True
    api.put("a", "1")
    assert await api.changes(1) == [("ADDED", "a")]
    assert api.listed.is_set()
    (await api.watch()).put_nowait(api.put("b", "8"))
    assert await api.changes(1) == [("ADDED", "b")]


async def test_x4_a_crd_that_is_deleted_and_installed_again_is_followed_again(api: Api) -> None:
    api.put("a", "1")
    api.start()
    script = await api.watch()
    api.served = False
    script.put_nowait(None)
    assert await api.changes(2) == [(None, "a"), ("DELETED", "a")]
    api.served = True
    assert await api.changes(1) == [("ADDED", "a")]


async def test_a_refused_list_is_repeated(api: Api) -> None:
    api.forbidden = 3
    api.put("a", "1")
    api.start()
    assert await api.changes(1) == [(None, "a")]
    assert api.lists == 4


async def test_p11_equal_failures_are_logged_once_and_so_is_their_end(api: Api) -> None:
    api.forbidden = 5
    api.put("a", "1")
    with capture_logs() as lines:
        api.start()
        await api.changes(1)
        await api.watch()
    assert [line["event"] for line in lines] == ["list failed; retrying", "list works again"]
    assert api.failures.qsize() == 5


async def test_x4_a_compacted_history_is_no_failure(api: Api) -> None:
    api.put("a", "1")
    with capture_logs() as lines:
        api.start()
        (await api.watch()).put_nowait(GONE)
        await api.watch()
    assert api.lists == 2
    assert api.failures.empty()
    assert lines == []


async def test_a_defect_in_the_handler_does_not_end_the_watch(api: Api) -> None:
    api.fail_on = "a"
    api.put("a", "1")
    api.start()
    (await api.watch()).put_nowait(api.put("b", "8"))
    assert await api.changes(2) == [(None, "a"), ("ADDED", "b")]
