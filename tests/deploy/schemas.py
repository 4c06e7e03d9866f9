"""Compares objects with the structural schemas of deploy/crds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualstack.model.kinds import Manifest
from tests.deploy.crds import Schema, crds

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def refusals(found: Manifest) -> list[str]:
    """The fields that the API server would refuse in the object, with their types."""
    group = found["apiVersion"].rpartition("/")[0]
    (definition,) = (
        each["spec"]
        for each in crds().values()
        if (each["spec"]["group"], each["spec"]["names"]["kind"]) == (group, found["kind"])
    )
    return list(_refusals(found, definition["versions"][0]["schema"]["openAPIV3Schema"], found["kind"]))


def _refusals(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if value is None:  # pruned, or nullable
        return
    if schema.get("x-kubernetes-int-or-string"):
        expected: tuple[type, ...] = (int, str)
    else:
        expected = TYPES[schema["type"]]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        yield f"{path}: {type(value).__name__} instead of {schema.get('type', 'int or string')}"
    elif isinstance(value, dict):
        for name, below in schema.get("properties", {}).items():
            yield from _refusals(value.get(name), below, f"{path}.{name}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _refusals(entry, schema["items"], f"{path}[{index}]")
