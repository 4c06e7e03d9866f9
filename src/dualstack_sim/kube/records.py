"""Stored objects: immutable, encoded at most once in each version, and shown in the version that is asked for."""

from __future__ import annotations

from typing import Any

from dualstack_sim.kube.kubectl.event_shapes import as_core_event, as_events_api_event
from dualstack_sim.kube.trees import encoded


def in_version(manifest: dict[str, Any], api_version: str) -> dict[str, Any]:
    """`manifest` as `api_version` shows it. Versions differ in name only, except those of Event."""
    current = manifest.get("apiVersion")
    if current == api_version:
        return manifest
    if manifest.get("kind") == "Event" and api_version == "events.k8s.io/v1":
        return as_events_api_event(manifest)
    if manifest.get("kind") == "Event" and current == "events.k8s.io/v1":
        return as_core_event(manifest)
    return {**manifest, "apiVersion": api_version}


class Record:
    """One object at one resourceVersion. Nobody changes `manifest`: a write makes a new record."""

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
        """The object as JSON in that version; the bytes are kept and shared by all readers."""
        data = self._bytes.get(api_version)
        if data is None:
            data = self._bytes[api_version] = encoded(in_version(self.manifest, api_version))
        return data

    def at_version(self, version: int) -> Record:
        """The same content under another resourceVersion, as the event of its disappearance shows it."""
        metadata = {**self.metadata, "resourceVersion": str(version)}
        return Record({**self.manifest, "metadata": metadata}, version)
