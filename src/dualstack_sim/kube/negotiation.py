"""What a client accepts and what it sends: media types, and bodies in JSON or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import yaml
from aiohttp import web

from dualstack_sim.kube.kubectl.protobuf import PROTOBUF, decoded_protobuf
from dualstack_sim.kube.status import bad_request, not_acceptable, unsupported_media_type
from dualstack_sim.kube.trees import decoded, encoded

JSON = "application/json"
YAML = "application/yaml"

Form = Literal["object", "table", "metadata"]
"""How objects are shown: in full, as a Table, or as PartialObjectMetadata."""

_META_FORMS: dict[str, Form] = {
    "Table": "table",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata",
}


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: time stamps stay strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it so
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
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
    """The first form that the client accepts and the server offers, and its media type. 406 if there is none."""
    if not accept or accept == "*/*":
        return "object", JSON
    for media_type, parameters in media_ranges(accept):
        if media_type not in (JSON, YAML, "*/*", "application/*", ""):
            continue
        kind = parameters.get("as")
        if kind is None:
            return "object", YAML if media_type == YAML else JSON
        if kind in _META_FORMS and parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1":
            return _META_FORMS[kind], JSON
    raise not_acceptable((JSON, YAML))


def parsed(data: bytes, media_type: str) -> Any:
    """The tree in a body; 400 if it cannot be read, 415 if the server does not speak `media_type`."""
    if media_type in (JSON, "") or media_type.endswith("+json"):
        return _json(data)
    if media_type == YAML or media_type.endswith("+yaml"):
        return _yaml(data)
    if media_type == PROTOBUF:
        return decoded_protobuf(data)
    raise unsupported_media_type((JSON, YAML))


def _json(data: bytes) -> Any:
    try:
        return decoded(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def _yaml(data: bytes) -> Any:
    try:
        # The loader is a safe one: it makes scalars, lists and maps only.
        tree = yaml.load(data, Loader=_Loader)  # noqa: S506
        return decoded(encoded(tree))
    except (yaml.YAMLError, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {' '.join(str(error).split())}") from None


def media_type_of(headers: Mapping[str, str]) -> str:
    """The media type of a body, without parameters."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def answer(document: Any, media_type: str = JSON, status: int = 200) -> web.Response:
    """`document`, a tree or ready JSON, as a response."""
    if media_type == YAML:
        tree = decoded(document) if isinstance(document, bytes) else document
        body = yaml.safe_dump(tree, sort_keys=False).encode()
    else:
        body = document if isinstance(document, bytes) else encoded(document)
    return web.Response(body=body, status=status, content_type=media_type)
