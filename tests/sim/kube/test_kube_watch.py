"""Watches: every change once, in order, from any version in the history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.model.kinds import CONFIG_MAP, CRD, NODE, POD
from dualstack_sim.chance import Chance
from dualstack_sim.kube.selectors import label_predicate
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.conftest import ManualClock
from tests.sim.kube.objects import WIDGET, config_map, pod, widget, widget_definition

PATH = "/api/v1/namespaces/default/configmaps"


class Stream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            event: dict[str, Any] = json.loads(await self._response.content.readline())
            return event

    async def seen(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next `count` events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    async def is_over(self) -> bool:
        async with asyncio.timeout(30):
            return await self._response.content.read() == b""


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, path: str = PATH, **query: str) -> AsyncIterator[Stream]:
    accept = {"Accept": query.pop("accept", "application/json")}
    async with http.get(path, params={"watch": "true", **query}, headers=accept) as response:
        assert response.status == 200
        yield Stream(response)


async def test_a_watch_without_version_starts_with_what_is_there(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CONFIG_MAP, config_map("a"))
    async with watching(http) as stream:
        assert await stream.seen(1) == [("ADDED", "a")]
        store.create(CONFIG_MAP, config_map("b"))
        store.patch(CONFIG_MAP, "a", {"data": {"key": "new"}}, "default")
        store.delete(CONFIG_MAP, "b", "default")
        assert await stream.seen(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_a_watch_replays_what_came_after_its_version(store: KubeStore, http: aiohttp.ClientSession) -> None:
    first = store.create(CONFIG_MAP, config_map("a"))
    store.create(CONFIG_MAP, config_map("b"))
    deleted = int(store.patch(CONFIG_MAP, "a", {"data": {"key": "2"}}, "default")["metadata"]["resourceVersion"]) + 1
    store.delete(CONFIG_MAP, "a", "default")
    async with watching(http, resourceVersion=first["metadata"]["resourceVersion"]) as stream:
        assert await stream.seen(2) == [("ADDED", "b"), ("MODIFIED", "a")]
        last = await stream.next()
        assert (last["type"], last["object"]["metadata"]["resourceVersion"]) == ("DELETED", str(deleted))


async def test_an_object_enters_and_leaves_a_selection(store: KubeStore, http: aiohttp.ClientSession) -> None:
    def label(value: str) -> None:
        store.patch(CONFIG_MAP, "a", {"metadata": {"labels": {"in": value}}}, "default")

    store.create(CONFIG_MAP, config_map("a"))
    version = str(store.storage.version)
    async with watching(http, labelSelector="in=yes", resourceVersion=version) as stream:
        label("yes")
        store.patch(CONFIG_MAP, "a", {"data": {"key": "2"}}, "default")
        label("no")
        assert await stream.seen(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        left = await stream.next()
        assert left["type"] == "DELETED"
        assert left["object"]["metadata"]["labels"] == {"in": "yes"}, "the content that the watcher knew"
        assert left["object"]["metadata"]["resourceVersion"] == str(store.storage.version)


async def test_a_kubelet_sees_only_its_pods(store: KubeStore, http: aiohttp.ClientSession) -> None:
    async with watching(http, "/api/v1/pods", fieldSelector="spec.nodeName=n1") as stream:
        store.create(POD, pod("elsewhere", node="n2"))
        store.create(POD, pod("later"))
        store.create(POD, pod("here", node="n1"))
        async with http.post(
            "/api/v1/namespaces/default/pods/later/binding", json={"target": {"kind": "Node", "name": "n1"}}
        ) as bound:
            assert bound.status == 201
        assert await stream.seen(2) == [("ADDED", "here"), ("ADDED", "later")]


async def test_a_forgotten_version_is_gone(store: KubeStore, http: aiohttp.ClientSession) -> None:
    start = str(store.storage.version)
    store.create(CONFIG_MAP, config_map("a"))
    for number in range(250):
        store.patch(CONFIG_MAP, "a", {"data": {"n": str(number)}}, "default")
    async with watching(http, resourceVersion=start) as stream:
        event = await stream.next()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert event["object"]["message"].startswith(f"too old resource version: {start} (")
        assert await stream.is_over()
    async with watching(http, "/api/v1/nodes", resourceVersion=start) as stream:
        store.create(NODE, {"metadata": {"name": "n"}})
        assert await stream.seen(1) == [("ADDED", "n")], "the history of one type is not lost to another's"


async def test_compaction_forgets_all(store: KubeStore, http: aiohttp.ClientSession) -> None:
    start = str(store.storage.version)
    store.create(CONFIG_MAP, config_map("a"))
    store.storage.compact()
    async with watching(http, resourceVersion=start) as stream:
        assert (await stream.next())["object"]["code"] == 410
    async with watching(http, resourceVersion=str(store.storage.version)) as stream:
        store.create(CONFIG_MAP, config_map("b"))
        assert await stream.seen(1) == [("ADDED", "b")]


async def test_a_watch_ends_after_its_time(store: KubeStore, http: aiohttp.ClientSession) -> None:
    async with watching(http, timeoutSeconds="1", resourceVersion=str(store.storage.version)) as stream:
        assert await stream.is_over()


async def test_the_end_of_the_initial_events_is_marked(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CONFIG_MAP, config_map("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with watching(http, **query) as stream:
        assert await stream.seen(1) == [("ADDED", "a")]
        bookmark = await stream.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["object"]["metadata"]["resourceVersion"] == str(store.storage.version)


async def test_bookmarks_come_while_nothing_happens(
    store: KubeStore, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dualstack_sim.kube.watching._BOOKMARK_INTERVAL", 0.05)
    monkeypatch.setattr("dualstack_sim.kube.watching._CLIENT_CHECK_INTERVAL", 0.02)
    async with watching(http, allowWatchBookmarks="true", resourceVersion=str(store.storage.version)) as stream:
        store.create(NODE, {"metadata": {"name": "n"}})
        bookmark = await stream.next()
        assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
        assert bookmark["object"]["metadata"]["resourceVersion"] == str(store.storage.version)


async def test_a_watch_as_a_table_sends_its_columns_once(store: KubeStore, http: aiohttp.ClientSession) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    async with watching(http, "/api/v1/nodes", accept=accept) as stream:
        for name in ("a", "b"):
            store.create(NODE, {"metadata": {"name": name}})
        first, second = await stream.next(), await stream.next()
        assert [column["name"] for column in first["object"]["columnDefinitions"]][:3] == ["Name", "Status", "Roles"]
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][:2] == ["b", "Unknown"]


async def test_watches_of_a_type_end_with_its_definition(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CRD, widget_definition())
    async with watching(http, "/apis/example.org/v1/widgets") as stream:
        store.create(WIDGET, widget("one"))
        assert await stream.seen(1) == [("ADDED", "one")]
        store.delete(CRD, "widgets.example.org")
        assert await stream.seen(1) == [("DELETED", "one")]
        assert await stream.is_over()


async def test_a_client_that_leaves_is_forgotten(store: KubeStore, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dualstack_sim.kube.watching._CLIENT_CHECK_INTERVAL", 0.02)
    watchers = store.storage.collection(store.target(CONFIG_MAP).resource).history.watchers
    async with aiohttp.ClientSession(url) as http, watching(http):
        assert watchers() == 1
    for _ in range(500):
        await asyncio.sleep(0.01)
        if not watchers():
            return
    pytest.fail("the watch is still there")


def versions(store: KubeStore, selector: str) -> dict[str, str]:
    found = store.list(CONFIG_MAP, "default", labels=selector)
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "drop"]), st.sampled_from("xy")), max_size=25
)


@settings(max_examples=60)
@given(steps, st.integers(0, 25))
def test_list_and_watch_together_show_the_present(changes: list[tuple[str, str, str]], split: int) -> None:
    """A list followed by a watch yields the content of the store, with a selector and without."""
    store = KubeStore(ManualClock(), Chance(1))
    target = store.target(CONFIG_MAP, "default")
    for selector in ("", "label=x"):
        selects = label_predicate(selector)
        known: dict[str, str] = {}
        watcher = None
        for at, (name, action, value) in enumerate([*changes, ("a", "drop", "x")]):
            if at == min(split, len(changes)):
                known = versions(store, selector)
                watcher = store.storage.watch(target.resource, store.storage.version, "default", selects)
            if action == "put":
                store.upsert(CONFIG_MAP, config_map(name, labels={"label": value}))
            else:
                store.delete(CONFIG_MAP, name, "default")
        assert watcher is not None
        for _, event, record in watcher.take():
            assert (event == "ADDED") is (record.name not in known), f"{event} of {record.name}"
            if event == "DELETED":
                del known[record.name]
            else:
                known[record.name] = str(record.version)
        assert known == versions(store, selector)


async def test_a_watch_cannot_start_before_its_type_was_served(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CRD, widget_definition())
    version = store.storage.version
    store.create(WIDGET, widget("a"))
    path = WIDGET.collection("default")
    async with watching(http, path, resourceVersion=str(version)) as stream:
        assert await stream.seen(1) == [("ADDED", "a")]
    async with watching(http, path, resourceVersion="1") as stream:
        event = await stream.next()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
