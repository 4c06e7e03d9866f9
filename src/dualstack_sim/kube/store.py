"""The Kubernetes API as a library: what the world builder calls, with the semantics that HTTP clients get."""

from __future__ import annotations

from typing import Any, Literal

from dualstack.clock import Clock, parse_rfc3339
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import NAMESPACE, Kind, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.admission import AdmissionRegistry
from dualstack_sim.kube.builtin import BUILTIN_TYPES, INITIAL_NAMESPACES
from dualstack_sim.kube.crds import CustomTypes
from dualstack_sim.kube.deletion import DeleteOptions, Deletion
from dualstack_sim.kube.disruption import DisruptionController
from dualstack_sim.kube.history import Change
from dualstack_sim.kube.paging import Pager
from dualstack_sim.kube.records import Record, in_version
from dualstack_sim.kube.selectors import field_predicate, label_predicate
from dualstack_sim.kube.shelves import Listener, Shelves
from dualstack_sim.kube.status import StatusError, unknown_path
from dualstack_sim.kube.trees import copied, decoded
from dualstack_sim.kube.types import Registry, ResourceType
from dualstack_sim.kube.writes import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch, Target, Writer

_EVENT_LIFE = 3600.0
"""Seconds after which an Event is forgotten (--event-ttl of the real server)."""

_MEDIA_TYPES = {"merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH, "json": JSON_PATCH}


class KubeStore:
    """One API server's content and rules. Every method refuses with a `StatusError`.

    Manifests that come in are copied, manifests that go out are copies: nobody shares a tree with the store.
    Not thread-safe: use it from the thread that serves it.
    """

    def __init__(self, clock: Clock, chance: Chance, *, history: int = 10_000) -> None:
        self.clock = clock
        self.chance = chance
        self.registry = Registry(BUILTIN_TYPES)
        self.shelves = Shelves(history)
        self.pager = Pager(self.shelves)
        self.admission = AdmissionRegistry()
        self.deletion = Deletion(self.registry, self.shelves, clock)
        self.writer = Writer(self.registry, self.shelves, self.deletion, self.admission, clock, chance)
        self.custom_types = CustomTypes(self.registry, self.shelves, clock)
        self.disruption = DisruptionController(self.registry, self.shelves)
        self.shelves.listen(self._note)
        for name in INITIAL_NAMESPACES:
            self.create(NAMESPACE, {"metadata": {"name": name}})

    def _note(self, resource: ResourceType, change: Change) -> None:
        if change.type == "DELETED":
            self.writer.record_life(resource, change.record)
        elif change.type == "ADDED" and resource.storage == ("", "events"):
            self._forget_old_events(resource, change.record.namespace)

    def _forget_old_events(self, resource: ResourceType, namespace: str | None) -> None:
        oldest = self.clock.now() - _EVENT_LIFE
        shelf = self.shelves.shelf(resource)
        while (record := shelf.first(namespace)) is not None:
            if parse_rfc3339(record.metadata["creationTimestamp"]) >= oldest:
                return
            self.shelves.drop(resource, record)

    def target(
        self, kind: Kind, namespace: str | None = None, name: str = "", subresource: str | None = None
    ) -> Target:
        """Where `kind` is served; 404 if it is not."""
        resource = self.registry.served(kind.group, kind.version, kind.plural)
        if resource is None:
            raise unknown_path()
        return Target(resource, kind.version, namespace if resource.namespaced else None, name, subresource)

    def _target_of(
        self, kind: Kind, manifest: Manifest, namespace: str | None, subresource: str | None = None
    ) -> Target:
        metadata = manifest.get("metadata") or {}
        return self.target(kind, namespace or metadata.get("namespace"), metadata.get("name") or "", subresource)

    def _shown(self, record: Record, target: Target) -> Manifest:
        manifest: Manifest = decoded(record.encoded(target.api_version))
        return manifest

    def listen(self, listener: Listener) -> None:
        """Have `listener` called after each committed change, in order. It must not change the records it sees."""
        self.shelves.listen(listener)

    def create(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create; 409 AlreadyExists if the name is taken. `namespace` defaults to the manifest's."""
        target = self._target_of(kind, manifest, namespace)
        return self._shown(self.writer.create(target, copied(manifest)), target)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it is not there."""
        target = self.target(kind, namespace, name)
        record = self.shelves.get(target.resource, target.namespace, name)
        return self._shown(record, target) if record else None

    def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> list[Manifest]:
        """All objects of one or of all namespaces, sorted by namespace and name."""
        target = self.target(kind, namespace)
        by_label, by_field = label_predicate(labels), field_predicate(target.resource, fields)
        found = []
        for record in self.shelves.shelf(target.resource).records(target.namespace):
            shown = in_version(record.manifest, target.api_version)
            if (by_label is None or by_label(shown)) and (by_field is None or by_field(shown)):
                found.append(self._shown(record, target))
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
        record, _ = self.writer.patch(target, Patch(_MEDIA_TYPES[patch_type], copied(body)))
        return self._shown(record, target)

    def upsert(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create the object, or replace what is there whatever its version; a `status` in it is written too."""
        target = self._target_of(kind, manifest, namespace)
        body = copied(manifest)
        body.setdefault("metadata", {}).pop("resourceVersion", None)
        old = self.shelves.get(*target.place)
        record = self.writer.create(target, body) if old is None else self.writer.update(target, _at(body, old))
        if body.get("status") is not None and target.resource.has_status:
            status = Target(target.resource, target.version, target.namespace, record.name, "status")
            record = self.writer.update(status, _at(body, record))
        return self._shown(record, target)

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        """Delete; False if it was not there. Pods on a node and objects with finalizers stay until released."""
        target = self.target(kind, namespace, name)
        try:
            self.deletion.delete(target.resource, target.namespace, name, DeleteOptions(grace, propagation))
        except StatusError as refusal:
            if refusal.code == 404:
                return False
            raise
        return True

    def snapshot(self) -> dict[str, Any]:
        """Everything stored, as one JSON-able tree. The history of changes is not part of it."""
        return {
            "resourceVersion": self.shelves.version,
            "incarnations": dict(self.writer.incarnations),
            "objects": [
                {"group": resource.group, "plural": resource.plural, "items": [copied(each.manifest) for each in shelf]}
                for resource in self.registry
                if resource.stored_as is None and (shelf := list(self.shelves.shelf(resource)))
            ],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Become what `snapshot` says. Open watches end, and watches that start before it get 410."""
        contents = {(each["group"], each["plural"]): copied(each["items"]) for each in snapshot["objects"]}
        self.shelves.reset(int(snapshot["resourceVersion"]))
        self.pager.forget()
        self.custom_types.rebuild(contents.get(("apiextensions.k8s.io", "customresourcedefinitions"), []))
        self.writer.incarnations = dict(snapshot["incarnations"])
        records: list[tuple[ResourceType, Record]] = []
        for key, items in contents.items():
            resource = self.registry.get(key)
            if resource is None:
                raise InvalidInput(f"the snapshot holds {key[1]}.{key[0]}, but nothing in it defines that type")
            for manifest in items:
                record = Record(manifest, int(manifest["metadata"]["resourceVersion"]))
                self.shelves.shelf(resource).put(record)
                records.append((resource, record))
        self.deletion.rebuild(records)


def _at(body: Manifest, record: Record) -> Manifest:
    """`body` as a successor of `record`, for types that insist on a resourceVersion."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(record.version)}}
