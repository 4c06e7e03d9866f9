"""Helpers of the methods of all resources: keys and operations of inserts, targets of changes, interfaces, labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from dualstack_sim.compute.api.bodies import accept, accept_labels
from dualstack_sim.compute.api.errors import (
    Json,
    OperationFailure,
    already_exists,
    condition_not_met,
    invalid,
    required,
)
from dualstack_sim.compute.api.operations import Effect, Work
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.project.project import Call, Project


class Methods:
    """The methods of one kind of resource. collection: as in its path."""

    collection = ""

    def __init__(self, project: Project) -> None:
        self._project = project

    def _target(self, call: Call) -> tuple[Key, Json]:
        """As `change_target`, of the resource that the path names."""
        return change_target(self._project, Key(self.collection, call.scope, call.name))


class Replaced(Methods):
    """Methods of resources that patch and update write as a whole."""

    def patch(self, call: Call) -> Work:
        """Absent fields stay unchanged."""
        return self._replace(call, "patch", keep=True)

    def update(self, call: Call) -> Work:
        """Absent fields get their defaults."""
        return self._replace(call, "update", keep=False)

    @abstractmethod
    def _replace(self, call: Call, kind: str, *, keep: bool) -> Work:
        """The work of the method `kind`; keep: whether absent fields stay."""


def new_key(project: Project, collection: str, scope: str, body: Json, *fields: str) -> Key:
    """The key of the resource to insert. Raises ApiError for missing `fields`, a bad name or a name that is taken."""
    for field in ("name", *fields):
        if field not in body:
            raise required(f"resource.{field}")
    key = Key(collection, scope, check_name(body["name"]))
    if project.inventory.find(key):
        raise already_exists(project.links.partial(key))
    return key


def insertion(
    project: Project,
    key: Key,
    resource: Json,
    *,
    kind: str = "insert",
    finish: Effect | None = None,
    abandon: Effect | None = None,
    failure: OperationFailure | None = None,
) -> Work:
    """The work of an insert: the resource can be read at once and takes effect when the operation is DONE.

    `finish` and `abandon` replace the default effects, which store and remove the resource.
    """
    inventory = project.inventory
    return Work(
        key,
        resource["id"],
        kind,
        finish or (lambda at: inventory.put(at, key, resource)),
        begin=lambda at: inventory.put(at, key, resource, effective=False),
        abandon=abandon or (lambda at: inventory.put(at, key, None, effective=False)),
        failure=failure,
    )


def change_target(project: Project, key: Key, *, shared: bool = False) -> tuple[Key, Json]:
    """The resource that a request changes, under its name. Raises ApiError 404, or 400 while an operation runs on it.

    A `shared` change is refused only during an operation that locks the whole resource.
    """
    key = project.inventory.canonical(key)
    if shared:
        project.require_unlocked(key)
    else:
        project.require_idle(key)
    return key, project.inventory.get(key)


def interface_of(instance: Json, call: Call) -> Json:
    """The interface that the query parameter `networkInterface` names; 400 if it is missing or unknown."""
    name = call.query.get("networkInterface", "")
    if not name:
        raise required("networkInterface")
    for interface in instance["networkInterfaces"]:
        if interface["name"] == name:
            found: Json = interface
            return found
    raise invalid("networkInterface", name, "The instance has no such network interface.")


def labels_setter(project: Project, collection: str) -> Callable[[Call], Work]:
    """setLabels of disks and addresses (docs/reference/compute-engine.md#metadata-fingerprints).

    Instances have their own, which allows other changes at the same time.
    """
    inventory = project.inventory

    def set_labels(call: Call) -> Work:
        key, resource = change_target(project, Key(collection, call.scope, call.name))
        body = accept(call.body, {"labels": dict, "labelFingerprint": str})
        if body.get("labelFingerprint") != resource["labelFingerprint"]:
            raise condition_not_met("Labels fingerprint either invalid or resource labels have changed")
        change = {
            "labels": accept_labels(body.get("labels", {}), "labels"),
            "labelFingerprint": inventory.fingerprint(key, "labels"),
        }
        return Work(key, resource["id"], "setLabels", lambda at: inventory.put(at, key, inventory.get(key) | change))

    return set_labels
