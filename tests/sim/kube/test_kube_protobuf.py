"""Protobuf bodies and responses: every served type, every form, and HTTP as client-go uses it."""

from __future__ import annotations

import random
import struct
from typing import Any

import aiohttp
import pytest

from dualstack.model.kinds import CONFIG_MAP, CRD, NODE
from dualstack_sim.kube import protobuf
from dualstack_sim.kube.builtin import BUILTIN_TYPES
from dualstack_sim.kube.protobuf import PROTOBUF, decode_protobuf, encode_protobuf
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.types import ResourceType
from tests.sim.kube.objects import config_map, widget, widget_definition

PATH = "/api/v1/namespaces/default/configmaps"
VALUES: dict[str, tuple[Any, ...]] = {
    "string": ("text", "ü"),
    "bytes": ("AA==", "/w=="),
    "int": (1, -1, 2**31 - 1, -(2**63)),
    "bool": (True,),
    "double": (1.5, -3),
    "Time": ("2026-11-28T16:00:00Z", "1969-01-01T00:00:00Z"),
    "MicroTime": ("2026-11-28T16:00:00.123456Z",),
    "Duration": ("90s", "1.5s"),
    "Quantity": ("100m", "1Gi"),
    "IntOrString": (80, "http", 0, ""),
    "RawExtension": ({"a": [1, None]},),
    "FieldsV1": ({"f:a": {}},),
    "JSON": ({"a": 1}, "x", 3, False),
    "Items": (["get", "list"],),
    "JSONSchemaPropsOrBool": (True, False, {"type": "string"}),
    "JSONSchemaPropsOrArray": ({"type": "string"}, [{"type": "string"}]),
    "JSONSchemaPropsOrStringArray": (["a"], {"type": "string"}),
}
"""Values of every form that is not a message, none of them Go's zero value unless it counts."""
ZERO = {"string": "", "bytes": "", "int": 0, "bool": False, "double": 0}


def tree_of(name: str, chance: random.Random, depth: int) -> dict[str, Any]:
    """An object with every field of a type, as Go prints it; messages inside it down to `depth`."""
    tree: dict[str, Any] = {}
    for field in protobuf.shape(name).values():

        def value(form: str = field.form) -> Any:
            return chance.choice(VALUES[form]) if form in VALUES else tree_of(form, chance, depth - 1)

        if field.form not in VALUES and depth == 0 and field.name:
            continue
        if not field.name:
            tree.update(value())
        elif field.map:
            tree[field.name] = {"": value(), "key": value()}
        elif field.list:
            tree[field.name] = [value(), value()]
        else:
            zero = (field.set or field.always) and field.form in ZERO and chance.random() < 0.5
            tree[field.name] = ZERO[field.form] if zero else value()
    return tree


@pytest.mark.parametrize("seed", range(3))
def test_s1_every_field_of_every_type_survives_protobuf(seed: int) -> None:
    chance = random.Random(seed)
    for name in protobuf._layout().types:
        tree = tree_of(name, chance, 1)
        shape = protobuf.shape(name)
        assert protobuf._message(shape, protobuf._bytes_of(shape, tree)) == tree, name


@pytest.mark.parametrize("kind", ["v1/Pod", "apps/v1/Deployment", "apiextensions.k8s.io/v1/CustomResourceDefinition"])
def test_s1_an_object_with_its_envelope_survives_protobuf(kind: str) -> None:
    version, _, name = kind.rpartition("/")
    tree = tree_of(protobuf._layout().kinds[kind], random.Random(1), 3) | {"apiVersion": version, "kind": name}
    data = encode_protobuf(tree)
    assert data is not None
    assert data.startswith(b"k8s\x00")
    assert decode_protobuf(data) == tree


@pytest.mark.parametrize("resource", BUILTIN_TYPES, ids=lambda resource: resource.qualified)
def test_s1_every_served_type_and_its_list_have_a_layout(resource: ResourceType) -> None:
    kinds = protobuf._layout().kinds
    for version in resource.versions:
        assert f"{resource.api_version(version)}/{resource.kind}" in kinds
        assert f"{resource.api_version(version)}/DeleteOptions" in kinds
        if "list" in resource.verbs:
            assert f"{resource.api_version(version)}/{resource.list_kind}" in kinds
    for each in resource.subresources:
        group, own = each.group or resource.group, each.version or resource.versions[0]
        assert f"{group}/{own}/{each.kind}".lstrip("/") in kinds
    assert "autoscaling/v1/Scale" in kinds


async def send(
    http: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any] | None = None, accept: str = PROTOBUF
) -> tuple[int, str, dict[str, Any]]:
    """Status, media type and document; the body is sent as protobuf."""
    data = encode_protobuf(body) if body else None
    headers = {"Accept": accept, **({"Content-Type": PROTOBUF} if body else {})}
    async with http.request(method, path, data=data, headers=headers) as response:
        if response.content_type == PROTOBUF:
            return response.status, PROTOBUF, decode_protobuf(await response.read())
        return response.status, response.content_type, await response.json()


async def test_s1_requests_and_responses_in_protobuf(http: aiohttp.ClientSession, store: KubeStore) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-11-28T16:00:00.123456Z"},
    }
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    status, media_type, made = await send(http, "POST", leases, lease)
    assert (status, media_type, made["spec"]) == (201, PROTOBUF, lease["spec"])
    status, media_type, found = await send(http, "GET", f"{leases}/a", accept=f"{PROTOBUF},application/json")
    assert (status, media_type, found) == (200, PROTOBUF, made)
    assert (await send(http, "GET", f"{leases}/a", accept=f"application/json,{PROTOBUF}"))[1:] == (
        "application/json",
        made,
    )
    _, _, listed = await send(http, "GET", leases)
    assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == ("LeaseList", ["a"])
    options = {"apiVersion": "coordination.k8s.io/v1", "kind": "DeleteOptions", "preconditions": {"uid": "wrong"}}
    status, media_type, refusal = await send(http, "DELETE", f"{leases}/a", options)
    assert (status, media_type, refusal["reason"]) == (409, PROTOBUF, "Conflict")
    status, media_type, missing = await send(http, "GET", f"{leases}/b")
    assert (status, media_type, missing["kind"], missing["code"]) == (404, PROTOBUF, "Status", 404)


async def test_s1_the_scale_of_a_deployment_in_protobuf(
    http: aiohttp.ClientSession, store: KubeStore, web_deployment: dict[str, Any]
) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert (await send(http, "POST", path, web_deployment))[:2] == (201, PROTOBUF)
    _, _, scale = await send(http, "GET", f"{path}/web/scale")
    assert (scale["apiVersion"], scale["kind"], scale["spec"]) == ("autoscaling/v1", "Scale", {"replicas": 2})
    status, _, scale = await send(http, "PUT", f"{path}/web/scale", {**scale, "spec": {"replicas": 0}})
    assert (status, scale["spec"]) == (200, {})


async def test_s1_a_watch_is_a_stream_of_frames(http: aiohttp.ClientSession, store: KubeStore) -> None:
    store.create(CONFIG_MAP, config_map("a"))
    headers = {"Accept": PROTOBUF}
    async with http.get(f"{PATH}?watch=1", headers=headers) as response:
        assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        seen = []
        for name in ("b", "c"):
            size = struct.unpack(">I", await response.content.readexactly(4))[0]
            event = protobuf._message(protobuf._SHAPES["event"], await response.content.readexactly(size))
            seen.append((event["type"], event["object"]["raw"][:4]))
            store.create(CONFIG_MAP, config_map(name))
    assert seen == [("ADDED", "azhz"), ("ADDED", "azhz")]


async def test_s1_a_watch_that_cannot_start_is_one_error_in_a_frame(
    http: aiohttp.ClientSession, store: KubeStore
) -> None:
    for number in range(300):
        store.upsert(CONFIG_MAP, {**config_map("a"), "data": {"n": str(number)}})
    async with http.get(f"{PATH}?watch=1&resourceVersion=2", headers={"Accept": PROTOBUF}) as response:
        frame = await response.read()
    assert frame[4:13] == b"\n\x05ERROR\x12" + frame[12:13]
    assert b"Expired" in frame


async def test_s1_a_custom_resource_has_no_protobuf_form(http: aiohttp.ClientSession, store: KubeStore) -> None:
    store.create(CRD, widget_definition())
    path = "/apis/example.org/v1/namespaces/default/widgets"
    async with http.post(path, json=widget("w")) as response:
        assert response.status == 201
    assert (await send(http, "GET", f"{path}/w"))[0] == 406
    assert (await send(http, "GET", f"{path}/w", accept=f"{PROTOBUF},application/json"))[:2] == (
        200,
        "application/json",
    )
    partial = f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    _, media_type, found = await send(http, "GET", f"{path}/w", accept=partial)
    assert (media_type, found["kind"], found["metadata"]["name"]) == (PROTOBUF, "PartialObjectMetadata", "w")


async def test_s1_a_table_is_json_for_a_client_that_prefers_protobuf(
    http: aiohttp.ClientSession, store: KubeStore
) -> None:
    store.create(NODE, {"metadata": {"name": "n"}})
    accept = f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io"
    _, media_type, found = await send(http, "GET", "/api/v1/nodes", accept=accept)
    assert (media_type, found["kind"]) == ("application/json", "Table")
