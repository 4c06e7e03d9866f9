"""Subresources other than status: scale, eviction, binding, token."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack_sim.kube.access import Access
from dualstack_sim.kube.decoding import check_types, patch_refusal
from dualstack_sim.kube.deletion import delete_options
from dualstack_sim.kube.objects import StoredObject, encoded, lookup, replaced
from dualstack_sim.kube.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch, json_patch, merge_patch
from dualstack_sim.kube.selectors import selector_text
from dualstack_sim.kube.status import (
    StatusError,
    bad_request,
    conflict,
    invalid,
    invalid_value,
    unknown_path,
    unsupported_patch,
)
from dualstack_sim.kube.storage import Storage
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.types import ResourceType, ScalePaths
from dualstack_sim.kube.writes import Refusal, Target, WriteOptions, Writer


def scale_of(resource: ResourceType, stored: StoredObject) -> dict[str, Any]:
    """The `autoscaling/v1` Scale of a stored object; 404 if the type has none."""
    paths = _paths(resource)
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {field: stored.metadata[field] for field in fields if field in stored.metadata}
    status: dict[str, Any] = {"replicas": lookup(stored.manifest, paths.status, 0)}
    if paths.selector is not None:
        status["selector"] = selector_text(lookup(stored.manifest, paths.selector, ""))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": lookup(stored.manifest, paths.spec, 0)},
        "status": status,
    }


def _paths(resource: ResourceType) -> ScalePaths:
    if resource.scale is None:
        raise unknown_path()
    return resource.scale


class Scales:
    """Reads and writes scales."""

    def __init__(self, storage: Storage, writer: Writer) -> None:
        self._storage = storage
        self._writer = writer

    def get(self, target: Target) -> dict[str, Any]:
        return scale_of(target.resource, self._storage.existing(*target.location))

    def put(self, target: Target, body: Any, options: WriteOptions, refuse: Refusal | None = None) -> dict[str, Any]:
        """Set the replicas from the Scale `body`; 409 if its resourceVersion is not current.

        refuse: makes the error for a body that is no Scale; by default 400.
        """
        check_types("autoscaling/v1", "Scale", body, refuse)
        stored = self._storage.existing(*target.location)
        paths = _paths(target.resource)
        if (given := lookup(body, ("metadata", "name"), target.name)) != target.name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")
        replicas = lookup(body, ("spec", "replicas"), 0)
        if replicas < 0:
            cause = invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
            raise invalid("autoscaling", "Scale", target.name, [cause])
        version = lookup(body, ("metadata", "resourceVersion"))
        if version and version != str(stored.version):
            raise conflict(target.resource.group, target.resource.plural, target.name)
        new = replaced(stored.manifest, paths.spec, replicas)
        if new != stored.manifest and "generation" in stored.metadata:
            new = replaced(new, ("metadata", "generation"), stored.metadata["generation"] + 1)
        return scale_of(target.resource, self._writer.commit(target, stored, new, options))

    def patch(self, target: Target, patch: Patch, options: WriteOptions) -> dict[str, Any]:
        """Patch the Scale. It has no lists, so a strategic merge patch is the same as a merge patch."""
        if patch.media_type not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH):
            raise unsupported_patch(target.resource.custom, (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH))
        change = json_patch if patch.media_type == JSON_PATCH else merge_patch
        body = change(self.get(target), patch.body)
        return self.put(target, body, options, lambda why: patch_refusal(why, encoded(body).decode()))


_SHORTEST, _LONGEST = 600, 1 << 32
"""Seconds for which a token may be valid."""

_CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    """Handles POST to subresources."""

    def __init__(self, store: KubeStore, access: Access) -> None:
        self._store, self._access = store, access
        self._posts = {"eviction": self._evict, "binding": self._bind, "token": self._token}

    def post(self, target: Target, body: Any, options: WriteOptions) -> dict[str, Any] | None:
        """The response (201), or None if the subresource does not support POST."""
        names = {each.name for each in target.resource.subresources if "create" in each.verbs}
        action = self._posts.get(target.subresource or "")
        if action is None or target.subresource not in names:
            return None
        if not isinstance(body, dict):
            raise bad_request("the body must be a JSON object")
        return action(target, self._store.storage.existing(*target.location), body, options)

    def _evict(self, target: Target, pod: StoredObject, body: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
        given = lookup(body, ("metadata", "name"), target.name)
        if given != target.name:
            raise bad_request("name in URL does not match name in Eviction object")
        deletion = delete_options(body.get("deleteOptions") or {}, {"dryRun": "All"} if options.dry_run else {})
        self._store.disruption.check_eviction(pod)
        self._store.deletion.delete(target.resource, target.namespace, target.name, deletion)
        return _CREATED

    def _bind(self, target: Target, pod: StoredObject, body: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
        node = lookup(body, ("target", "name"))
        if not isinstance(node, str) or not node:
            raise StatusError(500, "", "target.name: Required value")
        spec = pod.manifest.get("spec") or {}
        if spec.get("nodeName"):
            why = f'pod {pod.name} is already assigned to node "{spec["nodeName"]}"'
            raise conflict("", "pods/binding", pod.name, why)
        status = pod.manifest.get("status") or {}
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": rfc3339(self._store.clock.now()),
        }
        others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
        new = {
            **pod.manifest,
            "spec": {**spec, "nodeName": node},
            "status": {**status, "conditions": [*others, scheduled]},
        }
        self._store.writer.commit(target, pod, new, options)
        return _CREATED

    def _token(self, target: Target, account: StoredObject, body: dict[str, Any], _: WriteOptions) -> dict[str, Any]:
        check_types("authentication.k8s.io/v1", "TokenRequest", body)
        seconds = lookup(body, ("spec", "expirationSeconds"), 3600)
        if not _SHORTEST <= seconds <= _LONGEST:
            limit = "less than 10 minutes" if seconds < _SHORTEST else "larger than 2^32 seconds"
            cause = invalid_value("spec.expirationSeconds", str(seconds), f"may not specify a duration {limit}")
            raise invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        expires = self._store.clock.now() + seconds
        token = self._access.issue_token(account, expires)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": target.name, "namespace": target.namespace},
            "spec": {**(body.get("spec") or {}), "expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": rfc3339(expires)},
        }
