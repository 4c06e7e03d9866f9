"""What the discovery document lets a request and a response contain.

The descriptions of v1 and beta are the discovery documents that google-api-python-client ships. Every check returns
the list of faults as sentences, [] without faults.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float), "array": (list, tuple),
    "object": (dict,),
}  # fmt: skip
_BITS: Mapping[str, tuple[int, int]] = {
    "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1),
}  # fmt: skip
_ERROR = {"code": int, "message": str, "errors": list, "status": str, "details": list}
_ERROR_ENTRY = {"message": str, "domain": str, "reason": str, "location": str, "locationType": str}


class Description:
    """The description of one version of the API."""

    def __init__(self, version: str) -> None:
        source = files("googleapiclient.discovery_cache") / "documents" / f"compute.{version}.json"
        self._document: Json = json.loads(source.read_text(encoding="utf-8"))

    def method(self, name: str) -> Json | None:
        """The description of a method such as `routes.insert`, or None."""
        collection, _, verb = name.partition(".")
        found: Json | None = self._document["resources"].get(collection, {}).get("methods", {}).get(verb)
        return found

    def schema(self, name: str) -> Json:
        """The schema of a resource such as `Route`."""
        found: Json = self._document["schemas"][name]
        return found

    def request_faults(self, name: str, query: Mapping[str, str], body: Mapping[str, Any]) -> list[str]:
        """The faults of a request of method `name`: unknown or mistyped parameters and fields."""
        described = self.method(name)
        if described is None:
            return [f"{name}: no such method"]
        known = {**self._document["parameters"], **described.get("parameters", {})}
        faults = [fault for parameter, text in query.items() for fault in _parameter(name, parameter, text, known)]
        if not body:
            return faults
        if "request" not in described:
            return [*faults, f"{name}: takes no body, but got {sorted(body)}"]
        return faults + self._check(dict(body), described["request"], name, lenient=True)

    def response_faults(self, name: str, document: Json) -> list[str]:
        """The faults of the response of method `name`, which may be partial."""
        described = self.method(name)
        if described is None:
            return [f"{name}: no such method"]
        if "response" not in described:
            return [f"{name}: answers nothing, but got {sorted(document)}"] if document else []
        return self._check(document, described["response"], name, lenient=False)

    def _check(self, value: Any, schema: Json, where: str, *, lenient: bool) -> list[str]:
        """`lenient`: accepts what servers accept in addition, null for an absent field and numbers in either form."""
        if "$ref" in schema:
            schema = self.schema(schema["$ref"])
        if lenient and value is None:
            return []
        kind = schema.get("type", "any")
        if kind in ("string", "integer", "number") and "format" in schema:
            return _FORMATS.get(schema["format"], _scalar)(value, schema, where, lenient)
        if kind in ("array", "object"):
            return self._container(value, schema, where, lenient)
        return [] if kind == "any" else _scalar(value, schema, where, lenient)

    def _container(self, value: Any, schema: Json, where: str, lenient: bool) -> list[str]:
        if not _is(value, _TYPES[schema["type"]]):
            return [f"{where}: {value!r} is no {schema['type']}"]
        faults: list[str] = []
        if schema["type"] == "array":
            for index, entry in enumerate(value):
                faults += self._check(entry, schema["items"], f"{where}[{index}]", lenient=lenient)
            return faults
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for field, part in value.items():
            known = properties.get(field, others)
            if known is None:
                faults.append(f"{where}: unknown field {field!r}")
            else:
                faults += self._check(part, known, f"{where}.{field}", lenient=lenient)
        return faults


@cache
def description(version: str = "v1") -> Description:
    """The description of `v1` or `beta`."""
    return Description(version)


def error_faults(document: Json) -> list[str]:
    """The faults of the body of a refusal (docs/reference/compute-engine.md#request-error-shape)."""
    error = document.get("error")
    if set(document) != {"error"} or not isinstance(error, dict):
        return [f"an error is {{'error': ...}}, not {document!r}"]
    faults = _shape(error, _ERROR, "error")
    missing = {"code", "message", "errors"} - set(error)
    if faults or missing:
        return faults + [f"error: {field} is missing" for field in sorted(missing)]
    entries = error["errors"]
    faults = [fault for entry in entries for fault in _shape(entry, _ERROR_ENTRY, "error.errors")]
    faults += [
        f"error.errors: {field} is missing" for entry in entries for field in ("message", "domain", "reason")
        if not entry.get(field)
    ]  # fmt: skip
    if not entries or entries[0].get("message") != error["message"]:
        faults.append(f"error.errors: the first entry does not repeat {error['message']!r}")
    if not 400 <= error["code"] < 600:
        faults.append(f"error.code: {error['code']} is no status of an error")
    return faults


def _shape(part: Json, known: Mapping[str, type], where: str) -> list[str]:
    return [
        f"{where}.{field}: {value!r}" for field, value in part.items() if not isinstance(value, known.get(field, ()))
    ]


def _parameter(name: str, parameter: str, text: str, known: Json) -> list[str]:
    schema = known.get(parameter)
    where = f"{name}?{parameter}"
    if schema is None:
        return [f"{where}: no such parameter"]
    if schema["type"] == "integer":
        return [] if text.isdigit() else [f"{where}: {text!r} is no integer"]
    if schema["type"] == "boolean":
        return [] if text.lower() in ("true", "false") else [f"{where}: {text!r} is no boolean"]
    return _text(text, schema, where)


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """`isinstance`, but a boolean is not a number."""
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _scalar(value: Any, schema: Json, where: str, lenient: bool) -> list[str]:
    kind = schema["type"]
    if not _is(value, _TYPES[kind]):
        return [f"{where}: {value!r} is no {kind}"]
    return _text(value, schema, where) if kind == "string" else []


def _text(value: str, schema: Json, where: str) -> list[str]:
    """Whether an empty string stands for an absent field: clients send `stackType: ""`.

    Source: docs/reference/compute-engine.md#tolerated-fields.
    """
    if value and "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if value and "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        return [f"{where}: {value!r} does not match {schema['pattern']}"]
    if schema.get("default", "").startswith("compute#") and value != schema["default"]:
        return [f"{where}: {value!r} is not {schema['default']!r}"]
    return []


def _integer(value: Any, schema: Json, where: str, lenient: bool) -> list[str]:
    """64-bit numbers are strings, 32-bit ones numbers; servers accept both."""
    expected: tuple[type, ...] = (int, str) if lenient else _TYPES[schema["type"]]
    if not _is(value, expected):
        return [f"{where}: {value!r} is no {schema['type']} of {schema['format']}"]
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
        return [f"{where}: {value!r} is no number"]
    lowest, highest = _BITS[schema["format"]]
    return [] if lowest <= int(value) <= highest else [f"{where}: {value} is no {schema['format']}"]


def _bytes(value: Any, schema: Json, where: str, lenient: bool) -> list[str]:
    faults = _scalar(value, schema, where, lenient)
    if faults or lenient:
        return faults
    try:
        base64.b64decode(value.translate({45: "+", 95: "/"}), validate=True)
    except (binascii.Error, ValueError):
        return [f"{where}: {value!r} is no base64"]
    return []


_Check = Callable[[Any, Json, str, bool], list[str]]
_FORMATS: Mapping[str, _Check] = {**dict.fromkeys(_BITS, _integer), "byte": _bytes}
