"""Kubernetes protobuf, in both directions, for every built-in type.

The layout of the types is in `protobuf.json`, which `make protobuf` generates from the published Go modules
(docs/decisions/0015-kubernetes-protobuf.md). Only the forms whose JSON differs from their fields are written by hand.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from dualstack_sim.kube.objects import decoded, encoded
from dualstack_sim.kube.status import bad_request, unsupported_media_type

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}

Tree = dict[str, Any]


class Field(msgspec.Struct, frozen=True):
    """A field of a message.

    name: in JSON; empty if the fields of its message stand in its place. form: a scalar, one of `_SPECIAL`, or the name
    of a type. always: JSON shows it even if it has Go's zero value. set: a pointer in Go, whose zero value counts.
    """

    form: str
    name: str = ""
    list: bool = False
    map: bool = False
    always: bool = False
    set: bool = False


_Shape = Mapping[int, Field]


class _Layout(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    types: dict[str, dict[str, Field]]


def layout_document() -> bytes:
    """The generated file."""
    return files(__package__).joinpath("protobuf.json").read_bytes()


@cache
def _layout() -> _Layout:
    return msgspec.json.decode(layout_document(), type=_Layout)


_TEXT_KEY = Field("string", "key", always=True)
_ENVELOPE: _Shape = {1: Field("type", "type"), 2: Field("bytes", "raw")}
_SCHEMA = "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps"

_SHAPES: dict[str, _Shape] = {
    "type": {1: Field("string", "apiVersion"), 2: Field("string", "kind")},
    "event": {1: Field("string", "type"), 2: Field("raw", "object")},
    "raw": {1: Field("bytes", "raw")},
    "time": {1: Field("int", "seconds"), 2: Field("int", "nanos")},
    "quantity": {1: Field("string", "text", always=True)},
    "duration": {1: Field("int", "nanos")},
    "items": {1: Field("string", "items", list=True)},
    "either": {
        1: Field("int", "type", always=True),
        2: Field("int", "number", always=True),
        3: Field("string", "text", always=True),
    },
    "bool or schema": {1: Field("bool", "allows", always=True), 2: Field(_SCHEMA, "schema", set=True)},
    "schema or schemas": {1: Field(_SCHEMA, "schema", set=True), 2: Field(_SCHEMA, "schemas", list=True)},
    "schema or texts": {1: Field(_SCHEMA, "schema", set=True), 2: Field("string", "texts", list=True)},
}
"""Messages that are not in the layout: the envelope's, and those of the forms in `_SPECIAL`."""

_SPECIAL = {
    "Time": "time",
    "MicroTime": "time",
    "Duration": "duration",
    "Quantity": "quantity",
    "IntOrString": "either",
    "RawExtension": "raw",
    "FieldsV1": "raw",
    "JSON": "raw",
    "Items": "items",
    "JSONSchemaPropsOrBool": "bool or schema",
    "JSONSchemaPropsOrArray": "schema or schemas",
    "JSONSchemaPropsOrStringArray": "schema or texts",
}
"""The forms whose JSON is not an object of their fields, each with its message."""


@cache
def shape(name: str) -> _Shape:
    if name in _SHAPES:
        return _SHAPES[name]
    return dict(sorted((int(number), field) for number, field in _layout().types[name].items()))


def kind_of(document: Mapping[str, Any]) -> str | None:
    return _layout().kinds.get(f"{document.get('apiVersion')}/{document.get('kind')}")


# Decoding -----------------------------------------------------------------------------------------------------------


def decode_protobuf(data: bytes) -> Tree:
    """The object in a Kubernetes protobuf envelope; 415 for a type without a layout, 400 for a malformed body."""
    try:
        return _open_envelope(data)
    except (IndexError, ValueError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from None


def _open_envelope(data: bytes) -> Tree:
    if not data.startswith(_MAGIC):
        raise ValueError("it does not start with k8s")
    outer = _message(_ENVELOPE, data[len(_MAGIC) :])
    names = outer.get("type", {})
    kind = kind_of(names)
    if kind is None:
        raise unsupported_media_type(("application/json", "application/yaml"))
    return {**names, **_message(shape(kind), base64.b64decode(outer.get("raw", "")))}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field; varints as numbers, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in _WIDTH:
            size = _WIDTH[wire]
        else:
            raise ValueError(f"wire type {wire} of field {number}")
        if at + size > len(data):
            raise IndexError("the message ends too early")
        yield number, data[at : at + size]
        at += size


def _message(shape: _Shape, data: bytes) -> Tree:
    """The fields of a message as JSON shows them."""
    found: Tree = {field.name: _ZERO[field.form] for field in shape.values() if field.always and field.form in _ZERO}
    for number, content in _fields(data):
        field = shape.get(number)
        if field is None:
            continue
        if field.map:
            entry = _message({1: _TEXT_KEY, 2: Field(field.form, "value", set=True)}, _raw(content))
            found.setdefault(field.name, {})[entry["key"]] = entry.get("value", _ZERO.get(field.form, {}))
        elif field.list:
            found.setdefault(field.name, []).extend(_elements(field.form, content))
        else:
            value = _value(field.form, content)
            if not field.name:
                found.update(value)
            elif value is None or (not (field.set or field.always) and value == _ZERO.get(field.form)):
                found.pop(field.name, None)
            else:
                found[field.name] = value
    return found


_ZERO: Mapping[str, Any] = {"string": "", "bytes": "", "int": 0, "bool": False, "double": 0.0}


def _elements(form: str, content: int | bytes) -> list[Any]:
    """One element of a repeated field, or several numbers that are packed."""
    if form not in ("int", "bool") or isinstance(content, int):
        return [_value(form, content)]
    values, at = [], 0
    while at < len(content):
        number, at = _varint(content, at)
        values.append(_value(form, number))
    return values


def _raw(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise TypeError("a number cannot be a string of bytes")
    return content


def _value(form: str, content: int | bytes) -> Any:
    if form == "bool":
        return bool(_number(content))
    if form == "int":
        number = _number(content) & 0xFFFFFFFFFFFFFFFF
        return number - (1 << 64) if number >> 63 else number
    data = _raw(content)
    if form == "string":
        return data.decode()
    if form == "bytes":
        return base64.b64encode(data).decode()
    if form == "double":
        number = struct.unpack("<d", data)[0]
        return int(number) if number.is_integer() else number
    return _from_special(form, data) if form in _SPECIAL else _message(shape(form), data)


def _number(content: int | bytes) -> int:
    if isinstance(content, bytes):
        raise TypeError("a string of bytes cannot be a number")
    return content


def _from_special(form: str, data: bytes) -> Any:
    found = _message(shape(_SPECIAL[form]), data)
    match form:
        case "Time" | "MicroTime":
            return _time_text(found, "microseconds" if form == "MicroTime" else "seconds")
        case "Duration":
            return f"{found.get('nanos', 0) / 1e9:g}s"
        case "Quantity":
            return found["text"]
        case "IntOrString":
            return found["text"] if found["type"] else found["number"]
        case "Items":
            return found.get("items", [])
        case "RawExtension" | "FieldsV1" | "JSON":
            return _from_raw(base64.b64decode(found.get("raw", "")))
        case "JSONSchemaPropsOrBool":
            return found.get("schema", found["allows"])
        case _:
            other = found.get("schemas", found.get("texts", []))
            return found.get("schema", other)


def _from_raw(data: bytes) -> Any:
    if data.startswith(_MAGIC):
        return _open_envelope(data)
    try:
        return decoded(data) if data else None
    except msgspec.DecodeError as error:
        raise ValueError(f"a raw field is not JSON: {error}") from None


def _time_text(found: Tree, precision: str) -> str | None:
    """RFC 3339; None for Go's zero time."""
    if not found:
        return None
    moment = datetime.fromtimestamp(found.get("seconds", 0), UTC)
    moment = moment.replace(microsecond=found.get("nanos", 0) // 1000)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


# Encoding -----------------------------------------------------------------------------------------------------------


def encode_protobuf(document: Tree) -> bytes | None:
    """The object in a Kubernetes protobuf envelope; None for a type without a layout."""
    kind = kind_of(document)
    if kind is None:
        return None
    raw = _bytes_of(shape(kind), document)
    names = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
    return _MAGIC + _bytes_of(_ENVELOPE, {"type": names, "raw": base64.b64encode(raw)})


def watch_frame(event_type: str, document: Tree) -> bytes | None:
    """An event of a watch stream with its length in front; None for a type without a layout."""
    body = encode_protobuf(document)
    if body is None:
        return None
    event = _bytes_of(_SHAPES["event"], {"type": event_type, "object": {"raw": base64.b64encode(body)}})
    return struct.pack(">I", len(event)) + event


def _bytes_of(shape: _Shape, tree: Tree) -> bytes:
    out = bytearray()
    for number, field in shape.items():
        value = tree.get(field.name) if field.name else tree
        if value is None:
            continue
        if field.map:
            for key, each in value.items():
                entry = {1: _TEXT_KEY, 2: Field(field.form, "value", set=True)}
                _append(out, number, "entry", _bytes_of(entry, {"key": key, "value": each}))
        elif field.list:
            for each in value:
                _append(out, number, field.form, each)
        else:
            _append(out, number, field.form, value)
    return bytes(out)


def _append(out: bytearray, number: int, form: str, value: Any) -> None:
    match form:
        case "int" | "bool":
            out += _as_varint(number << 3 | _VARINT) + _as_varint(int(value) & 0xFFFFFFFFFFFFFFFF)
            return
        case "double":
            out += _as_varint(number << 3 | _FIXED64) + struct.pack("<d", float(value))
            return
        case "entry":
            data = value
        case "string":
            data = value.encode()
        case "bytes":
            data = base64.b64decode(value)
        case _ if form in _SPECIAL:
            data = _bytes_of(shape(_SPECIAL[form]), _to_special(form, value))
        case _:
            data = _bytes_of(shape(form), value)
    out += _as_varint(number << 3 | _BYTES) + _as_varint(len(data)) + data


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _to_special(form: str, value: Any) -> Tree:
    match form:
        case "Time" | "MicroTime":
            moment = datetime.fromisoformat(value)
            return {"seconds": int(moment.timestamp()), "nanos": moment.microsecond * 1000}
        case "Duration":
            return {"nanos": int(float(value.removesuffix("s")) * 1e9)}
        case "Quantity":
            return {"text": str(value)}
        case "IntOrString":
            return {"type": 1, "text": value} if isinstance(value, str) else {"type": 0, "number": value}
        case "Items":
            return {"items": value}
        case "RawExtension" | "FieldsV1" | "JSON":
            return {"raw": base64.b64encode(encoded(value))}
        case "JSONSchemaPropsOrBool":
            return {"allows": value} if isinstance(value, bool) else {"allows": True, "schema": value}
        case "JSONSchemaPropsOrArray":
            return {"schemas": value} if isinstance(value, list) else {"schema": value}
        case _:
            return {"texts": value} if isinstance(value, list) else {"schema": value}
