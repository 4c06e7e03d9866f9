"""Protobuf bodies of the few types that `kubectl create <type>` sends only as protobuf.

kubectl accepts JSON responses, but it sends the objects that it builds itself (a Namespace, a ConfigMap, a
TokenRequest) as Kubernetes protobuf, without a fallback. Field numbers are those of upstream's `generated.proto` files.
A protobuf body of any other type gets 415.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dualstack_sim.kube.status import bad_request, unsupported_media_type

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Scalar = Literal["text", "bytes", "number", "flag", "map", "bytes-map"]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    form: Scalar | Mapping[int, _Field] = "text"
    repeated: bool = False


_Shape = Mapping[int, _Field]

_OWNER: _Shape = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
    6: _Field("controller", "flag"),
    7: _Field("blockOwnerDeletion", "flag"),
}
_METADATA: _Shape = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    5: _Field("uid"),
    6: _Field("resourceVersion"),
    11: _Field("labels", "map"),
    12: _Field("annotations", "map"),
    13: _Field("ownerReferences", _OWNER, repeated=True),
    14: _Field("finalizers", repeated=True),
}
_REFERENCE: _Shape = {1: _Field("name")}
_RESOURCE: _Shape = {
    1: _Field("namespace"),
    2: _Field("verb"),
    3: _Field("group"),
    4: _Field("version"),
    5: _Field("resource"),
    6: _Field("subresource"),
    7: _Field("name"),
}
_NON_RESOURCE: _Shape = {1: _Field("path"), 2: _Field("verb")}


def _object(**fields: tuple[int, _Field]) -> _Shape:
    return {1: _Field("metadata", _METADATA), **dict(fields.values())}


_SHAPES: dict[tuple[str, str], _Shape] = {
    ("v1", "Namespace"): _object(spec=(2, _Field("spec", {1: _Field("finalizers", repeated=True)}))),
    ("v1", "ConfigMap"): _object(
        data=(2, _Field("data", "map")),
        binary=(3, _Field("binaryData", "bytes-map")),
        immutable=(4, _Field("immutable", "flag")),
    ),
    ("v1", "Secret"): _object(
        data=(2, _Field("data", "bytes-map")),
        type=(3, _Field("type")),
        plain=(4, _Field("stringData", "map")),
        immutable=(5, _Field("immutable", "flag")),
    ),
    ("v1", "ServiceAccount"): _object(pull=(3, _Field("imagePullSecrets", _REFERENCE, repeated=True))),
    ("authentication.k8s.io/v1", "TokenRequest"): _object(
        spec=(2, _Field("spec", {1: _Field("audiences", repeated=True), 4: _Field("expirationSeconds", "number")}))
    ),
    ("authentication.k8s.io/v1", "SelfSubjectReview"): _object(),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): _object(
        spec=(
            2,
            _Field(
                "spec",
                {1: _Field("resourceAttributes", _RESOURCE), 2: _Field("nonResourceAttributes", _NON_RESOURCE)},
            ),
        )
    ),
}


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
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} of field {number}")
        if at + size > len(data):
            raise IndexError("the message ends too early")
        yield number, data[at : at + size]
        at += size


def _read(form: Scalar | _Shape, content: int | bytes) -> Any:
    if isinstance(content, int):
        return bool(content) if form == "flag" else content
    if form == "text":
        return content.decode()
    if form == "bytes":
        return base64.b64encode(content).decode()
    if form in ("map", "bytes-map"):
        value: Scalar = "text" if form == "map" else "bytes"
        return _message({1: _Field("key"), 2: _Field("value", value)}, content)
    if isinstance(form, str):
        raise TypeError(f"a {form} cannot be a string of bytes")
    return _message(form, content)


def _message(shape: _Shape, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, content in _fields(data):
        described = shape.get(number)
        if described is None:
            continue
        value = _read(described.form, content)
        if described.form in ("map", "bytes-map"):
            found.setdefault(described.name, {})[value.get("key", "")] = value.get("value", "")
        elif described.repeated:
            found.setdefault(described.name, []).append(value)
        elif value not in ("", {}):
            found[described.name] = value
    return found


def decode_protobuf(data: bytes) -> dict[str, Any]:
    """The object in a Kubernetes protobuf envelope; 415 for a type without a known shape, 400 for a malformed body."""
    envelope: _Shape = {1: _Field("type", {1: _Field("apiVersion"), 2: _Field("kind")}), 2: _Field("raw", "bytes")}
    if not data.startswith(_MAGIC):
        raise bad_request("the protobuf body cannot be read: it does not start with k8s")
    try:
        outer = _message(envelope, data[len(_MAGIC) :])
        names = outer.get("type", {})
        shape = _SHAPES.get((names.get("apiVersion", ""), names.get("kind", "")))
        if shape is None:
            raise unsupported_media_type(("application/json", "application/yaml"))
        return {**names, **_message(shape, base64.b64decode(outer.get("raw", "")))}
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from None
