"""Create, update and patch, with every rule between the request and the stored object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.chance import Chance
from dualstack_sim.kube.admission import AdmissionRegistry
from dualstack_sim.kube.defaults import defaulted
from dualstack_sim.kube.deletion import Deletion
from dualstack_sim.kube.kubectl.apply import Applier, server_side_apply
from dualstack_sim.kube.lifecycle import check_finalizers, checked_body, misfit, newborn, successor
from dualstack_sim.kube.merge_schema import merge_schema
from dualstack_sim.kube.patch import json_patch, merge_patch
from dualstack_sim.kube.records import Record, in_version
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.status import (
    Cause,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal,
    invalid,
    invalid_value,
    not_found,
    required_value,
    unsupported_media_type,
)
from dualstack_sim.kube.strategic import strategic_merge
from dualstack_sim.kube.types import Registry, ResourceType
from dualstack_sim.kube.validation import validate

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of generated names: no vowels, so that no words come out."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about: a type in one version, and a place."""

    resource: ResourceType
    version: str
    namespace: str | None = None
    name: str = ""
    subresource: str | None = None

    @property
    def api_version(self) -> str:
        return self.resource.api_version(self.version)

    @property
    def place(self) -> tuple[ResourceType, str | None, str]:
        """Where the object is among all `Shelves`."""
        return self.resource, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`dry_run`: everything but the commit. `manager`, `force`: for apply patches."""

    dry_run: bool = False
    manager: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch body and its media type."""

    media_type: str
    body: Any


def patch_types(resource: ResourceType) -> tuple[str, ...]:
    """The patches a type accepts; strategic merge needs the merge keys that only built-in types have."""
    if resource.custom:
        return (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


class Writer:
    """Writes objects. Each method returns the stored record, or raises a StatusError and changes nothing."""

    def __init__(
        self,
        registry: Registry,
        shelves: Shelves,
        deletion: Deletion,
        admission: AdmissionRegistry,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._registry = registry
        self._shelves = shelves
        self._deletion = deletion
        self._admission = admission
        self._clock = clock
        self._chance = chance
        self.incarnations: dict[str, int] = {}
        """How often a name was in use before, and how many names were generated from a prefix."""

    def create(self, target: Target, body: Any, options: WriteOptions = WriteOptions()) -> Record:
        """Create an object; `target.name` is not used. 400, 403, 404, 409, 422."""
        resource = target.resource
        checked = checked_body(resource, target.version, body)
        if checked["metadata"].get("resourceVersion"):
            raise internal("resourceVersion should not be set on objects to be created")
        namespace = self._namespace(target, checked)
        name = self._name(resource, namespace, checked)
        if self._shelves.get(resource, namespace, name) is not None:
            raise already_exists(resource.group, resource.plural, name)
        home = self._home(resource)
        stored_form = in_version(checked, home.api_version())
        uid = self._chance.uid("uid", *self._life(resource, namespace, name))
        created = rfc3339(self._clock.now())
        manifest = self._shaped(
            target,
            lambda: defaulted(
                home, newborn(home, stored_form, name=name, namespace=namespace, uid=uid, created=created)
            ),
        )
        manifest = self._admission.admit("CREATE", home, None, manifest)
        self._shaped(target, lambda: validate(home, manifest, None))
        if options.dry_run:
            return Record(manifest, self._shelves.version)
        return self._shelves.put(home, manifest, None)

    def update(
        self, target: Target, body: Any, options: WriteOptions = WriteOptions(), *, applied: bool = False
    ) -> Record:
        """Replace the object, or its status, by `body`. An update that changes nothing keeps the resourceVersion."""
        resource = self._home(target.resource)
        old = self._shelves.existing(*target.place)
        checked = checked_body(target.resource, target.version, body)
        self._check_identity(target, old, checked)
        self._check_version(target, old, checked["metadata"].get("resourceVersion"))
        stored_form = in_version(checked, resource.api_version())
        new = self._shaped(
            target,
            lambda: defaulted(
                resource, successor(resource, old.manifest, stored_form, target.subresource, applied=applied)
            ),
        )
        return self.commit(target, old, new, options)

    def commit(self, target: Target, old: Record, new: dict[str, Any], options: WriteOptions) -> Record:
        """Admit, validate and store `new`, the prepared successor of `old`."""
        resource = self._home(target.resource)
        if target.subresource is None:
            new = self._admission.admit("UPDATE", resource, old.manifest, new)
        check_finalizers(resource, old.manifest, new)
        if new == old.manifest:
            return old
        self._shaped(target, lambda: validate(resource, new, old.manifest))
        if options.dry_run:
            return Record(new, old.version)
        if self._deletion.releasable(new):
            return self._shelves.drop(resource, Record(new, old.version))
        return self._deletion.settle(resource, self._shelves.put(resource, new, old))

    def patch(self, target: Target, patch: Patch, options: WriteOptions = WriteOptions()) -> tuple[Record, bool]:
        """Patch the object or its status. Returns the record, and whether an apply patch created it."""
        if patch.media_type not in patch_types(target.resource):
            raise unsupported_media_type(patch_types(target.resource))
        if patch.media_type == APPLY_PATCH:
            return self._apply(target, patch.body, options)
        old = self._shelves.existing(*target.place)
        current = in_version(old.manifest, target.api_version)
        body = self._shaped(target, lambda: self._patched(target.resource, current, patch))
        if not isinstance(body, dict):
            raise bad_request("the patch makes something of the object that is not an object")
        return self.update(target, body, options), False

    @staticmethod
    def _patched(resource: ResourceType, current: dict[str, Any], patch: Patch) -> Any:
        if patch.media_type == JSON_PATCH:
            return json_patch(current, patch.body)
        if not isinstance(patch.body, dict):
            raise bad_request("a merge patch must be a JSON object")
        if patch.media_type == MERGE_PATCH:
            return merge_patch(current, patch.body)
        return strategic_merge(current, patch.body, merge_schema(resource))

    def _apply(self, target: Target, config: Any, options: WriteOptions) -> tuple[Record, bool]:
        if not options.manager:
            cause = required_value("fieldManager", "is required for apply patch")
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        checked = checked_body(target.resource, target.version, config)
        if checked["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if checked["metadata"].get("name", target.name) != target.name:
            raise self._name_mismatch(checked["metadata"]["name"], target.name)
        by = Applier(options.manager, target.api_version, options.force, rfc3339(self._clock.now()))
        old = self._shelves.get(*target.place)
        live = in_version(old.manifest, target.api_version) if old else None
        schema = merge_schema(target.resource)
        merged = self._shaped(target, lambda: server_side_apply(live, checked, schema, by))
        if old is None:
            if target.subresource is not None:
                raise not_found(target.resource.group, target.resource.plural, target.name)
            merged["metadata"] = {**merged["metadata"], "name": target.name}
            return self.create(target, merged, options), True
        return self.update(target, merged, options, applied=True), False

    def record_life(self, resource: ResourceType, record: Record) -> None:
        """Note that the object is gone, so that the next one of that name gets another uid."""
        key = "/".join((*resource.storage, record.namespace or "", record.name))
        self.incarnations[key] = self.incarnations.get(key, 0) + 1

    def _life(self, resource: ResourceType, namespace: str | None, name: str) -> tuple[object, ...]:
        key = "/".join((*resource.storage, namespace or "", name))
        return (resource.kind, namespace, name, self.incarnations.get(key, 0))

    def _home(self, resource: ResourceType) -> ResourceType:
        """The type under whose rules the objects are stored."""
        return self._registry.get(resource.storage) or resource

    def _shaped(self, target: Target, step: Callable[[], Any]) -> Any:
        """The result of `step`, which reads a client's body; a body of the wrong shape is a 400."""
        try:
            return step()
        except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
            raise misfit(target.resource, target.version, error) from error

    def _namespace(self, target: Target, body: dict[str, Any]) -> str | None:
        """The namespace in which to create; it must exist and not be on its way out."""
        if not target.resource.namespaced:
            return None
        given = body["metadata"].get("namespace")
        namespace = target.namespace or given
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        if given and given != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        home = self._registry.get(("", "namespaces"))
        space = self._shelves.get(home, None, namespace) if home else None
        if space is None:
            raise not_found("", "namespaces", namespace)
        if space.being_deleted:
            error = forbidden(
                target.resource.group,
                target.resource.plural,
                body["metadata"].get("name") or "",
                f"unable to create new content in namespace {namespace} because it is being terminated",
            )
            cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
            error.details = {**(error.details or {}), "causes": [cause.document()]}
            raise error
        return str(namespace)

    def _name(self, resource: ResourceType, namespace: str | None, body: dict[str, Any]) -> str:
        metadata = body["metadata"]
        if name := metadata.get("name"):
            return str(name)
        prefix = metadata.get("generateName")
        if not prefix:
            raise invalid(
                resource.group, resource.kind, "", [required_value("metadata.name", "name or generateName is required")]
            )
        key = "/".join((*resource.storage, namespace or "", prefix, "*"))
        while True:
            count = self.incarnations.get(key, 0)
            self.incarnations[key] = count + 1
            suffix = self._chance.word(5, "name", *resource.storage, namespace, prefix, count, alphabet=_NAME_LETTERS)
            generated = f"{prefix[:58]}{suffix}"
            if self._shelves.get(resource, namespace, generated) is None:
                return generated

    @staticmethod
    def _name_mismatch(given: str, expected: str) -> StatusError:
        return bad_request(f"the name of the object ({given}) does not match the name on the URL ({expected})")

    def _check_identity(self, target: Target, old: Record, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        if metadata.get("name", target.name) != target.name:
            raise self._name_mismatch(metadata["name"], target.name)
        if metadata.get("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if metadata.get("uid", old.uid) != old.uid:
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {old.uid}"
            raise conflict(target.resource.group, target.resource.plural, target.name, why)

    def _check_version(self, target: Target, old: Record, version: str | None) -> None:
        resource = target.resource
        if version == str(old.version):
            return
        if version:
            raise conflict(resource.group, resource.plural, target.name)
        if not resource.unconditional_update:
            cause = invalid_value("metadata.resourceVersion", "0x0", "must be specified for an update")
            raise invalid(resource.group, resource.kind, target.name, [cause])
