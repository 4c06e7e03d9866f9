"""The CustomResourceDefinitions of deploy/crds: structural, lossless, and recognisable (docs/install.md#standalone)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dualstack.gardener.model.kinds import CUSTOM_KINDS
from tests.deploy.crds import LABELS, Schema, crds
from tests.deploy.generate import ROOT
from tests.deploy.schemas import refusals
from tests.sim.infrastructure.scene import scene

CRDS = crds()
ALLOWED = {
    "type",
    "format",
    "properties",
    "items",
    "nullable",
    *(f"x-kubernetes-{name}" for name in ("preserve-unknown-fields", "int-or-string")),
}


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_x6_there_is_a_definition_for_each_kind_of_gardener_and_of_the_machine_controller() -> None:
    assert CRDS.keys() == {f"{kind.plural}.{kind.group}" for kind in CUSTOM_KINDS}
    assert {path.stem for path in (ROOT / "deploy/crds").glob("*.yaml")} == CRDS.keys()


@pytest.mark.parametrize("name", CRDS)
def test_x6_a_schema_is_structural_and_prunes_nothing(name: str) -> None:
    """docs/reference/kubernetes.md#structural-schemas"""
    for version in CRDS[name]["spec"]["versions"]:
        for path, schema in nodes(version["schema"]["openAPIV3Schema"]):
            assert schema.keys() <= ALLOWED, path
            assert ("type" in schema) != bool(schema.get("x-kubernetes-int-or-string")), path
            assert ("items" in schema) == (schema.get("type") == "array"), path
            if schema.get("type") == "object" and path != ".metadata":
                assert schema.get("x-kubernetes-preserve-unknown-fields"), path
        assert version["schema"]["openAPIV3Schema"]["properties"]["metadata"] == {"type": "object"}


@pytest.mark.parametrize("name", CRDS)
def test_x6_a_definition_can_be_told_from_one_of_gardener(name: str) -> None:
    assert CRDS[name]["metadata"]["labels"] == LABELS


async def test_x6_the_schemas_accept_every_object_of_a_migrated_infrastructure() -> None:
    async with scene(nodes=2) as made:
        made.trigger()
        await made.reconcile(prober_image="")
        found = [each for kind in CUSTOM_KINDS for each in made.store.list(kind)]
    assert {each["kind"] for each in found} >= {
        "Shoot",
        "Cluster",
        "Infrastructure",
        "Worker",
        "ControlPlane",
        "Machine",
    }
    assert [fault for each in found for fault in refusals(each)] == []


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("Shoot", ("spec", "networking", "ipFamilies"), "IPv6"),
        ("Infrastructure", ("spec", "providerConfig"), {"networks": {"workers": 10}}),
        ("Worker", ("spec", "pools"), [{"minimum": "3"}]),
    ],
)
def test_x6_the_schemas_refuse_a_wrong_type(kind: str, field: tuple[str, ...], value: Any) -> None:
    body = value
    for name in reversed(field):
        body = {name: body}
    (group,) = (each.group for each in CUSTOM_KINDS if each.kind == kind)
    (version,) = (each.version for each in CUSTOM_KINDS if each.kind == kind)
    (fault,) = refusals({"apiVersion": f"{group}/{version}", "kind": kind, **body})
    assert ".".join(field) in fault
