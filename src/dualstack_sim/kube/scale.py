"""The scale subresource: one field of an object, seen as an `autoscaling/v1` Scale."""

from __future__ import annotations

from typing import Any

from dualstack_sim.kube.patch import json_patch, merge_patch
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import selector_text
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.status import (
    bad_request,
    conflict,
    invalid,
    invalid_value,
    unknown_path,
    unsupported_media_type,
)
from dualstack_sim.kube.trees import lookup, replaced
from dualstack_sim.kube.types import ResourceType, ScalePaths
from dualstack_sim.kube.writes import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch, Target, WriteOptions, Writer


def scale_of(resource: ResourceType, record: Record) -> dict[str, Any]:
    """The Scale of a stored object; 404 if the type has none."""
    paths = _paths(resource)
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {field: record.metadata[field] for field in fields if field in record.metadata}
    status: dict[str, Any] = {"replicas": lookup(record.manifest, paths.status, 0)}
    if paths.selector is not None:
        status["selector"] = selector_text(lookup(record.manifest, paths.selector, ""))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": lookup(record.manifest, paths.spec, 0)},
        "status": status,
    }


def _paths(resource: ResourceType) -> ScalePaths:
    if resource.scale is None:
        raise unknown_path()
    return resource.scale


class Scales:
    """Reads and writes scales."""

    def __init__(self, shelves: Shelves, writer: Writer) -> None:
        self._shelves = shelves
        self._writer = writer

    def get(self, target: Target) -> dict[str, Any]:
        return scale_of(target.resource, self._shelves.existing(*target.place))

    def put(self, target: Target, body: Any, options: WriteOptions) -> dict[str, Any]:
        """Set the replicas to those of the Scale `body`; 409 if it names a resourceVersion that is not current."""
        record = self._shelves.existing(*target.place)
        paths = _paths(target.resource)
        replicas = lookup(body, ("spec", "replicas"), 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise bad_request(f"Scale.spec.replicas must be an integer, not {replicas!r}")
        if replicas < 0:
            cause = invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
            raise invalid("autoscaling", "Scale", target.name, [cause])
        version = lookup(body, ("metadata", "resourceVersion"))
        if version and version != str(record.version):
            raise conflict(target.resource.group, target.resource.plural, target.name)
        new = replaced(record.manifest, paths.spec, replicas)
        if new != record.manifest and "generation" in record.metadata:
            new = replaced(new, ("metadata", "generation"), record.metadata["generation"] + 1)
        return scale_of(target.resource, self._writer.commit(target, record, new, options))

    def patch(self, target: Target, patch: Patch, options: WriteOptions) -> dict[str, Any]:
        """Patch the Scale with a JSON or merge patch; a Scale has no lists, so strategic merge is the same."""
        if patch.media_type not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH):
            raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH))
        change = json_patch if patch.media_type == JSON_PATCH else merge_patch
        return self.put(target, change(self.get(target), patch.body), options)
