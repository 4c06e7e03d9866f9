"""Bodies are decoded as by the real API server: types, unknown fields, and the schemas of custom resources."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dualstack.model.kinds import CONFIG_MAP, CRD, DEPLOYMENT, POD, Kind, Manifest
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.objects import pod
from tests.support.gadgets import GADGET_SPEC

GADGET = Kind("example.org", "v1", "Gadget", "gadgets")
FIELDS = {
    **GADGET_SPEC["properties"],
    "size": {"type": "integer", "minimum": 1, "maximum": 10},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
}
SCHEMA: Manifest = {
    "type": "object",
    "required": ["spec"],
    "properties": {"spec": {**GADGET_SPEC, "properties": FIELDS}},
}


def gadget_definition() -> Manifest:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    names = {"kind": "Gadget", "plural": "gadgets"}
    return {
        "metadata": {"name": "gadgets.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def gadget(**spec: Any) -> Manifest:
    metadata = {"name": "one", "namespace": "default"}
    return {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": metadata, "spec": {"size": 1, **spec}}


@pytest.fixture
def gadgets(store: KubeStore) -> KubeStore:
    store.create(CRD, gadget_definition())
    return store


def refusal_of(store: KubeStore, kind: Kind, body: Any) -> StatusError:
    with pytest.raises(StatusError) as refused:
        store.create(kind, body)
    return refused.value


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (CONFIG_MAP, {"data": {"x": 1}}, "number into Go struct field ConfigMap.data of type string"),
        (CONFIG_MAP, {"data": ["x"]}, "array into Go struct field ConfigMap.data of type map[string]string"),
        (CONFIG_MAP, {"binaryData": {"x": "?"}}, "illegal base64 data at input byte 0"),
        (CONFIG_MAP, {"immutable": "yes"}, "string into Go struct field ConfigMap.immutable of type bool"),
        (
            POD,
            {"spec": {"containers": [{"name": "a", "image": 7}]}},
            "number into Go struct field Container.spec.containers.image of type string",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": "2"}},
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (DEPLOYMENT, {"spec": []}, "array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
    ],
)
def test_x3_a_value_of_another_type_is_400_with_the_field(store: KubeStore, kind: Kind, body: Any, why: str) -> None:
    refused = refusal_of(store, kind, {"metadata": {"name": "a", "namespace": "default"}, **body})
    assert (refused.code, refused.reason) == (400, "BadRequest")
    assert refused.message.startswith(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: ')
    assert refused.message.endswith(why)


@pytest.mark.parametrize(
    ("validation", "status", "warned"),
    [
        ("Strict", 400, []),
        ("Warn", 201, ["data2", "metadata.x"]),
        (None, 201, ["data2", "metadata.x"]),
        ("Ignore", 201, []),
    ],
)
async def test_x3_unknown_fields_are_dropped_named_or_refused(
    store: KubeStore, http: aiohttp.ClientSession, validation: str | None, status: int, warned: list[str]
) -> None:
    body = {"metadata": {"name": "a", "x": 1}, "data": {"a": "b"}, "data2": {}}
    query = {"fieldValidation": validation} if validation else {}
    async with http.post(CONFIG_MAP.collection("default"), json=body, params=query) as answer:
        assert answer.status == status
        document = await answer.json()
        warnings = answer.headers.getall("Warning", [])
    assert sorted(warnings) == sorted(f'299 - "unknown field \\"{name}\\""' for name in warned)
    if status == 400:
        assert document["message"] == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
            'strict decoding error: unknown field "metadata.x", unknown field "data2"'
        )
        return
    stored = store.get(CONFIG_MAP, "a", "default") or {}
    assert "data2" not in stored
    assert "x" not in stored["metadata"]


async def test_x3_a_patch_that_adds_an_unknown_field_is_422_if_strict(
    store: KubeStore, http: aiohttp.ClientSession
) -> None:
    store.create(POD, pod("p"))
    headers = {"Content-Type": "application/merge-patch+json"}
    path, body = POD.item("p", "default"), {"spec": {"containers": None, "extra": 1}}
    async with http.patch(path, json=body, headers=headers, params={"fieldValidation": "Strict"}) as answer:
        assert answer.status == 422
        assert 'strict decoding error: unknown field "spec.extra"' in (await answer.json())["message"]


async def test_x3_an_applied_configuration_with_an_unknown_field_is_refused(
    gadgets: KubeStore, http: aiohttp.ClientSession
) -> None:
    headers, query = {"Content-Type": "application/apply-patch+yaml"}, {"fieldManager": "me"}
    config: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "extra": 1}
    for kind, body, field in ((CONFIG_MAP, config, ".extra"), (GADGET, gadget(extra=1), ".spec.extra")):
        async with http.patch(kind.item("one", "default"), json=body, headers=headers, params=query) as answer:
            assert answer.status == 500
            assert (await answer.json())["message"].endswith(f"{field}: field not declared in schema")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 11}, "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
        ({"colour": "blue"}, 'spec.colour: Unsupported value: "blue": supported values: "red", "green"'),
        ({"name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "abcd"}, "spec.name: Too long: may not be more than 3 bytes"),
        ({"parts": [{"count": 2}]}, "spec.parts[0].name: Required value"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, 'spec.parts[1]: Duplicate value: {"name":"a"}'),
        (
            {"labels": {"a": 1}},
            'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
        ),
    ],
)
def test_x3_a_custom_resource_must_fit_its_schema(gadgets: KubeStore, spec: Manifest, why: str) -> None:
    refused = refusal_of(gadgets, GADGET, gadget(**spec))
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.message == f'Gadget.example.org "one" is invalid: {why}'


def test_x3_a_required_field_is_named_with_its_path(gadgets: KubeStore) -> None:
    body = gadget()
    del body["spec"]["size"]
    assert refusal_of(gadgets, GADGET, body).message.endswith("spec.size: Required value")
    del body["spec"]
    assert refusal_of(gadgets, GADGET, body).message.endswith("spec: Required value")


def test_x3_unknown_fields_of_a_custom_resource_are_pruned_and_absent_ones_get_defaults(gadgets: KubeStore) -> None:
    given = gadget(extra=1, raw={"any": {"thing": 1}}, parts=[{"name": "a", "x": 1}], port=None)
    stored = gadgets.create(GADGET, {**given, "status": {"x": 1}})
    assert stored["spec"]["colour"] == "red"
    assert stored["spec"]["parts"] == [{"name": "a", "count": 1}]
    assert stored["spec"]["raw"] == {"any": {"thing": 1}}
    assert "extra" not in stored["spec"]
    assert "status" not in stored


def test_x3_an_update_may_leave_what_was_wrong_before(gadgets: KubeStore) -> None:
    gadgets.create(GADGET, gadget(name="abc"))
    definition = gadget_definition()
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = {**schema["properties"]["spec"]}
    spec["properties"] = {**spec["properties"], "name": {"type": "string", "maxLength": 2}}
    definition["spec"]["versions"][0]["schema"] = {
        "openAPIV3Schema": {**schema, "properties": {"spec": spec}},
    }
    gadgets.upsert(CRD, definition)
    gadgets.patch(GADGET, "one", {"spec": {"size": 2}}, "default")
    with pytest.raises(StatusError, match="may not be more than 2 bytes"):
        gadgets.patch(GADGET, "one", {"spec": {"name": "xyz"}}, "default")


async def test_x3_lists_of_type_map_are_applied_by_their_key(gadgets: KubeStore, http: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    for manager, name in (("one", "a"), ("two", "b")):
        body = gadget(parts=[{"name": name}])
        query = {"fieldManager": manager, "force": "true"}
        async with http.patch(GADGET.item("one", "default"), json=body, headers=headers, params=query) as answer:
            assert answer.status in (200, 201), await answer.text()
    parts = (gadgets.get(GADGET, "one", "default") or {})["spec"]["parts"]
    assert [each["name"] for each in parts] == ["a", "b"]


def test_a_custom_resource_may_have_a_finalizer_without_a_domain(gadgets: KubeStore) -> None:
    body = gadget()
    body["metadata"] = {**body["metadata"], "finalizers": ["gardener"]}
    assert gadgets.create(GADGET, body)["metadata"]["finalizers"] == ["gardener"]
    config: Manifest = {"metadata": {"name": "a", "namespace": "default", "finalizers": ["gardener"]}}
    assert "neither a standard finalizer" in refusal_of(gadgets, CONFIG_MAP, config).message
