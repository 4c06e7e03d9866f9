"""The simulated Kubernetes API as a library, with the semantics that HTTP clients get."""

from __future__ import annotations

from typing import Any, Literal

from dualstack.clock import Clock, parse_rfc3339
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import NAMESPACE, Kind, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.builtin import BUILTIN_TYPES, INITIAL_NAMESPACES
from dualstack_sim.kube.crds import CustomTypes
from dualstack_sim.kube.deletion import DeleteOptions, Deletion
from dualstack_sim.kube.disruption import DisruptionController
from dualstack_sim.kube.objects import StoredObject, copied, decoded, in_version
from dualstack_sim.kube.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch
from dualstack_sim.kube.preparation import AdmissionRegistry
from dualstack_sim.kube.selectors import field_predicate, label_predicate
from dualstack_sim.kube.status import StatusError, unknown_path
from dualstack_sim.kube.storage import Change, Listener, Pager, Storage
from dualstack_sim.kube.types import Registry, ResourceType
from dualstack_sim.kube.writes import Target, Writer

_EVENT_LIFE = 3600.0
"""Seconds after which an Event is deleted (`--event-ttl` of the real server)."""

_MEDIA_TYPES = {"merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH, "json": JSON_PATCH}


class KubeStore:
    """The content and rules of one API server. Every method raises `StatusError` to reject a request.

    Arguments and results are copied, so the store shares no tree with its callers. Not thread-safe: use it from the
    thread that serves it.
    """

    def __init__(self, clock: Clock, chance: Chance, *, history: int = 10_000) -> None:
        self.clock = clock
        self.chance = chance
        self.registry = Registry(BUILTIN_TYPES)
        self.storage = Storage(history)
        self.pager = Pager(self.storage)
        self.admission = AdmissionRegistry()
        self.deletion = Deletion(self.registry, self.storage, clock)
        self.writer = Writer(self.registry, self.storage, self.deletion, self.admission, clock, chance)
        self.custom_types = CustomTypes(self.registry, self.storage, clock)
        self.disruption = DisruptionController(self.registry, self.storage)
        self.storage.listen(self._observe)
        for name in INITIAL_NAMESPACES:
            self.create(NAMESPACE, {"metadata": {"name": name}})

    def _observe(self, resource: ResourceType, change: Change) -> None:
        if change.type == "DELETED":
            self.writer.count_deletion(resource, change.object)
        elif change.type == "ADDED" and resource.storage_key == ("", "events"):
            self._expire_events(resource, change.object.namespace)

    def _expire_events(self, resource: ResourceType, namespace: str | None) -> None:
        oldest = self.clock.now() - _EVENT_LIFE
        collection = self.storage.collection(resource)
        while (stored := collection.first(namespace)) is not None:
            if parse_rfc3339(stored.metadata["creationTimestamp"]) >= oldest:
                return
            self.storage.drop(resource, stored)

    def target(
        self, kind: Kind, namespace: str | None = None, name: str = "", subresource: str | None = None
    ) -> Target:
        """The target for `kind`; 404 if the kind is not served."""
        resource = self.registry.served(kind.group, kind.version, kind.plural)
        if resource is None:
            raise unknown_path()
        return Target(resource, kind.version, namespace if resource.namespaced else None, name, subresource)

    def _target_of(
        self, kind: Kind, manifest: Manifest, namespace: str | None, subresource: str | None = None
    ) -> Target:
        metadata = manifest.get("metadata") or {}
        return self.target(kind, namespace or metadata.get("namespace"), metadata.get("name") or "", subresource)

    def _shown(self, stored: StoredObject, target: Target) -> Manifest:
        manifest: Manifest = decoded(stored.encoded(target.api_version))
        return manifest

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each committed change, in order. It must not modify the objects."""
        self.storage.listen(listener)

    def create(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create; 409 AlreadyExists if the name is taken. `namespace` defaults to the manifest's."""
        target = self._target_of(kind, manifest, namespace)
        return self._shown(self.writer.create(target, copied(manifest)), target)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it does not exist."""
        target = self.target(kind, namespace, name)
        stored = self.storage.get(target.resource, target.namespace, name)
        return self._shown(stored, target) if stored else None

    def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> list[Manifest]:
        """All objects of one or of all namespaces, sorted by namespace and name."""
        target = self.target(kind, namespace)
        by_label, by_field = label_predicate(labels), field_predicate(target.resource, fields)
        found = []
        for stored in self.storage.collection(target.resource).objects(target.namespace):
            shown = in_version(stored.manifest, target.api_version)
            if (by_label is None or by_label(shown)) and (by_field is None or by_field(shown)):
                found.append(self._shown(stored, target))
        return found

    def replace(
        self, kind: Kind, manifest: Manifest, *, namespace: str | None = None, subresource: str | None = None
    ) -> Manifest:
        """PUT the object, or its `status`; 404, 409."""
        target = self._target_of(kind, manifest, namespace, subresource)
        return self._shown(self.writer.update(target, copied(manifest)), target)

    def patch(
        self,
        kind: Kind,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        patch_type: Literal["merge", "strategic", "json"] = "merge",
        subresource: str | None = None,
    ) -> Manifest:
        """Patch the object, or its `status`; 404."""
        target = self.target(kind, namespace, name, subresource)
        stored, _ = self.writer.patch(target, Patch(_MEDIA_TYPES[patch_type], copied(body)))
        return self._shown(stored, target)

    def upsert(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create the object, or replace the existing one at any version; also writes `status` if there is one."""
        target = self._target_of(kind, manifest, namespace)
        body = copied(manifest)
        body.setdefault("metadata", {}).pop("resourceVersion", None)
        old = self.storage.get(*target.location)
        stored = (
            self.writer.create(target, body) if old is None else self.writer.update(target, _at_version_of(body, old))
        )
        if body.get("status") is not None and target.resource.has_status:
            status = Target(target.resource, target.version, target.namespace, stored.name, "status")
            stored = self.writer.update(status, _at_version_of(body, stored))
        return self._shown(stored, target)

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        """Delete; False if the object does not exist. A grace period or finalizers may keep it for some time."""
        target = self.target(kind, namespace, name)
        try:
            self.deletion.delete(target.resource, target.namespace, name, DeleteOptions(grace, propagation))
        except StatusError as refusal:
            if refusal.code == 404:
                return False
            raise
        return True

    def snapshot(self) -> dict[str, Any]:
        """All stored objects, as one JSON tree, without the watch history."""
        return {
            "resourceVersion": self.storage.version,
            "incarnations": dict(self.writer.incarnations),
            "objects": [
                {
                    "group": resource.group,
                    "plural": resource.plural,
                    "items": [copied(each.manifest) for each in collection],
                }
                for resource in self.registry
                if resource.stored_as is None and (collection := list(self.storage.collection(resource)))
            ],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Replace all content by `snapshot`. Open watches end, and watches that start before it get 410."""
        contents = {(each["group"], each["plural"]): copied(each["items"]) for each in snapshot["objects"]}
        self.storage.reset(int(snapshot["resourceVersion"]))
        self.pager.forget()
        self.custom_types.rebuild(contents.get(("apiextensions.k8s.io", "customresourcedefinitions"), []))
        self.writer.incarnations = dict(snapshot["incarnations"])
        objects: list[tuple[ResourceType, StoredObject]] = []
        for key, items in contents.items():
            resource = self.registry.get(key)
            if resource is None:
                raise InvalidInput(
                    f"the snapshot holds {key[1]}.{key[0]}, but no CustomResourceDefinition for that type"
                )
            for manifest in items:
                stored = StoredObject(manifest, int(manifest["metadata"]["resourceVersion"]))
                self.storage.collection(resource).put(stored)
                objects.append((resource, stored))
        self.deletion.rebuild(objects)


def _at_version_of(body: Manifest, stored: StoredObject) -> Manifest:
    """`body` with the resourceVersion of `stored`, for types that require one."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(stored.version)}}
