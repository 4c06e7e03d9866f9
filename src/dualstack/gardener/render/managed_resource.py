"""ManagedResources: manifests in Secrets, and the object that refers to them (docs/objects.md).

An existing Secret is changed in the manifests concerned: other keys, and other documents of the same key, stay as they
are, whichever program wrote them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import yaml

from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.model import kubernetes_yaml
from dualstack.model.json_path import dig
from dualstack.model.kinds import SECRET, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.parts import Part, Presence, UnknownShape, identity, name_of, value_at, with_value

_SEPARATOR = re.compile(r"(?m)^---(?=\s|$)[ \t]*(?:#.*)?\r?\n?")
IMMUTABLE = "it is immutable, so that no migration can change it; replace it by one without `immutable: true`"
"""Of a ConfigMap (docs/reference/kubernetes.md#immutable-config-maps)."""
_COMPRESSED = ".br"
"""The suffix of keys whose value upstream compresses with Brotli (docs/reference/gardener.md#compressed-manifests)."""


def managed_resource(name: str, namespace: str, *, seed: bool = False) -> Manifest:
    """The ManagedResource `name`, whose Secret has the same name; with `seed`, of class `seed`."""
    spec: Manifest = {"secretRefs": [{"name": name}], "keepObjects": False}
    if seed:
        spec["class"] = "seed"
    return manifest(MANAGED_RESOURCE, name, namespace, spec=spec)


def secret(name: str, namespace: str, objects: Iterable[Manifest]) -> Manifest:
    """The Secret with one key for each object, e.g. `daemonset__kube-system__kube-proxy.yaml`."""
    data = {key_of(item): _encode(kubernetes_yaml.dump(item)) for item in objects}
    return manifest(SECRET, name, namespace, type="Opaque", data=data)


def key_of(item: Manifest) -> str:
    """The key of a manifest in the Secret."""
    metadata = item["metadata"]
    words = (item["kind"], metadata.get("namespace", ""), metadata["name"])
    return "__".join(words).lower().replace(":", "-") + ".yaml"


def edited(resource: Manifest, secrets: Sequence[Manifest], parts: Iterable[Part]) -> list[Manifest]:
    """The Secrets of a ManagedResource with each part edited, added or removed; those without a change are the same.

    A part that is added goes into the first Secret. UnknownShape when a required object is missing.
    """
    result = list(secrets)
    for part in parts:
        places = [index for index, found in enumerate(result) if _holds(found, part)]
        if places:
            result[places[0]] = _with_edit(result[places[0]], part)
        elif part.presence is Presence.ADDED and result:
            text = _encode(kubernetes_yaml.dump(part.new))
            result[0] = with_value(result[0], text, "data", key_of(part.new))
        elif part.presence in (Presence.REQUIRED, Presence.ADDED):
            raise UnknownShape(resource, f"it has no {name_of(part.new)}{_why(result)}")
    return result


def _why(secrets: Iterable[Manifest]) -> str:
    """What may hide a manifest."""
    hidden = [key for found in secrets for key in value_at(found, dict, "data") if key.endswith(_COMPRESSED)]
    return f"; the compressed manifests in {', '.join(hidden)} are not read" if hidden else ""


def _holds(secret: Manifest, part: Part) -> bool:
    return any(identity(item) == part.identity for _, _, item in _documents(secret))


def _with_edit(secret: Manifest, part: Part) -> Manifest:
    """The Secret with the documents of this object edited, or without them."""
    data = dict(value_at(secret, dict, "data"))
    for key, position, item in _documents(secret):
        if identity(item) != part.identity:
            continue
        texts = _texts(data[key])
        if part.presence is Presence.REMOVED:
            texts[position] = ""
        elif (changed := part.edit(item)) != item:
            if item.get("immutable"):
                raise UnknownShape(item, IMMUTABLE)
            texts[position] = kubernetes_yaml.dump(changed)
        else:
            continue
        if any(text.strip() for text in texts):
            data[key] = _encode(_joined(texts))
        else:
            del data[key]
    return {**secret, "data": data}


def _documents(secret: Manifest) -> Iterator[tuple[str, int, Manifest]]:
    """Key, position within the key, and manifest, of each document that is a Kubernetes object."""
    for key in sorted(value_at(secret, dict, "data")):
        if key.endswith(_COMPRESSED):
            continue
        for position, text in enumerate(_texts(value_at(secret, str, "data", key))):
            item = _parsed(text)
            if item is not None:
                yield key, position, item


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Manifest | None:
    """The Kubernetes object in the text; None for anything else. No caller changes it."""
    try:
        item = kubernetes_yaml.load(text)
    except yaml.YAMLError:
        return None
    complete = all(isinstance(dig(item, *path), str) for path in (("kind",), ("metadata", "name")))
    return {"apiVersion": "", **item} if complete else None


def _texts(encoded: str) -> list[str]:
    """The texts of the documents of a key, also the empty ones."""
    try:
        return _SEPARATOR.split(base64.b64decode(encoded, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return []


def _joined(texts: list[str]) -> str:
    kept = [text if text.endswith("\n") or not text else f"{text}\n" for text in texts]
    return "---\n".join(kept)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
