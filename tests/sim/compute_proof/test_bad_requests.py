"""Malformed requests always get the documented error, never a traceback or a hang."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.schema import error_faults
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, running

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

PROJECT = "/compute/v1/projects/proj-1"
TIMEOUT = 10.0
POSTS = ["global/networks", "global/routes", "global/firewalls", f"{REGION}/subnetworks", f"{REGION}/routers",
         f"{REGION}/addresses", f"{ZONE}/instances", f"{ZONE}/disks"]  # fmt: skip
PATCHES = ["global/networks/vpc", NODES, f"{ZONE}/instances/vm0/updateNetworkInterface?networkInterface=nic0"]
BODIES = [b"{", b"[]", b"null", b"1", b'"text"', b"\xff\xfe", b"{'name': 1}", b'{"name": }', b"[" * 100_000, b"{}{}",
          b'{"name": "a"', b"\x00", b'{"a": 1e999}']  # fmt: skip


async def refusal(cloud: Cloud, verb: str, path: str, data: bytes | None = None) -> tuple[int, Any]:
    """Status and document of a refusal, which must have the documented shape and arrive soon."""
    async with asyncio.timeout(TIMEOUT), cloud.session.request(verb, f"{cloud.root}{path}", data=data) as response:
        text = await response.text()
        assert "Traceback" not in text
        assert response.content_type == "application/json", text
        document = json.loads(text)
        assert response.status >= 400, document
        assert not error_faults(document), error_faults(document)
        assert document["error"]["code"] == response.status
        return response.status, document


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    async with running() as cloud:
        cloud.populate(1)
        for verb, paths in (("POST", POSTS), ("PATCH", PATCHES)):
            for path in paths:
                status, _ = await refusal(cloud, verb, f"{PROJECT}/{path}", body)
                assert status == 400


async def test_a_huge_body_is_refused() -> None:
    async with running() as cloud:
        body = b'{"name": "' + b"a" * (5 * 1024 * 1024) + b'"}'
        status, _ = await refusal(cloud, "POST", f"{PROJECT}/global/networks", body)
        assert status == 413


async def test_a_body_that_nests_without_end_is_refused() -> None:
    async with running() as cloud:
        body = b'{"name": ' + b'{"a": ' * 50_000 + b"1" + b"}" * 50_001
        assert (await refusal(cloud, "POST", f"{PROJECT}/global/networks", body))[0] == 400


@pytest.mark.parametrize(
    "path",
    ["/", "/compute", "/compute/v1", "/compute/v2/projects/proj-1", "/compute/v1/projects", "/token/none",
     f"{PROJECT}/global/gadgets", f"{PROJECT}/zones/europe-west1-b/networks", f"{PROJECT}/global/networks/vpc/none",
     f"{PROJECT}/global/networks/Not_A_Name", f"{PROJECT}/global/networks/%00", f"{PROJECT}/global/networks/..%2f..",
     f"{PROJECT}/regions/mars/subnetworks", f"{PROJECT}/zones/http:%2f%2fx/instances", f"{PROJECT}/aggregated/routes",
     f"{PROJECT}/global/networks/{'a' * 64}", f"{PROJECT}/global/networks/%ff",
     "/compute/v1/projects/other/global/routes",
     f"{PROJECT}//global//networks/none"],
)  # fmt: skip
async def test_an_unknown_path_is_refused(path: str) -> None:
    async with running() as cloud:
        cloud.populate()
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            await refusal(cloud, verb, path)


@pytest.mark.parametrize(
    "query",
    ["maxResults=-1", "maxResults=501", "maxResults=many", "maxResults=1.5", "maxResults=%EF%BC%91", "pageToken=none",
     "pageToken=%ff", "pageToken=b2Zmc2V0Oi01", "orderBy=colour", "filter=((", "filter=name%20eq%20(",
     "filter=name%20eq",
     "filter=name%20eq%20'*'%20)", "fields=items(", "fields=))", "fields=items(name"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["global/routes", f"{ZONE}/instances", "aggregated/subnetworks"])
async def test_a_list_refuses_other_verbs(path: str, query: str) -> None:
    async with running() as cloud:
        cloud.populate(1)
        assert (await refusal(cloud, "GET", f"{PROJECT}/{path}?{query}"))[0] == 400


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["name", "network", "ipCidrRange", "destRange", "priority", "networkInterfaces", "tags", "fingerprint", "nats",
     "allowed", "secondaryIpRanges", "stackType", "machineType", "disks", "labels", "metadata", "aliasIpRanges"]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(POSTS + PATCHES), st.dictionaries(FIELDS, JSON, max_size=4)), max_size=12))
def test_any_fields_of_any_value_are_answered(requests: list[tuple[str, dict[str, Any]]]) -> None:
    asyncio.run(answered(requests))


async def answered(requests: list[tuple[str, dict[str, Any]]]) -> None:
    async with running() as cloud:
        cloud.populate(1)
        for path, body in requests:
            verb = "PATCH" if path in PATCHES else "POST"
            address = f"{cloud.root}{PROJECT}/{path}"
            async with asyncio.timeout(TIMEOUT), cloud.session.request(verb, address, json=body) as response:
                document = await response.json()
                assert response.status < 500, (path, body, document)
                assert response.status == 200 or not error_faults(document)
        assert (await cloud.get("global/networks/vpc"))["selfLink"].endswith(NETWORK)
