"""The published schema of the API, as google-api-python-client ships it: what a response may contain."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
}  # fmt: skip


@cache
def schemas() -> Json:
    """Schema name -> schema."""
    source = files("googleapiclient.discovery_cache") / "documents" / "compute.v1.json"
    loaded: Json = json.loads(source.read_text(encoding="utf-8"))["schemas"]
    return loaded


def faults_of(document: Json) -> list[str]:
    """What is wrong with a response by the schema that its `kind` names; nothing for error documents."""
    kind = document.get("kind", "")
    if not kind.startswith("compute#"):
        return []
    name = kind.removeprefix("compute#")
    return _check(document, schemas()[name[0].upper() + name[1:]], name)


def _check(value: Any, schema: Json, where: str) -> list[str]:
    if "$ref" in schema:
        schema = schemas()[schema["$ref"]]
    expected = _TYPES.get(schema.get("type", "any"))
    if expected is not None and (not isinstance(value, expected) or (expected is int and isinstance(value, bool))):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if isinstance(value, list):
        return [
            fault for index, entry in enumerate(value) for fault in _check(entry, schema["items"], f"{where}[{index}]")
        ]
    if isinstance(value, dict):
        return [fault for field, part in value.items() for fault in _part(field, part, schema, where)]
    return []


def _part(field: str, part: Any, schema: Json, where: str) -> list[str]:
    known = schema.get("properties", {}).get(field, schema.get("additionalProperties"))
    return _check(part, known, f"{where}.{field}") if known else [f"{where}: unknown field {field}"]
