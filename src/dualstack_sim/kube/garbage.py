"""Owners and dependents: who goes when its last owner is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualstack_sim.kube.history import Change
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.trees import replaced
from dualstack_sim.kube.types import Registry, ResourceType, TypeKey

FOREGROUND = "foregroundDeletion"
"""The finalizer of an object that waits for its dependents."""

Remove = Callable[[ResourceType, Record, str], None]
"""Deletes an object with the given propagation policy; no error if it is gone already."""

_Place = tuple[TypeKey, str | None, str]


def _owner_uids(manifest: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ()]


class GarbageCollector:
    """Follows every change. Collection is immediate: dependents go in the same instant as their owner."""

    def __init__(self, registry: Registry, shelves: Shelves, remove: Remove) -> None:
        self._registry = registry
        self._shelves = shelves
        self._remove = remove
        self._alive: dict[str, _Place] = {}
        self._dependents: dict[str, dict[_Place, None]] = {}

    def observe(self, resource: ResourceType, change: Change) -> None:
        """Keep the index; collect what the change leaves without an owner."""
        record = change.record
        place = (resource.storage, record.namespace, record.name)
        before = _owner_uids(change.previous.manifest) if change.previous else []
        after = _owner_uids(record.manifest) if change.type != "DELETED" else []
        if before != after:
            self._reindex(place, before, after)
        if change.type == "ADDED":
            self._alive[record.uid] = place
            if after and not any(uid in self._alive for uid in after):
                self._remove(resource, record, "Background")
        elif change.type == "DELETED":
            self._alive.pop(record.uid, None)
            self._collect(record.uid)
            for uid in before:
                self._release(uid)

    def rebuild(self, records: list[tuple[ResourceType, Record]]) -> None:
        """Index `records` anew, without collecting anything."""
        self._alive = {}
        self._dependents = {}
        for resource, record in records:
            place = (resource.storage, record.namespace, record.name)
            self._alive[record.uid] = place
            self._reindex(place, [], _owner_uids(record.manifest))

    def _reindex(self, place: _Place, before: list[str], after: list[str]) -> None:
        for uid in before:
            held = self._dependents.get(uid)
            if held is not None:
                held.pop(place, None)
                if not held:
                    del self._dependents[uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[place] = None

    def dependents(self, uid: str) -> list[tuple[ResourceType, Record]]:
        """The objects that name `uid` as an owner, in the order in which they did."""
        found = []
        for key, namespace, name in list(self._dependents.get(uid, ())):
            resource = self._registry.get(key)
            record = self._shelves.get(resource, namespace, name) if resource else None
            if resource is not None and record is not None:
                found.append((resource, record))
        return found

    def orphan(self, uid: str) -> None:
        """Make the dependents of `uid` forget it."""
        for resource, record in self.dependents(uid):
            self._disown(resource, record, uid)

    def _disown(self, resource: ResourceType, record: Record, uid: str) -> None:
        owners = [owner for owner in record.metadata["ownerReferences"] if owner["uid"] != uid]
        manifest = replaced(record.manifest, ("metadata", "ownerReferences"), owners or None)
        self._shelves.put(resource, manifest, record)

    def _collect(self, uid: str) -> None:
        for resource, record in self.dependents(uid):
            if any(owner in self._alive for owner in _owner_uids(record.manifest)):
                self._disown(resource, record, uid)
            else:
                self._remove(resource, record, "Background")

    def foreground(self, uid: str) -> None:
        """Delete the dependents of `uid`, which waits for them."""
        for resource, record in self.dependents(uid):
            if not record.being_deleted:
                self._remove(resource, record, "Foreground")
        self._release(uid)

    def _release(self, uid: str) -> None:
        """Let `uid` go if it waits in the foreground and nothing blocks it any more."""
        place = self._alive.get(uid)
        if place is None:
            return
        key, namespace, name = place
        resource = self._registry.get(key)
        record = self._shelves.get(resource, namespace, name) if resource else None
        if resource is None or record is None or FOREGROUND not in (record.metadata.get("finalizers") or ()):
            return
        blocking = any(
            owner["uid"] == uid and owner.get("blockOwnerDeletion")
            for _, dependent in self.dependents(uid)
            for owner in dependent.metadata["ownerReferences"]
        )
        if not blocking:
            rest = [each for each in record.metadata["finalizers"] if each != FOREGROUND]
            manifest = replaced(record.manifest, ("metadata", "finalizers"), rest or None)
            self._remove(resource, self._shelves.put(resource, manifest, record), "Background")
