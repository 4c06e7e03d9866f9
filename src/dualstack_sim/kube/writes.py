"""Create, update and patch: all steps between a request and the stored object."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.chance import Chance
from dualstack_sim.kube.decoding import FieldCheck, WrongType, body_refusal, json_word, patch_refusal
from dualstack_sim.kube.defaults import with_defaults
from dualstack_sim.kube.deletion import Deletion
from dualstack_sim.kube.objects import StoredObject, encoded, in_version, lookup
from dualstack_sim.kube.patches import (
    APPLY_PATCH,
    JSON_PATCH,
    STRATEGIC_PATCH,
    Patch,
    go_map,
    json_patch,
    merge_patch,
    merge_schema,
    patch_types,
    strategic_merge,
)
from dualstack_sim.kube.preparation import (
    AdmissionRegistry,
    check_finalizers,
    decode_body,
    decode_error,
    prepare_for_create,
    prepare_for_update,
)
from dualstack_sim.kube.server_side_apply import Applier, server_side_apply
from dualstack_sim.kube.status import (
    Cause,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    not_found,
    required_value,
    unsupported_patch,
)
from dualstack_sim.kube.storage import Storage
from dualstack_sim.kube.types import Registry, ResourceType
from dualstack_sim.kube.validation import validate

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""The characters of generated names: no vowels, so that names contain no words."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request: a type in one version, and the location of an object or collection."""

    resource: ResourceType
    version: str
    namespace: str | None = None
    name: str = ""
    subresource: str | None = None

    @property
    def api_version(self) -> str:
        return self.resource.api_version(self.version)

    @property
    def location(self) -> tuple[ResourceType, str | None, str]:
        """The location of the object in `Storage`."""
        return self.resource, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`dry_run`: skip the commit. `manager`, `force`: for apply patches. `fields`: what becomes of unknown fields."""

    dry_run: bool = False
    manager: str = ""
    force: bool = False
    fields: FieldCheck = field(default_factory=FieldCheck)


APPLIED = WriteOptions(fields=FieldCheck("Strict"))
"""An applied configuration must fit its type, whatever `fieldValidation` is."""

Refusal = Callable[[str], StatusError]


def _untyped(target: Target, namespace: str, why: str) -> StatusError:
    """500: an applied configuration does not fit its type."""
    faults = re.findall(r'unknown field "([^"]*)"', why)
    found = [f".{path}: field not declared in schema" for path in faults] or [f".{why}"]
    text = found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in found)
    name = f"{namespace}/{target.name}"
    kind = f"{target.resource.group}/{target.version}, Kind={target.resource.kind}"
    return StatusError(500, "", f"failed to create typed patch object ({name}; {kind}): {text}")


class Writer:
    """Writes objects. Each method returns the stored object, or raises StatusError and changes nothing."""

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        deletion: Deletion,
        admission: AdmissionRegistry,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._deletion = deletion
        self._admission = admission
        self._clock = clock
        self._chance = chance
        self.incarnations: dict[str, int] = {}
        """How often each name was used before, and how many names were generated from each prefix."""

    def create(self, target: Target, body: Any, options: WriteOptions = WriteOptions()) -> StoredObject:
        """Create an object; `target.name` is not used. 400, 403, 404, 409, 422."""
        resource = target.resource
        checked = self._decoded(target, body, options, body_refusal(resource.kind, target.version))
        if checked["metadata"].get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        namespace = self._namespace(target, checked)
        name = self._name(resource, namespace, checked)
        if existing := self._storage.get(resource, namespace, name):
            raise already_exists(resource.group, resource.plural, name, being_deleted=existing.being_deleted)
        storage_type = self._storage_type(resource)
        stored_form = in_version(checked, storage_type.api_version())
        uid = self._chance.uid("uid", *self._uid_seed(resource, namespace, name))
        created = rfc3339(self._clock.now())
        manifest = self._decoding(
            target,
            lambda: with_defaults(
                storage_type,
                prepare_for_create(storage_type, stored_form, name=name, namespace=namespace, uid=uid, created=created),
            ),
        )
        manifest = self._admission.admit("CREATE", storage_type, None, manifest)
        self._decoding(target, lambda: validate(storage_type, manifest, None))
        if options.dry_run:
            return StoredObject(manifest, self._storage.version)
        return self._storage.put(storage_type, manifest, None)

    def update(
        self,
        target: Target,
        body: Any,
        options: WriteOptions = WriteOptions(),
        *,
        applied: bool = False,
        refuse: Refusal | None = None,
    ) -> StoredObject:
        """Replace the object, or its status, by `body`. An update that changes nothing keeps the resourceVersion.

        refuse: makes the error for a body that is no object of the type.
        """
        resource = self._storage_type(target.resource)
        old = self._storage.existing(*target.location)
        refuse = refuse or body_refusal(target.resource.kind, target.version)
        checked = self._decoded(target, body, options, refuse)
        self._check_identity(target, old, checked)
        self._check_version(target, old, checked["metadata"].get("resourceVersion"))
        stored_form = in_version(checked, resource.api_version())
        new = self._decoding(
            target,
            lambda: with_defaults(
                resource, prepare_for_update(resource, old.manifest, stored_form, target.subresource, applied=applied)
            ),
        )
        return self.commit(target, old, new, options)

    def commit(self, target: Target, old: StoredObject, new: dict[str, Any], options: WriteOptions) -> StoredObject:
        """Admit, validate and store `new`, the prepared update of `old`."""
        resource = self._storage_type(target.resource)
        if target.subresource is None:
            new = self._admission.admit("UPDATE", resource, old.manifest, new)
        check_finalizers(resource, old.manifest, new)
        if new == old.manifest:
            return old
        self._decoding(target, lambda: validate(resource, new, old.manifest, target.subresource or ""))
        if options.dry_run:
            return StoredObject(new, old.version)
        if self._deletion.is_released(new):
            return self._storage.drop(resource, StoredObject(new, old.version))
        return self._deletion.remove_if_released(resource, self._storage.put(resource, new, old))

    def patch(self, target: Target, patch: Patch, options: WriteOptions = WriteOptions()) -> tuple[StoredObject, bool]:
        """Patch the object or its status. Returns the object, and whether an apply patch created it."""
        if patch.media_type not in patch_types(target.resource):
            raise unsupported_patch(target.resource.custom, patch_types(target.resource))
        if patch.media_type == APPLY_PATCH:
            return self._apply(target, patch.body, options)
        old = self._storage.existing(*target.location)
        current = in_version(old.manifest, target.api_version)
        body = self._decoding(target, lambda: self._patched(target.resource, current, patch))
        if not isinstance(body, dict):
            raise bad_request("the patch makes something of the object that is not an object")
        uid = lookup(body, ("metadata", "uid"), old.uid)
        if isinstance(uid, str) and uid != old.uid:
            cause = invalid_value("metadata.uid", f'"{uid}"', "field is immutable")
            causes = [cause, cause] if target.resource.custom else [cause]  # upstream validates these metadata twice
            raise invalid(target.resource.group, target.resource.kind, target.name, causes)
        patched = encoded(body).decode()
        whole = go_map(patch.body) if patch.media_type == STRATEGIC_PATCH else patched

        def refuse(why: str) -> StatusError:
            return patch_refusal(why, whole if why.startswith("strict decoding error") else patched)

        return self.update(target, body, options, refuse=refuse), False

    def _decoded(self, target: Target, body: Any, options: WriteOptions, refuse: Refusal) -> dict[str, Any]:
        faults: list[str] = []
        try:
            checked = decode_body(target.resource, target.version, body, faults)
        except WrongType as error:
            raise refuse(str(error)) from None
        options.fields.settle(faults, refuse)
        return checked

    @staticmethod
    def _patched(resource: ResourceType, current: dict[str, Any], patch: Patch) -> Any:
        if patch.media_type == JSON_PATCH:
            return json_patch(current, patch.body)
        if patch.media_type == STRATEGIC_PATCH:
            return strategic_merge(current, patch.body, merge_schema(resource))
        if not isinstance(patch.body, dict):
            why = f"json: cannot unmarshal {json_word(patch.body)} into Go value of type map[string]interface {{}}"
            raise bad_request(f"error decoding patch: {why}")
        return merge_patch(current, patch.body)

    def _apply(self, target: Target, config: Any, options: WriteOptions) -> tuple[StoredObject, bool]:
        if not options.manager:
            cause = required_value("fieldManager", "is required for apply patch")
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        self._check_type(target, config)
        given = config.get("metadata")
        namespace = given.get("namespace") if isinstance(given, dict) else None
        checked = self._decoded(target, config, APPLIED, lambda why: _untyped(target, namespace or "", why))
        if checked["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if checked["metadata"].get("name", target.name) != target.name:
            raise self._name_mismatch(checked["metadata"]["name"], target.name)
        by = Applier(options.manager, target.api_version, options.force, rfc3339(self._clock.now()))
        old = self._storage.get(*target.location)
        live = in_version(old.manifest, target.api_version) if old else None
        schema = merge_schema(target.resource)
        merged = self._decoding(target, lambda: server_side_apply(live, checked, schema, by))
        if old is None:
            if target.subresource is not None:
                raise not_found(target.resource.group, target.resource.plural, target.name)
            merged["metadata"] = {**merged["metadata"], "name": target.name}
            return self.create(target, merged, options), True
        return self.update(target, merged, options, applied=True), False

    @staticmethod
    def _check_type(target: Target, config: Any) -> None:
        """400 for an applied configuration without the type of the path."""
        if not isinstance(config, dict):
            why = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array"
            raise bad_request(f"error decoding patch: {why} into Go value of type map[string]interface {{}}")
        api_version, kind = config.get("apiVersion") or "", config.get("kind") or ""
        if (api_version, kind) != (target.api_version, target.resource.kind):
            group, _, version = str(api_version).rpartition("/")
            raise bad_request(f"invalid object type: {group}/{version}, Kind={kind}")

    def count_deletion(self, resource: ResourceType, stored: StoredObject) -> None:
        """Count a deletion, so that the next object with this name gets another uid."""
        key = "/".join((*resource.storage_key, stored.namespace or "", stored.name))
        self.incarnations[key] = self.incarnations.get(key, 0) + 1

    def _uid_seed(self, resource: ResourceType, namespace: str | None, name: str) -> tuple[object, ...]:
        key = "/".join((*resource.storage_key, namespace or "", name))
        return (resource.kind, namespace, name, self.incarnations.get(key, 0))

    def _storage_type(self, resource: ResourceType) -> ResourceType:
        """The type that the objects are stored as."""
        return self._registry.get(resource.storage_key) or resource

    def _decoding(self, target: Target, step: Callable[[], Any]) -> Any:
        """The result of `step`, which reads a client's body; 400 if a field of the body has the wrong type."""
        try:
            return step()
        except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
            raise decode_error(target.resource, target.version, error) from error

    def _namespace(self, target: Target, body: dict[str, Any]) -> str | None:
        """The namespace for a new object; it must exist and not be terminating."""
        if not target.resource.namespaced:
            return None
        given = body["metadata"].get("namespace")
        namespace = target.namespace or given
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        if given and given != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        storage_type = self._registry.get(("", "namespaces"))
        parent = self._storage.get(storage_type, None, namespace) if storage_type else None
        if parent is None:
            raise not_found("", "namespaces", namespace)
        if parent.being_deleted:
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
        key = "/".join((*resource.storage_key, namespace or "", prefix, "*"))
        while True:
            count = self.incarnations.get(key, 0)
            self.incarnations[key] = count + 1
            suffix = self._chance.word(
                5, "name", *resource.storage_key, namespace, prefix, count, alphabet=_NAME_LETTERS
            )
            generated = f"{prefix[:58]}{suffix}"
            if self._storage.get(resource, namespace, generated) is None:
                return generated

    @staticmethod
    def _name_mismatch(given: str, expected: str) -> StatusError:
        return bad_request(f"the name of the object ({given}) does not match the name on the URL ({expected})")

    def _check_identity(self, target: Target, old: StoredObject, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        if metadata.get("name", target.name) != target.name:
            raise self._name_mismatch(metadata["name"], target.name)
        if metadata.get("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if metadata.get("uid", old.uid) != old.uid:
            why = (
                f"StorageError: invalid object, Code: 4, Key: {self._key(target)}, ResourceVersion: 0, "
                "AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {old.uid}"
            )
            raise conflict(target.resource.group, target.resource.plural, target.name, why)

    @staticmethod
    def _key(target: Target) -> str:
        """The key of the object in etcd."""
        group = target.resource.group if target.resource.custom else ""
        return "/".join(("/registry", *filter(None, (group, target.resource.plural, target.namespace, target.name))))

    def _check_version(self, target: Target, old: StoredObject, version: str | None) -> None:
        resource = target.resource
        if version == str(old.version):
            return
        if version:
            raise conflict(resource.group, resource.plural, target.name)
        if not resource.unconditional_update:
            cause = invalid_value("metadata.resourceVersion", "0", "must be specified for an update")
            raise invalid(resource.group, resource.plural, target.name, [cause])
