"""Requests with broken transport: on every path of the API, with every verb."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.contract.schema import error_faults
from tests.sim.compute.cloud import REGION, ZONE, Cloud, running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_unforeseen")]

PROJECT = "/compute/v1/projects/proj-1"
TIMEOUT = 10.0
GLOBAL = ("networks", "routes", "firewalls", "addresses", "operations", "images", "instanceTemplates")
REGIONAL = ("subnetworks", "routers", "addresses", "operations")
ZONAL = ("instances", "machineTypes", "operations", "disks", "instanceGroupManagers", "instanceGroups", "autoscalers")
COLLECTIONS = [
    *(f"global/{collection}" for collection in GLOBAL),
    *(f"{REGION}/{collection}" for collection in REGIONAL),
    *(f"{ZONE}/{collection}" for collection in ZONAL),
    *(f"aggregated/{collection}" for collection in dict.fromkeys((*REGIONAL, *ZONAL))),
]
CUSTOM = (
    "expandIpCidrRange", "setPrivateIpGoogleAccess", "updateNetworkInterface", "setTags", "setLabels", "setMetadata",
    "start", "stop", "wait", "reset", "setMachineType", "setDeletionProtection", "addAccessConfig",
    "deleteAccessConfig", "updateAccessConfig", "getEffectiveFirewalls", "getRouterStatus", "addPeering",
    "removePeering", "updatePeering", "listPeeringRoutes", "resize", "setInstanceTemplate", "recreateInstances",
    "deleteInstances", "abandonInstances", "listManagedInstances", "attachDisk",
    "detachDisk", "noSuchMethod",
)  # fmt: skip
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
NAMES = {"networks": "vpc", "subnetworks": "nodes", "instances": "vm0", "routes": "shoot--foo--bar-0"}
BODIES = (
    b"", b"{}", b"{", b"[]", b"null", b"\xff\xfe", b'{"name": NaN}', b'{"name": Infinity}', b'{"name": 1e999}',
    b'{"name": 123456789012345678901234567890}', b'{"priority": -99999999999999999999999999, "name": "x"}',
    b'{"name": "a", "name": []}', b'{"name": "\\ud800"}', b'{"name": "\xc3\x28"}', b'{"": ""}', b'{"name": "\\u0000"}',
    b'{"fingerprint": [], "labels": 1, "items": {}}', b"[" * 5000, b'{"a":' * 5000,
)  # fmt: skip


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        made.populate(1)
        yield made


async def answer(cloud: Cloud, verb: str, path: str, data: bytes | None = None, **headers: str) -> int:
    """The status of an answer that is valid or a documented refusal, and arrives soon."""
    async with (
        asyncio.timeout(TIMEOUT),
        cloud.session.request(verb, f"{cloud.root}{path}", data=data, headers=headers) as response,
    ):
        document = json.loads(await response.read())
        assert response.content_type == "application/json"
        assert response.status < 500, (verb, path, data, document)
        if response.status >= 400:
            assert not error_faults(document), (verb, path, data, document)
            assert document["error"]["code"] == response.status
        return response.status


def addresses(collection: str) -> list[str]:
    """The collection, an existing resource if there is one, a missing one, and the custom methods."""
    name = NAMES.get(collection.rpartition("/")[2], "none")
    return [collection, f"{collection}/{name}", f"{collection}/7", *(f"{collection}/none/{verb}" for verb in CUSTOM)]


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_every_verb_is_answered_on_every_path(cloud: Cloud, collection: str) -> None:
    for path in addresses(collection):
        for verb in VERBS:
            status = await answer(cloud, verb, f"{PROJECT}/{path}", b'{"unheard": "of"}')
            assert status >= 400, (verb, path)
            await answer(cloud, verb, f"{PROJECT}/{path}")


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_no_body_breaks_a_method(cloud: Cloud, collection: str) -> None:
    name = NAMES.get(collection.rpartition("/")[2], "none")
    for data in BODIES:
        await answer(cloud, "POST", f"{PROJECT}/{collection}", data)
        await answer(cloud, "PATCH", f"{PROJECT}/{collection}/{name}", data)
        for custom in CUSTOM:
            verb = "PATCH" if custom.startswith(("updateNetworkInterface", "updatePeering")) else "POST"
            await answer(cloud, verb, f"{PROJECT}/{collection}/{name}/{custom}", data)


@pytest.mark.parametrize(
    "query",
    [
        "maxResults=1&maxResults=-1",
        "filter=a&filter=b",
        "&&&",
        "fields=" + "(" * 3000,
        "fields=" + "a/" * 3000,
        "filter=" + "(" * 3000,
        "pageToken=" + "A" * 6000,
        "maxResults=" + "9" * 5000,
        "filter=name%20eq%20" + "a%3F" * 40 + "a" * 40,
        "filter=name%20eq%20" + "(a%7Caa)" * 40,
        "filter=name%20eq%20(a%7Caa){40}b",
        "filter=name%20eq%20(.%3F){60}b",
        "filter=name%20eq%20((a%7Caa))*b",
        "filter=name%20eq%20(a%7C(aa))*b",
        "filter=name%20eq%20" + "(" * 9000 + ")" * 5000,
        "filter=name%20eq%20a{1,99999999}",
        "filter=name%20eq%20a{1,9999999999999}",
        "alt=proto",
        "views=NONE",
        "includeAllScopes=perhaps",
    ],
)
async def test_no_query_breaks_a_list(cloud: Cloud, query: str) -> None:
    long = "a" * 63
    cloud.compute.place("networks", "global", {"name": long, "autoCreateSubnetworks": False})
    for path in ("global/networks", "aggregated/subnetworks"):
        await answer(cloud, "GET", f"{PROJECT}/{path}?{query}")


async def test_a_wrong_field_selection_is_refused_before_anything_happens(cloud: Cloud) -> None:
    body = b'{"name": "other", "autoCreateSubnetworks": false}'
    assert await answer(cloud, "POST", f"{PROJECT}/global/networks?fields=items(", body) == 400
    assert cloud.compute.find("networks", "global", "other") is None
    assert cloud.compute.operations_running() == 0


async def test_a_long_url_is_carried_and_a_longer_one_refused(cloud: Cloud) -> None:
    terms = "%20OR%20".join(f"name=network-{number:04}" for number in range(380))
    assert 8_190 < len(terms) < 16_000
    assert await answer(cloud, "GET", f"{PROJECT}/global/networks?filter={terms}") == 200
    assert await answer(cloud, "GET", f"{PROJECT}/global/networks/{'a' * 20_000}") == 414


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_is_not_encoded_as_it_says_is_refused(cloud: Cloud, encoding: str) -> None:
    for verb, path in (("POST", "global/networks"), ("PATCH", "global/networks/vpc")):
        headers = {"Content-Encoding": encoding}
        assert await answer(cloud, verb, f"{PROJECT}/{path}", b'{"name": "other"}', **headers) == 400
    assert (
        await answer(cloud, "POST", "/batch/compute/v1", b'{"name": "other"}', **{"Content-Encoding": encoding}) == 400
    )


async def conversation(cloud: Cloud, text: bytes, *, hang_up: bool = False) -> bytes:
    """Everything that the server sends in reply to these bytes until it closes; nothing if the client disconnects."""
    host, _, port = cloud.root.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(text)
        await writer.drain()
        if hang_up:
            return b""
        async with asyncio.timeout(TIMEOUT):
            return await reader.read()
    finally:
        writer.close()


HEAD = f"POST {PROJECT}/global/networks HTTP/1.1\r\nHost: cloud\r\nConnection: close\r\n".encode()


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"2\r\n{}garbage\r\n0\r\n\r\n"],
)
async def test_chunks_that_do_not_add_up_are_refused(cloud: Cloud, chunks: bytes) -> None:
    answered = await conversation(cloud, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert re.match(rb"HTTP/1\.[01] 400 ", answered)
    assert b"Traceback" not in answered


@pytest.mark.parametrize(
    "text",
    [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", HEAD + b"Content-Length: 100\r\n\r\n{", HEAD, b"GET /compute"],
)
async def test_a_client_that_hangs_up_leaves_the_server_as_it_was(cloud: Cloud, text: bytes) -> None:
    await conversation(cloud, text, hang_up=True)
    assert await answer(cloud, "GET", f"{PROJECT}/global/networks/vpc") == 200
    assert cloud.compute.operations_running() == 0


async def test_the_content_type_is_ignored(cloud: Cloud) -> None:
    for number, kind in enumerate(("text/plain", "application/x-www-form-urlencoded", "multipart/mixed", "/", "")):
        body = json.dumps({"name": f"n{number}", "autoCreateSubnetworks": False}).encode()
        assert await answer(cloud, "POST", f"{PROJECT}/global/networks", body, **{"Content-Type": kind}) == 200
