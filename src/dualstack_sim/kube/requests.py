"""Requests and responses: paths, queries, media types, and bodies in JSON, YAML or protobuf."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import yaml
from aiohttp import web

from dualstack.model import kubernetes_yaml
from dualstack_sim.kube.decoding import VALIDATIONS, FieldCheck, json_word
from dualstack_sim.kube.objects import decoded, encoded, in_version
from dualstack_sim.kube.protobuf import PROTOBUF, decode_protobuf, encode_protobuf
from dualstack_sim.kube.selectors import Predicate, both, field_predicate, label_predicate
from dualstack_sim.kube.status import (
    Cause,
    StatusError,
    bad_request,
    forbidden_value,
    invalid,
    not_acceptable,
    unknown_path,
    unsupported_media_type,
    unsupported_value,
)
from dualstack_sim.kube.types import Registry, ResourceType
from dualstack_sim.kube.writes import Target, WriteOptions

JSON = "application/json"
YAML = "application/yaml"

Form = Literal["object", "table", "metadata"]
"""The form of objects in a response: complete, as a Table, or as PartialObjectMetadata."""

_META_FORMS: dict[str, Form] = {
    "Table": "table",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata",
}


def media_ranges(accept: str) -> list[tuple[str, dict[str, str]]]:
    """The media ranges of an Accept header in order, each with its parameters."""
    ranges = []
    for item in accept.split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        ranges.append((media_type.lower(), {key: value for key, _, value in pairs}))
    return ranges


def accepted_form(accept: str | None) -> tuple[Form, str]:
    """The first form in Accept that the server supports, and its media type. 406 if there is none."""
    if not accept or accept == "*/*":
        return "object", JSON
    for media_type, parameters in media_ranges(accept):
        if media_type not in (JSON, YAML, PROTOBUF, "*/*", "application/*", ""):
            continue
        kind = parameters.get("as")
        if kind is None:
            return "object", media_type if media_type in (YAML, PROTOBUF) else JSON
        if kind in _META_FORMS and parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1":
            form = _META_FORMS[kind]
            if media_type != PROTOBUF:
                return form, JSON
            if form != "table":  # a Table exists in JSON only
                return form, PROTOBUF
    raise not_acceptable((JSON, YAML, PROTOBUF))


def in_protobuf(http: web.Request, response: web.Response) -> web.Response:
    """A JSON response as protobuf if the client prefers that.

    A custom resource has no protobuf form: JSON if the client accepts it too, else 406.
    """
    accept = http.headers.get("Accept", "")
    if PROTOBUF not in accept or response.content_type != JSON or not isinstance(response.body, bytes):
        return response
    if accepted_form(accept)[1] != PROTOBUF:
        return response
    data = encode_protobuf(decoded(response.body))
    if data is not None:
        response.body, response.content_type = data, PROTOBUF
    elif not accepts_json(accept):
        raise not_acceptable((JSON, YAML))
    return response


def accepts_json(accept: str) -> bool:
    """Whether Accept lists plain JSON, at any place."""
    return any(media_type in (JSON, "application/*", "*/*") for media_type, _ in media_ranges(accept))


def check_accept(target: Target, accept: str) -> None:
    """406 for the reader of a built-in type that accepts no form of it, whatever the object. Custom types: later."""
    usable = (JSON, YAML, PROTOBUF, "*/*", "application/*", "")
    if target.resource.custom or any(media_type in usable for media_type, _ in media_ranges(accept)):
        return
    offered = [JSON, YAML, PROTOBUF]
    if not target.name:
        offered += [f"{JSON};stream=watch", f"{PROTOBUF};stream=watch"]
    text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}"
    raise StatusError(406, "NotAcceptable", text, {})


def parse_body(data: bytes, media_type: str) -> Any:
    """The value in a body; 400 if it cannot be decoded, 415 if the server does not support `media_type`."""
    if media_type in (JSON, "") or media_type.endswith("+json"):
        return _json(data)
    if media_type == YAML or media_type.endswith("+yaml"):
        return _yaml(data)
    if media_type == PROTOBUF:
        return decode_protobuf(data)
    raise unsupported_media_type((JSON, YAML, PROTOBUF))


def parse_object(data: bytes, media_type: str, resource: ResourceType) -> Any:
    """The object in the body of a create or an update; 400 if it is none, 415."""
    try:
        body = parse_body(data, media_type)
    except StatusError as error:
        raise _unrecognized(resource, error.message, data) if error.code == 400 else error from None
    if not isinstance(body, dict):
        target = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
        why = f"json: cannot unmarshal {json_word(body)} into Go value of type {target}"
        raise _unrecognized(resource, f"{_NO_KIND}{why}", data)
    for field, name in (("kind", "Kind"), ("apiVersion", "apiVersion")) if resource.custom else ():
        if not body.get(field):
            raise _unrecognized(resource, f"Object '{name}' is missing in '{data.decode()}'", data)
    return body


_NO_KIND = "couldn't get version/kind; json parse error: "
_SHOWN = 30
"""Bytes of a body that an error shows."""


def _unrecognized(resource: ResourceType, why: str, data: bytes) -> StatusError:
    start = data[:_SHOWN].decode(errors="replace") if data.startswith(b"{") else data[:_SHOWN].hex()
    shown = f"{start} ..." if len(data) > _SHOWN else start or "<empty>"
    return bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): {why} ({shown})")


def _json(data: bytes) -> Any:
    try:
        return decoded(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        why = "unexpected end of JSON input" if "truncated" in str(error) else str(error)
        raise bad_request(f"{_NO_KIND}{why}") from None


def _yaml(data: bytes) -> Any:
    try:
        tree = kubernetes_yaml.load(data.decode())
        return decoded(encoded(tree))
    except (yaml.YAMLError, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {' '.join(str(error).split())}") from None


def media_type_of(headers: Mapping[str, str]) -> str:
    """The media type of a body, without parameters."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def respond(document: Any, media_type: str = JSON, status: int = 200) -> web.Response:
    """A response with `document`, a tree or encoded JSON."""
    if media_type == YAML:
        tree = decoded(document) if isinstance(document, bytes) else document
        body = yaml.safe_dump(tree, sort_keys=False).encode()
    else:
        body = document if isinstance(document, bytes) else encoded(document)
    # `in_protobuf` encodes protobuf at the end, for all kinds of responses.
    return web.Response(body=body, status=status, content_type=YAML if media_type == YAML else JSON)


NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


def resource_target(registry: Registry, segments: list[str]) -> Target:
    """The target of a path, given its segments from `api` or `apis` on; 404 if nothing is served there."""
    if segments[0] == "api":
        group, version, rest = "", segments[1], segments[2:]
    else:
        group, version, rest = segments[1], segments[2], segments[3:]
    namespace = None
    in_namespace = len(rest) > 2 and not (len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES)
    if rest[0] == "namespaces" and in_namespace:
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3 or not all(rest):
        raise unknown_path()
    resource = registry.served(group, version, rest[0])
    if resource is None or (namespace is not None and not resource.namespaced):
        raise unknown_path()
    if resource.namespaced and namespace is None and len(rest) > 1:
        raise unknown_path()
    return Target(resource, version, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else None)


def selection(target: Target, query: Mapping[str, str]) -> Predicate | None:
    """The selection by labels and fields of a query, as a predicate on stored manifests. 400."""
    by_field = field_predicate(target.resource, query.get("fieldSelector", ""))
    if by_field is not None and target.resource.stored_as is not None:
        on_converted, api_version = by_field, target.api_version

        def by_field(manifest: dict[str, object]) -> bool:
            return on_converted(in_version(manifest, api_version))

    return both(label_predicate(query.get("labelSelector", "")), by_field)


def int_parameter(query: Mapping[str, str], name: str) -> int | None:
    """An optional numeric query parameter; 400 if it is not a number."""
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"-?[0-9]+", text):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def version_parameter(query: Mapping[str, str], *, watch: bool = False) -> int | None:
    """The optional `resourceVersion`; 400 if it is not a number, of a watch 500."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise StatusError(500, "", why) if watch else bad_request(f"invalid resource version: {why}")
    return int(text)


def bool_parameter(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter, in Go's spellings of true."""
    return query.get(name, "").lower() in ("1", "t", "true")


_LONGEST_MANAGER = 128


def write_options(query: Mapping[str, str], kind: str) -> WriteOptions:
    """`dryRun`, `fieldManager`, `force`, `fieldValidation`; 422 for unknown values. kind: of the options."""
    causes = []
    if query.get("dryRun", "") not in ("", "All"):
        causes.append(unsupported_value("dryRun", f'["{query["dryRun"]}"]', ("All",)))
    text = query.get("fieldValidation") or "Warn"
    validation = next((each for each in VALIDATIONS if each == text), None)
    if validation is None:
        causes.append(unsupported_value("fieldValidation", f'"{text}"', ("", *VALIDATIONS)))
    if len(query.get("fieldManager", "").encode()) > _LONGEST_MANAGER:
        detail = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        causes.append(Cause("FieldValueTooLong", detail, "fieldManager"))
    if causes or validation is None:
        raise invalid("meta.k8s.io", kind, "", causes)
    return WriteOptions(
        dry_run=query.get("dryRun") == "All",
        manager=query.get("fieldManager", ""),
        force=bool_parameter(query, "force"),
        fields=FieldCheck(validation),
    )


_MATCHES = ("Exact", "NotOlderThan", "")


def check_match(query: Mapping[str, str]) -> None:
    """422 for a `resourceVersionMatch` of a list that has no meaning."""
    match, version, field = query.get("resourceVersionMatch"), query.get("resourceVersion"), "resourceVersionMatch"
    if not match or query.get("continue"):
        return
    causes = []
    if not version:
        causes.append(forbidden_value(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    elif match not in _MATCHES:
        causes.append(unsupported_value(field, f'"{match}"', _MATCHES))
    elif match == "Exact" and version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(forbidden_value(field, detail))
    if causes:
        raise invalid("meta.k8s.io", "ListOptions", "", causes)


def check_initial_events(query: Mapping[str, str], *, watch: bool) -> None:
    """422 for a `sendInitialEvents` of a list or watch that has no meaning."""
    field, detail = "resourceVersionMatch", ""
    if not watch:
        if "sendInitialEvents" in query:
            field, detail = "sendInitialEvents", "sendInitialEvents is forbidden for list"
    elif "sendInitialEvents" in query:
        if query.get(field) != "NotOlderThan":
            detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif query.get(field):
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    if detail:
        raise invalid("meta.k8s.io", "ListOptions", "", [forbidden_value(field, detail)])


def with_warnings(response: web.Response, options: WriteOptions) -> web.Response:
    """The response with a `Warning` header for each unknown field."""
    for text in options.fields.warnings:
        response.headers.add("Warning", '299 - "{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"')))
    return response
