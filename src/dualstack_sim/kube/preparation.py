"""What the server does to a request body before validation: decoding, metadata, status, generation, admission."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.decoding import known_type, read, read_metadata
from dualstack_sim.kube.objects import copied, lookup
from dualstack_sim.kube.status import StatusError, bad_request, forbidden_value, invalid, invalid_value
from dualstack_sim.kube.types import ResourceType

Operation = Literal["CREATE", "UPDATE"]


class Admission(Protocol):
    """Called on every create and on every update of the main resource (not of `status` or `scale`)."""

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """The object to store: `new`, modified in place or not. Raises `StatusError` to reject. `old` is a copy."""
        ...


class AdmissionRegistry:
    """Admission hooks of each resource type, called in registration order."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, str], list[Admission]] = {}

    def register(self, group: str, plural: str, hook: Admission) -> None:
        self._hooks.setdefault((group, plural), []).append(hook)

    def admit(
        self, operation: Operation, resource: ResourceType, old: Manifest | None, new: dict[str, Any]
    ) -> dict[str, Any]:
        """`new` after all hooks."""
        hooks = self._hooks.get(resource.key)
        if not hooks:
            return new
        kind = resource.as_kind()
        # Hooks may modify their arguments, and stored objects share branches: pass private copies.
        new = copied(new)
        for hook in hooks:
            new = hook(operation, kind, copied(old) if old is not None else None, new)
        return new


Tree = dict[str, Any]

_CLIENT_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""The metadata fields that a client may change."""


def decode_body(resource: ResourceType, version: str, body: Any, faults: list[str]) -> Tree:
    """`body` as an object of `resource`, with apiVersion and kind filled in; 400 if it is not one.

    `faults` gets the unknown fields, which the result does not have. Raises WrongType.
    """
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is not a JSON object but a {type(body).__name__}")
    expected = resource.api_version(version)
    for field, value in (("apiVersion", expected), ("kind", resource.kind)):
        if body.get(field) not in (None, value):
            raise _wrong_type(resource, version, body, field, value)
    layout = None if resource.custom else known_type(expected, resource.kind)
    tidy = _custom(resource, version, body, faults) if layout is None else read(layout, body, faults)
    rest = {key: value for key, value in tidy.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": expected, "kind": resource.kind, "metadata": tidy.get("metadata") or {}, **rest}


def _wrong_type(resource: ResourceType, version: str, body: Tree, field: str, expected: str) -> StatusError:
    """400 for an object of another built-in type, 422 for one of another custom type."""
    api_version, kind = (str(body.get(name) or "") for name in ("apiVersion", "kind"))
    kind = kind or resource.kind
    if resource.custom:
        cause = invalid_value(field, f'"{body[field]}"', f"must be {expected}")
        return invalid(resource.group, kind, lookup(body, ("metadata", "name"), ""), [cause])
    given = (api_version or resource.api_version(version)).rpartition("/")[2]
    why = f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'
    if known_type(api_version, kind) is not None:
        internal = resource.group.partition(".")[0] or "core"
        why = f"converting ({given}.{kind}) to ({internal}.{resource.kind}): unknown conversion"
    return bad_request(f'{kind} in version "{given}" cannot be handled as a {resource.kind}: {why}')


def _custom(resource: ResourceType, version: str, body: Tree, faults: list[str]) -> Tree:
    metadata = body.get("metadata")
    checked = read_metadata({} if metadata is None else metadata, faults)
    structure = resource.structures.get(version)
    if structure is not None:
        body = structure.with_defaults(structure.pruned(body, faults))
    return {**body, "metadata": checked}


def _decode_message(resource: ResourceType, version: str, why: str) -> str:
    return f'{resource.kind} in version "{version}" cannot be handled as a {resource.kind}: {why}'


def decode_error(resource: ResourceType, version: str, error: Exception) -> StatusError:
    """400: a field of the body has the wrong type, which raised `error`."""
    return bad_request(_decode_message(resource, version, str(error)))


def _client_metadata(metadata: Tree) -> Tree:
    return {field: metadata[field] for field in _CLIENT_METADATA if metadata.get(field)}


def initial_status(resource: ResourceType, body: Tree) -> Tree | None:
    """The status of a new object, which ignores the request in most types; None for no status."""
    if resource.keeps_status_on_create or not resource.has_status:
        return body.get("status")
    if resource.key == ("", "pods"):
        return {"phase": "Pending", "qosClass": _qos_class(body.get("spec") or {})}
    return None if resource.custom else {}


def _qos_class(spec: Tree) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    guaranteed = all(
        (each.get("limits") or {}).keys() >= {"cpu", "memory"}
        and (each.get("requests") or each["limits"]) == each["limits"]
        for each in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def prepare_for_create(
    resource: ResourceType, body: Tree, *, name: str, namespace: str | None, uid: str, created: str
) -> Tree:
    """`body` as a new object: sets the server's metadata, drops other metadata, resets the status."""
    given = body["metadata"]
    metadata: Tree = {"name": name}
    if given.get("generateName"):
        metadata["generateName"] = given["generateName"]
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata.update(uid=uid, creationTimestamp=created, **_client_metadata(given))
    if resource.generation != "none":
        metadata["generation"] = 1
    if given.get("managedFields"):
        metadata["managedFields"] = given["managedFields"]
    status = initial_status(resource, body)
    rest = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    manifest = {**rest, "metadata": metadata}
    return manifest if status is None else {**manifest, "status": status}


def prepare_for_update(
    resource: ResourceType, old: Tree, body: Tree, subresource: str | None, *, applied: bool = False
) -> Tree:
    """`body` as an update of `old`: fields that this request may not change keep the value of `old`."""
    metadata = _next_metadata(old["metadata"], body["metadata"], applied=applied)
    if subresource == "status":
        new = {**{key: value for key, value in old.items() if key != "status"}, "metadata": old["metadata"]}
        if resource.status_carries_metadata:
            new["metadata"] = metadata
        return {**new, "status": body["status"]} if body.get("status") is not None else new
    new = {**body, "metadata": metadata}
    if resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return _with_generation(resource, old, new)


def _next_metadata(old: Tree, given: Tree, *, applied: bool) -> Tree:
    fixed = {field: value for field, value in old.items() if field not in (*_CLIENT_METADATA, "managedFields")}
    metadata = {**fixed, **_client_metadata(given)}
    managed = given.get("managedFields") if applied or given.get("managedFields") == [] else old.get("managedFields")
    return {**metadata, "managedFields": managed} if managed else metadata


def _with_generation(resource: ResourceType, old: Tree, new: Tree) -> Tree:
    if resource.generation == "none" or not _increments_generation(resource, old, new):
        return new
    generation = old["metadata"].get("generation", 0) + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def _increments_generation(resource: ResourceType, old: Tree, new: Tree) -> bool:
    """Whether the change increments `metadata.generation`."""
    if resource.generation == "all-but-status":
        ignored = ("metadata", "status", "apiVersion") if resource.has_status else ("metadata", "apiVersion")
        keys = (old.keys() | new.keys()).difference(ignored)
        return any(old.get(key) != new.get(key) for key in keys)
    if old.get("spec") != new.get("spec"):
        return True
    # Deployments count annotations too, because of the former rollback annotation.
    return resource.generation == "spec-and-annotations" and old["metadata"].get("annotations") != new["metadata"].get(
        "annotations"
    )


def check_finalizers(resource: ResourceType, old: Tree, new: Tree) -> None:
    """422 if a finalizer is added to an object that is being deleted."""
    if "deletionTimestamp" not in old["metadata"]:
        return
    before = old["metadata"].get("finalizers") or ()
    added = [each for each in new["metadata"].get("finalizers") or () if each not in before]
    if added:
        shown = "[]string{" + ", ".join(f'"{each}"' for each in added) + "}"
        detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
        raise invalid(
            resource.group, resource.kind, old["metadata"]["name"], [forbidden_value("metadata.finalizers", detail)]
        )
