"""Stored objects: immutable JSON trees, encoded at most once in each API version.

A stored tree is never changed in place. `copied` makes a private copy; `replaced` makes a new tree that shares all
unchanged branches with the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encoded(tree: Any) -> bytes:
    """`tree` as compact JSON."""
    return _encoder.encode(tree)


def decoded(data: bytes) -> Any:
    """The value of a JSON text; msgspec.DecodeError if it is not JSON."""
    return _decoder.decode(data)


def copied(tree: Any) -> Any:
    """A private copy; TypeError if `tree` is not made of JSON values."""
    return _decoder.decode(_encoder.encode(tree))


def lookup(tree: Any, path: Sequence[str], default: Any = None) -> Any:
    """The value at `path`; `default` if it is null or missing, or if a step leads through something but an object."""
    for step in path:
        if not isinstance(tree, dict):
            return default
        tree = tree.get(step)
        if tree is None:
            return default
    return tree


def replaced(tree: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A new tree with `value` at `path` and all other branches shared. None removes the field."""
    head, *rest = path
    if rest:
        child = tree.get(head)
        value = replaced(child if isinstance(child, dict) else {}, rest, value)
    if value is None:
        return {key: child for key, child in tree.items() if key != head}
    return {**tree, head: value}


_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "reportingComponent": "reportingController",
}
"""Fields of a `v1` Event, each with its name in `events.k8s.io/v1`."""
_CORE_EVENT_FIELDS = {new: old for old, new in _EVENT_FIELDS.items()}


def in_version(manifest: dict[str, Any], api_version: str) -> dict[str, Any]:
    """`manifest` converted to `api_version`. Only Events differ between versions in more than the name."""
    current = manifest.get("apiVersion")
    if current == api_version:
        return manifest
    if manifest.get("kind") == "Event" and "events.k8s.io/v1" in (current, api_version):
        names = _EVENT_FIELDS if api_version == "events.k8s.io/v1" else _CORE_EVENT_FIELDS
        manifest = {names.get(key, key): value for key, value in manifest.items()}
    return {**manifest, "apiVersion": api_version}


class StoredObject:
    """One object at one resourceVersion. `manifest` is never modified: each write makes a new StoredObject."""

    __slots__ = ("_bytes", "manifest", "name", "namespace", "version")

    def __init__(self, manifest: dict[str, Any], version: int) -> None:
        metadata = manifest["metadata"]
        self.manifest = manifest
        self.version = version
        self.namespace: str | None = metadata.get("namespace")
        self.name: str = metadata["name"]
        self._bytes: dict[str, bytes] = {}

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.manifest["metadata"]
        return metadata

    @property
    def uid(self) -> str:
        return str(self.metadata["uid"])

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def being_deleted(self) -> bool:
        return "deletionTimestamp" in self.metadata

    def encoded(self, api_version: str) -> bytes:
        """The object as JSON in `api_version`; all readers share the cached bytes."""
        data = self._bytes.get(api_version)
        if data is None:
            data = self._bytes[api_version] = encoded(in_version(self.manifest, api_version))
        return data

    def at_version(self, version: int) -> StoredObject:
        """The same content under another resourceVersion, as the DELETED event shows it."""
        metadata = {**self.metadata, "resourceVersion": str(version)}
        return StoredObject({**self.manifest, "metadata": metadata}, version)

    def partial_metadata(self) -> dict[str, Any]:
        """The object as a `meta.k8s.io/v1` PartialObjectMetadata."""
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": self.metadata}
