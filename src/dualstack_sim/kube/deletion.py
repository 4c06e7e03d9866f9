"""Deletion: grace periods, finalizers, propagation, and namespaces that take their content with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.kube.garbage import FOREGROUND, GarbageCollector
from dualstack_sim.kube.history import Change
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.status import bad_request, conflict, forbidden
from dualstack_sim.kube.trees import lookup
from dualstack_sim.kube.types import Registry, ResourceType

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
    """The options from body and query; 400 for values that make no sense."""
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    if grace is not None:
        try:
            grace = int(grace)
        except (TypeError, ValueError):
            raise bad_request(f"invalid gracePeriodSeconds: {grace}") from None
        if grace < 0:
            raise bad_request(f"invalid gracePeriodSeconds: {grace}: must be greater than or equal to 0")
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
    if body.get("orphanDependents") or query.get("orphanDependents") == "true":
        propagation = "Orphan"
    if propagation not in ("Background", "Foreground", "Orphan"):
        raise bad_request(f"invalid propagationPolicy: {propagation}")
    preconditions = body.get("preconditions") or {}
    dry_run = bool(body.get("dryRun")) or query.get("dryRun") == "All"
    return DeleteOptions(grace, propagation, preconditions.get("uid"), preconditions.get("resourceVersion"), dry_run)


class Deletion:
    """Removes objects, at once or when everything that holds them has let go."""

    def __init__(self, registry: Registry, shelves: Shelves, clock: Clock) -> None:
        self._registry = registry
        self._shelves = shelves
        self._clock = clock
        self.garbage = GarbageCollector(registry, shelves, self._collect)
        shelves.listen(self._observe)
        self._terminating: set[str] = set()

    def delete(
        self, resource: ResourceType, namespace: str | None, name: str, options: DeleteOptions
    ) -> tuple[Record, bool]:
        """Delete one object. Returns its last content, and whether it is gone. 404, 409."""
        record = self._shelves.existing(resource, namespace, name)
        self._check_preconditions(resource, record, options)
        if resource.key == _NAMESPACES:
            self._check_namespace(resource, name)
        if options.dry_run:
            return record, not self._holders(resource, record, options)[0]
        if options.propagation == "Orphan":
            self.garbage.orphan(record.uid)
        finalizers, grace = self._holders(resource, record, options)
        if not finalizers and not grace and resource.key != _NAMESPACES:
            return self._shelves.drop(resource, record), True
        marked = self._mark(resource, record, finalizers, grace)
        if FOREGROUND in finalizers:
            self.garbage.foreground(record.uid)
        if resource.key == _NAMESPACES:
            self._empty(name)
        still = self._shelves.get(resource, namespace, name)
        return still or marked, still is None

    def _check_preconditions(self, resource: ResourceType, record: Record, options: DeleteOptions) -> None:
        if options.uid is not None and options.uid != record.uid:
            why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {record.uid}"
            raise conflict(resource.group, resource.plural, record.name, why)
        if options.version is not None and options.version != str(record.version):
            why = (
                f"Precondition failed: ResourceVersion in precondition: {options.version}, "
                f"ResourceVersion in object meta: {record.version}"
            )
            raise conflict(resource.group, resource.plural, record.name, why)

    def _check_namespace(self, resource: ResourceType, name: str) -> None:
        if name in ("default", "kube-system", "kube-public"):
            raise forbidden(resource.group, resource.plural, name, "this namespace may not be deleted")

    def _holders(self, resource: ResourceType, record: Record, options: DeleteOptions) -> tuple[list[str], int]:
        """The finalizers and the seconds of grace that keep the object for now."""
        finalizers = list(record.metadata.get("finalizers") or ())
        if options.propagation == "Foreground" and FOREGROUND not in finalizers and self.garbage.dependents(record.uid):
            finalizers.append(FOREGROUND)
        return finalizers, self._grace(resource, record, options.grace)

    def _grace(self, resource: ResourceType, record: Record, asked: int | None) -> int:
        """Only pods on a node have grace: their kubelet ends it. A second deletion can only shorten it."""
        spec = record.manifest.get("spec") or {}
        ended = lookup(record.manifest, ("status", "phase")) in ("Succeeded", "Failed")
        if resource.key != _PODS or not spec.get("nodeName") or ended:
            return 0
        own = spec.get("terminationGracePeriodSeconds")
        grace = asked if asked is not None else (_DEFAULT_GRACE if own is None else int(own))
        running = record.metadata.get("deletionGracePeriodSeconds")
        return grace if running is None else min(grace, int(running))

    def _mark(self, resource: ResourceType, record: Record, finalizers: list[str], grace: int) -> Record:
        metadata = dict(record.metadata)
        if not record.being_deleted or grace < int(metadata.get("deletionGracePeriodSeconds", 0)):
            metadata["deletionTimestamp"] = rfc3339(self._clock.now() + grace)
            metadata["deletionGracePeriodSeconds"] = grace
            if not record.being_deleted and "generation" in metadata:
                metadata["generation"] += 1
        if finalizers:
            metadata["finalizers"] = finalizers
        manifest = {**record.manifest, "metadata": metadata}
        if resource.key == _NAMESPACES:
            manifest["status"] = {**(manifest.get("status") or {}), "phase": "Terminating"}
        return record if manifest == record.manifest else self._shelves.put(resource, manifest, record)

    def settle(self, resource: ResourceType, record: Record) -> Record:
        """Remove an object under deletion as soon as no finalizer and no grace keeps it; call after each update."""
        if resource.key == _NAMESPACES:
            self._finish_namespace(record.name)
            return record
        if not self.releasable(record.manifest):
            return record
        return self._shelves.drop(resource, record)

    @staticmethod
    def releasable(manifest: dict[str, Any]) -> bool:
        """Whether the object is under deletion and nothing holds it."""
        metadata = manifest["metadata"]
        return (
            "deletionTimestamp" in metadata
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
        )

    def _collect(self, resource: ResourceType, record: Record, propagation: str) -> None:
        """The garbage collector's way to delete."""
        current = self._shelves.get(resource, record.namespace, record.name)
        if current is None or current.uid != record.uid:
            return
        if current.being_deleted and self.releasable(current.manifest):
            self._shelves.drop(resource, current)
        else:
            self.delete(resource, record.namespace, record.name, DeleteOptions(propagation=propagation))

    def _observe(self, resource: ResourceType, change: Change) -> None:
        self.garbage.observe(resource, change)
        if change.type == "DELETED" and change.record.namespace in self._terminating:
            self._finish_namespace(change.record.namespace)

    def _contents(self, namespace: str) -> list[tuple[ResourceType, Record]]:
        return [
            (resource, record)
            for resource in list(self._registry)
            if resource.namespaced and resource.stored_as is None
            for record in self._shelves.shelf(resource).records(namespace)
        ]

    def _empty(self, namespace: str) -> None:
        self._terminating.add(namespace)
        for resource, record in self._contents(namespace):
            if not record.being_deleted:
                self._collect(resource, record, "Background")
        self._finish_namespace(namespace)

    def _finish_namespace(self, namespace: str) -> None:
        resource = self._registry.get(_NAMESPACES)
        record = self._shelves.get(resource, None, namespace) if resource else None
        if resource is None or record is None or namespace not in self._terminating:
            return
        if not record.metadata.get("finalizers") and not self._contents(namespace):
            self._terminating.discard(namespace)
            self._shelves.drop(resource, record)

    def rebuild(self, records: list[tuple[ResourceType, Record]]) -> None:
        """Start over from `records` after a restore."""
        self.garbage.rebuild(records)
        self._terminating = {
            record.name for resource, record in records if resource.key == _NAMESPACES and record.being_deleted
        }
