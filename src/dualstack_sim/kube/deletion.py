"""Deletion: grace periods, finalizers, propagation, garbage collection, and the content of namespaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.kube.objects import StoredObject, lookup, replaced
from dualstack_sim.kube.status import bad_request, conflict, forbidden, invalid, invalid_value, unsupported_value
from dualstack_sim.kube.storage import Change, Storage
from dualstack_sim.kube.types import Registry, ResourceType, TypeKey

FOREGROUND = "foregroundDeletion"
"""The finalizer of an object that waits for the deletion of its dependents."""

ORPHAN = "orphan"
"""The finalizer of an object whose dependents lose it as an owner first."""

_POLICIES = {"Foreground": FOREGROUND, "Orphan": ORPHAN}

Remove = Callable[[ResourceType, StoredObject, str], None]
"""Deletes an object with the given propagation policy, if it still exists."""

_Location = tuple[TypeKey, str | None, str]


def _owner_uids(manifest: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ()]


class GarbageCollector:
    """Deletes dependents at the instant at which their last owner is deleted."""

    def __init__(self, registry: Registry, storage: Storage, remove: Remove) -> None:
        self._registry = registry
        self._storage = storage
        self._remove = remove
        self._alive: dict[str, _Location] = {}
        self._dependents: dict[str, dict[_Location, None]] = {}

    def observe(self, resource: ResourceType, change: Change) -> None:
        """Update the index; delete objects that the change leaves without an owner."""
        stored = change.object
        location = (resource.storage_key, stored.namespace, stored.name)
        before = _owner_uids(change.previous.manifest) if change.previous else []
        after = _owner_uids(stored.manifest) if change.type != "DELETED" else []
        if before != after:
            self._reindex(location, before, after)
        if change.type == "ADDED":
            self._alive[stored.uid] = location
            if after and not any(uid in self._alive for uid in after):
                self._remove(resource, stored, "Background")
        elif change.type == "DELETED":
            self._alive.pop(stored.uid, None)
            self._collect(stored.uid)
            for uid in before:
                self._release(uid)

    def rebuild(self, objects: list[tuple[ResourceType, StoredObject]]) -> None:
        """Rebuild the index from `objects`, without deleting anything."""
        self._alive = {}
        self._dependents = {}
        for resource, stored in objects:
            location = (resource.storage_key, stored.namespace, stored.name)
            self._alive[stored.uid] = location
            self._reindex(location, [], _owner_uids(stored.manifest))

    def _reindex(self, location: _Location, before: list[str], after: list[str]) -> None:
        for uid in before:
            held = self._dependents.get(uid)
            if held is not None:
                held.pop(location, None)
                if not held:
                    del self._dependents[uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[location] = None

    def dependents(self, uid: str) -> list[tuple[ResourceType, StoredObject]]:
        """The objects with `uid` as an owner, in the order in which they named it."""
        found = []
        for key, namespace, name in list(self._dependents.get(uid, ())):
            resource = self._registry.get(key)
            stored = self._storage.get(resource, namespace, name) if resource else None
            if resource is not None and stored is not None:
                found.append((resource, stored))
        return found

    def orphan(self, uid: str) -> None:
        """Remove the owner reference to `uid` from its dependents, and then the object itself."""
        for resource, stored in self.dependents(uid):
            self._remove_owner(resource, stored, uid)
        self._release(uid, ORPHAN)

    def _remove_owner(self, resource: ResourceType, stored: StoredObject, uid: str) -> None:
        owners = [owner for owner in stored.metadata["ownerReferences"] if owner["uid"] != uid]
        manifest = replaced(stored.manifest, ("metadata", "ownerReferences"), owners or None)
        self._storage.put(resource, manifest, stored)

    def _collect(self, uid: str) -> None:
        for resource, stored in self.dependents(uid):
            if any(owner in self._alive for owner in _owner_uids(stored.manifest)):
                self._remove_owner(resource, stored, uid)
            else:
                self._remove(resource, stored, "Background")

    def foreground(self, uid: str) -> None:
        """Delete the dependents of `uid` before the object itself."""
        for resource, stored in self.dependents(uid):
            if not stored.being_deleted:
                self._remove(resource, stored, "Foreground")
        self._release(uid)

    def _release(self, uid: str, finalizer: str = FOREGROUND) -> None:
        """Delete `uid` if it has this finalizer, which waits for the dependents, and none of them blocks it."""
        location = self._alive.get(uid)
        if location is None:
            return
        key, namespace, name = location
        resource = self._registry.get(key)
        stored = self._storage.get(resource, namespace, name) if resource else None
        if resource is None or stored is None or finalizer not in (stored.metadata.get("finalizers") or ()):
            return
        blocking = any(
            owner["uid"] == uid and owner.get("blockOwnerDeletion")
            for _, dependent in self.dependents(uid)
            for owner in dependent.metadata["ownerReferences"]
        )
        if not blocking:
            rest = [each for each in stored.metadata["finalizers"] if each != finalizer]
            manifest = replaced(stored.manifest, ("metadata", "finalizers"), rest or None)
            self._remove(resource, self._storage.put(resource, manifest, stored), "Background")


_PODS = ("", "pods")
_NAMESPACES = ("", "namespaces")
_DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`metav1.DeleteOptions`. `grace`: seconds, None for the object's own; `uid` and `version` are preconditions."""

    grace: int | None = None
    propagation: str = "Background"
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


def delete_options(body: dict[str, Any], query: dict[str, str]) -> DeleteOptions:
    """The options from the body, or from the query if there is none; 400 and 422 for invalid values."""
    query = {} if body else query
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    if grace is not None:
        try:
            grace = int(grace)
        except (TypeError, ValueError):
            raise bad_request(f"invalid gracePeriodSeconds: {grace}") from None
        if grace < 0:
            grace = 1
    propagation = _propagation(body, query)
    preconditions = body.get("preconditions") or {}
    dry_run = bool(body.get("dryRun")) or query.get("dryRun") == "All"
    return DeleteOptions(grace, propagation, preconditions.get("uid"), preconditions.get("resourceVersion"), dry_run)


def _propagation(body: dict[str, Any], query: dict[str, str]) -> str:
    """The propagation policy; 422 for an unknown one, and for one beside `orphanDependents`."""
    policy, causes = body.get("propagationPolicy") or query.get("propagationPolicy"), []
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    if policy and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(invalid_value("propagationPolicy", f'"{policy}"', detail))
    elif policy not in (None, "", "Background", "Foreground", "Orphan"):
        supported = ("Foreground", "Background", "Orphan", "nil")
        causes.append(unsupported_value("propagationPolicy", f'"{policy}"', supported))
    if causes:
        raise invalid("meta.k8s.io", "DeleteOptions", "", causes)
    return "Orphan" if orphan in (True, "true") else str(policy or "Background")


class Deletion:
    """Deletes objects, at once or when finalizers and grace period no longer hold them."""

    def __init__(self, registry: Registry, storage: Storage, clock: Clock) -> None:
        self._registry = registry
        self._storage = storage
        self._clock = clock
        self.garbage = GarbageCollector(registry, storage, self._collect)
        storage.listen(self._observe)
        self._terminating: set[str] = set()

    def delete(
        self, resource: ResourceType, namespace: str | None, name: str, options: DeleteOptions
    ) -> tuple[StoredObject, bool]:
        """Delete one object. Returns its last content, and whether it is already removed. 404, 409."""
        stored = self._storage.existing(resource, namespace, name)
        self._check_preconditions(resource, stored, options)
        if resource.key == _NAMESPACES:
            self._check_namespace(resource, name)
        finalizers, grace = self._holds(resource, stored, options)
        if not finalizers and not grace and resource.key != _NAMESPACES:
            return (stored if options.dry_run else self._storage.drop(resource, stored)), True
        manifest = self._marked(resource, stored, finalizers, grace)
        if options.dry_run:
            return StoredObject(manifest, stored.version), False
        marked = stored if manifest == stored.manifest else self._storage.put(resource, manifest, stored)
        if FOREGROUND in finalizers:
            self.garbage.foreground(stored.uid)
        if ORPHAN in finalizers:
            self.garbage.orphan(stored.uid)
        if resource.key == _NAMESPACES:
            self._empty(name)
        still = self._storage.get(resource, namespace, name)
        # As upstream, the answer is the object that waits for the garbage collector, which here has already acted.
        return still or marked, still is None and not finalizers

    def _check_preconditions(self, resource: ResourceType, stored: StoredObject, options: DeleteOptions) -> None:
        if options.uid is not None and options.uid != stored.uid:
            why = (
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({stored.uid}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(resource.group, resource.kind, stored.name, why)
        if options.version is not None and options.version != str(stored.version):
            why = (
                f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in "
                f"record ({stored.version}). The object might have been modified"
            )
            raise conflict(resource.group, resource.kind, stored.name, why)

    def _check_namespace(self, resource: ResourceType, name: str) -> None:
        if name in ("default", "kube-system", "kube-public"):
            raise forbidden(resource.group, resource.plural, name, "this namespace may not be deleted")

    def _holds(self, resource: ResourceType, stored: StoredObject, options: DeleteOptions) -> tuple[list[str], int]:
        """The finalizers and the grace period in seconds that delay the removal."""
        finalizers = list(stored.metadata.get("finalizers") or ())
        wanted = _POLICIES.get(options.propagation)
        if wanted and wanted not in finalizers and resource.key != _NAMESPACES:
            finalizers.append(wanted)
        return finalizers, self._grace(resource, stored, options.grace)

    def _grace(self, resource: ResourceType, stored: StoredObject, asked: int | None) -> int:
        """The grace period in seconds. Only pods on a node have one; a second delete can only shorten it."""
        spec = stored.manifest.get("spec") or {}
        ended = lookup(stored.manifest, ("status", "phase")) in ("Succeeded", "Failed")
        if resource.key != _PODS or not spec.get("nodeName") or ended:
            return 0
        own = spec.get("terminationGracePeriodSeconds")
        grace = asked if asked is not None else (_DEFAULT_GRACE if own is None else int(own))
        running = stored.metadata.get("deletionGracePeriodSeconds")
        return grace if running is None else min(grace, int(running))

    def _marked(
        self, resource: ResourceType, stored: StoredObject, finalizers: list[str], grace: int
    ) -> dict[str, Any]:
        """The object in deletion."""
        metadata = dict(stored.metadata)
        if not stored.being_deleted or grace < int(metadata.get("deletionGracePeriodSeconds", 0)):
            metadata["deletionTimestamp"] = rfc3339(self._clock.now() + grace)
            if resource.key != _NAMESPACES:
                metadata["deletionGracePeriodSeconds"] = grace
            if not stored.being_deleted and "generation" in metadata:
                metadata["generation"] += 1
        if finalizers:
            metadata["finalizers"] = finalizers
        manifest = {**stored.manifest, "metadata": metadata}
        if resource.key == _NAMESPACES:
            manifest["status"] = {**(manifest.get("status") or {}), "phase": "Terminating"}
        return manifest

    def remove_if_released(self, resource: ResourceType, stored: StoredObject) -> StoredObject:
        """Remove an object in deletion if no finalizer and no grace period holds it; call after each update."""
        if resource.key == _NAMESPACES:
            self._finish_namespace(stored.name)
            return stored
        if not self.is_released(stored.manifest):
            return stored
        return self._storage.drop(resource, stored)

    @staticmethod
    def is_released(manifest: dict[str, Any]) -> bool:
        """Whether the object is in deletion and no finalizer or grace period holds it."""
        metadata = manifest["metadata"]
        return (
            "deletionTimestamp" in metadata
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
        )

    def _collect(self, resource: ResourceType, stored: StoredObject, propagation: str) -> None:
        """Delete on behalf of the garbage collector."""
        current = self._storage.get(resource, stored.namespace, stored.name)
        if current is None or current.uid != stored.uid:
            return
        if current.being_deleted and self.is_released(current.manifest):
            self._storage.drop(resource, current)
        else:
            self.delete(resource, stored.namespace, stored.name, DeleteOptions(propagation=propagation))

    def _observe(self, resource: ResourceType, change: Change) -> None:
        self.garbage.observe(resource, change)
        if change.type == "DELETED" and change.object.namespace in self._terminating:
            self._finish_namespace(change.object.namespace)

    def _contents(self, namespace: str) -> list[tuple[ResourceType, StoredObject]]:
        return [
            (resource, stored)
            for resource in list(self._registry)
            if resource.namespaced and resource.stored_as is None
            for stored in self._storage.collection(resource).objects(namespace)
        ]

    def _empty(self, namespace: str) -> None:
        self._terminating.add(namespace)
        for resource, stored in self._contents(namespace):
            if not stored.being_deleted:
                self._collect(resource, stored, "Background")
        self._finish_namespace(namespace)

    def _finish_namespace(self, namespace: str) -> None:
        resource = self._registry.get(_NAMESPACES)
        stored = self._storage.get(resource, None, namespace) if resource else None
        if resource is None or stored is None or namespace not in self._terminating:
            return
        if not stored.metadata.get("finalizers") and not self._contents(namespace):
            self._terminating.discard(namespace)
            self._storage.drop(resource, stored)

    def rebuild(self, objects: list[tuple[ResourceType, StoredObject]]) -> None:
        """Rebuild all state from `objects` after a restore."""
        self.garbage.rebuild(objects)
        self._terminating = {
            stored.name for resource, stored in objects if resource.key == _NAMESPACES and stored.being_deleted
        }
