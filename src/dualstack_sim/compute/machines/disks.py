"""Persistent disks: created, attached and deleted, alone or with their VM (docs/reference/compute-engine.md#disks)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept, accept_labels, accept_list, echoed, one_of
from dualstack_sim.compute.api.errors import (
    ApiError,
    Json,
    OperationFailed,
    OperationFailure,
    already_exists,
    bad_request,
    in_use,
    invalid,
    not_ready,
    required,
)
from dualstack_sim.compute.api.operations import Work, no_effect
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion, new_key
from dualstack_sim.compute.api.shapes import ARCHITECTURES, GUEST_FEATURES
from dualstack_sim.compute.machines.images import image_size
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "zone": str,
    "sizeGb": int, "type": str, "sourceImage": str, "sourceSnapshot": str, "labels": dict, "labelFingerprint": str,
    "users": list, "status": str, "physicalBlockSizeBytes": int, "licenses": [str], "guestOsFeatures": GUEST_FEATURES,
    "provisionedIops": int, "provisionedThroughput": int, "architecture": ARCHITECTURES, "resourcePolicies": [str],
    "params": dict, "accessMode": ("READ_ONLY_MANY", "READ_WRITE_MANY", "READ_WRITE_SINGLE"),
    "diskEncryptionKey": dict, "options": str, "storagePool": str,
}  # fmt: skip
ATTACHED: Schema = {
    "kind": str, "type": str, "mode": str, "source": str, "deviceName": str, "index": int, "boot": bool,
    "autoDelete": bool, "interface": str, "diskSizeGb": int, "initializeParams": dict, "licenses": list,
    "guestOsFeatures": GUEST_FEATURES, "forceAttach": bool, "diskEncryptionKey": dict,
    "shieldedInstanceInitialState": dict, "architecture": str, "savedState": str,
}  # fmt: skip
INITIALIZE: Schema = {
    "diskName": str, "sourceImage": str, "diskSizeGb": int, "diskType": str, "labels": dict, "description": str,
    "sourceSnapshot": str, "sourceImageEncryptionKey": dict, "sourceSnapshotEncryptionKey": dict,
    "resourcePolicies": [str], "onUpdateAction": str, "provisionedIops": int, "provisionedThroughput": int,
    "licenses": [str], "storagePool": str, "architecture": ARCHITECTURES,
    "resourceManagerTags": dict, "replicaZones": list, "enableConfidentialCompute": bool,
}  # fmt: skip
_ECHOED = (
    "description", "accessMode", "architecture", "guestOsFeatures", "licenses", "options", "resourcePolicies",
    "sourceSnapshot", "storagePool",
)  # fmt: skip
_DEFAULT_SIZE = 10
_LARGEST = 65536


class Disks(Methods):
    """disks.insert, delete, resize. `api/reading.py` implements get and list."""

    collection = "disks"

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "disks", call.scope, body)
        origin: Json = dict(body)
        if "type" in body:
            origin["diskType"] = body["type"]
        if call.query.get("sourceImage"):
            origin["sourceImage"] = call.query["sourceImage"]
        resource = _disk(project, key, call.now, origin, body.get("sizeGb"), "resource.sizeGb")
        return insertion(project, key, resource)

    def delete(self, call: Call) -> Work:
        key, resource = self._target(call)
        if resource.get("users") and enforced("disks.in-use"):
            user = resource["users"][0].partition("/compute/v1/")[2]
            raise in_use("disk", self._project.links.partial(key), user)
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def resize(self, call: Call) -> Work:
        """Grow the disk."""
        key, resource = self._target(call)
        body = accept(call.body, {"sizeGb": int})
        wanted = _size(body.get("sizeGb", 0), "sizeGb")
        if wanted <= int(resource["sizeGb"]) and enforced("disks.only-grow"):
            why = f"New disk size '{wanted}' GiB must be larger than existing size '{resource['sizeGb']}' GiB."
            raise invalid("sizeGb", wanted, why)
        inventory = self._project.inventory
        grown = {"sizeGb": str(wanted)}
        return Work(key, resource["id"], "resizeDisk", lambda at: inventory.put(at, key, inventory.get(key) | grown))


class DiskAttachments(Methods):
    """instances.attachDisk and detachDisk: one at a time on one VM.

    Source: docs/reference/compute-engine.md#disk-attachment.
    """

    def attach(self, call: Call) -> Work:
        """Attach an existing disk; the operation fails if a VM already uses it."""
        project = self._project
        key, vm = self._target(call)
        body = accept(call.body, ATTACHED)
        if not body.get("source"):
            raise required("resource.source")
        present: list[Json] = vm.get("disks", [])
        index = max((disk["index"] for disk in present), default=-1) + 1
        plan = DiskPlan()
        try:
            plan_attachment(project, key, plan, {"boot": False, **body}, index, "resource")
        except OperationFailed as failed:
            return Work(key, vm["id"], "attachDisk", no_effect, failure=failed.failure, exclusive=False)
        (attached,) = plan.attached
        if any(disk["deviceName"] == attached["deviceName"] for disk in present):
            why = "The device name is already used by another disk of the instance."
            raise invalid("resource.deviceName", attached["deviceName"], why)

        def finish(at: float) -> None:
            current = project.inventory.get(key)
            project.inventory.put(at, key, current | {"disks": [*current.get("disks", ()), attached]})

        return Work(
            key,
            vm["id"],
            "attachDisk",
            finish,
            begin=lambda at: plan.begin(project, at),
            abandon=lambda at: plan.abandon(project, at),
            exclusive=False,
            also_busy=(_disks_of(key),),
        )

    def detach(self, call: Call) -> Work:
        """Detach a disk without deleting it, even with autoDelete. A boot disk requires a stopped VM."""
        project = self._project
        key, vm = self._target(call)
        name = call.query.get("deviceName", "")
        if not name:
            raise required("deviceName")
        attached = next((disk for disk in vm.get("disks", ()) if disk["deviceName"] == name), None)
        if attached is None:
            raise invalid("disk", name, f"No attached disk found with device name '{name}'.")
        if attached["boot"] and vm["status"] != "TERMINATED":
            raise bad_request("The boot disk of a running instance cannot be detached. The instance must be stopped.")

        def finish(at: float) -> None:
            current = project.inventory.get(key)
            left = [disk for disk in current.get("disks", ()) if disk["deviceName"] != name]
            bare = {field: value for field, value in current.items() if field != "disks"}
            project.inventory.put(at, key, bare | ({"disks": left} if left else {}))
            release_disk(project, at, current, attached)

        return Work(key, vm["id"], "detachDisk", finish, exclusive=False, also_busy=(_disks_of(key),))

    def _target(self, call: Call) -> tuple[Key, Json]:
        key, vm = change_target(self._project, Key("instances", call.scope, call.name), shared=True)
        if self._project.operations.is_busy(_disks_of(key)):
            raise not_ready(self._project.links.partial(key))
        return key, vm


def _disks_of(instance: Key) -> Key:
    """The key that is busy during an operation on the disks of a VM."""
    return Key("attachedDisks", instance.scope, instance.name)


# -- the disks of one VM


@dataclass(slots=True)
class DiskPlan:
    """Planned changes of disks: `attached` are the entries of the VM, `changed` the disks before and after."""

    attached: list[Json] = field(default_factory=list)
    changed: dict[Key, tuple[Json | None, Json]] = field(default_factory=dict)

    def begin(self, project: Project, at: float) -> None:
        for key, (_, after) in self.changed.items():
            project.inventory.put(at, key, after, effective=False)

    def abandon(self, project: Project, at: float) -> None:
        for key, (before, _) in self.changed.items():
            project.inventory.put(at, key, before, effective=False)


def plan_disks(project: Project, instance: Key, now: float, entries: list[Any]) -> DiskPlan:
    """Check and plan the disks of a new VM: created from `initializeParams` or attached by `source`.

    Raises ApiError for bad ones, OperationFailed if a disk is attached to another VM.
    """
    plan = DiskPlan()
    for index, entry in enumerate(accept_list(entries, ATTACHED, "resource.disks")):
        where = f"resource.disks[{index}]"
        if entry.get("type") == "SCRATCH":
            plan.attached.append(_attachment(entry, index, "", 375))
        elif entry.get("source"):
            plan_attachment(project, instance, plan, entry, index, where)
        else:
            _make(project, instance, now, plan, entry, index)
    return plan


def plan_attachment(project: Project, instance: Key, plan: DiskPlan, entry: Json, index: int, where: str) -> None:
    """Plan to attach an existing disk. Raises OperationFailed if another VM uses it."""
    key, disk = project.reference(f"{where}.source", entry["source"], "disks", instance.scope, "disk")
    users = disk.get("users", [])
    if users and entry.get("mode") != "READ_ONLY":
        message = (
            f"The disk resource '{project.links.partial(key)}' is already being used by "
            f"'{users[0].partition('/compute/v1/')[2]}'"
        )
        raise OperationFailed(OperationFailure("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", message))
    plan.changed[key] = disk, disk | {"users": [*users, project.links.full(instance)]}
    plan.attached.append(_attachment(entry, index, disk["selfLink"], int(disk["sizeGb"])))


def _make(project: Project, instance: Key, now: float, plan: DiskPlan, entry: Json, index: int) -> None:
    where = f"resource.disks[{index}].initializeParams"
    origin = accept(entry.get("initializeParams", {}), INITIALIZE, where)
    name = origin.get("diskName") or (instance.name if index == 0 else f"{instance.name}-{index}"[-63:])
    key = Key("disks", instance.scope, check_name(name))
    if project.inventory.find(key) or key in plan.changed:
        raise already_exists(project.links.partial(key))
    size = origin.get("diskSizeGb", entry.get("diskSizeGb"))
    disk = _disk(project, key, now, origin, size, f"{where}.diskSizeGb")
    attached = {"users": [project.links.full(instance)], "lastAttachTimestamp": disk["creationTimestamp"]}
    plan.changed[key] = None, disk | attached
    plan.attached.append(_attachment(entry, index, disk["selfLink"], int(disk["sizeGb"])))


def _attachment(entry: Json, index: int, source: str, size: int) -> Json:
    shown: Json = {
        "kind": "compute#attachedDisk",
        "type": entry.get("type", "PERSISTENT"),
        "mode": one_of(entry.get("mode", "READ_WRITE"), ("READ_WRITE", "READ_ONLY"), f"resource.disks[{index}].mode"),
        "deviceName": entry.get("deviceName") or f"persistent-disk-{index}",
        "index": index,
        "boot": entry.get("boot", index == 0),
        "autoDelete": entry.get("autoDelete", False),
        "interface": entry.get("interface", "SCSI"),
        "diskSizeGb": str(size),
    }
    return shown | ({"source": source} if source else {}) | echoed(entry, ("guestOsFeatures",))


def release_disks(project: Project, at: float, instance: Json) -> None:
    """Delete the autoDelete disks of a deleted VM, and detach the others."""
    for attached in instance.get("disks", ()):
        goes = bool(attached.get("autoDelete")) and enforced("disks.auto-delete")
        release_disk(project, at, instance, attached, goes=goes)


def release_disk(project: Project, at: float, instance: Json, attached: Json, *, goes: bool = False) -> None:
    """Detach a disk from the VM, and delete it if `goes`."""
    key = project.links.read(attached.get("source", ""), "disks", "")
    disk = project.inventory.find(key) if key else None
    if key is not None and disk is not None:
        users = [user for user in disk.get("users", ()) if user != instance["selfLink"]]
        kept = {name: value for name, value in disk.items() if name != "users"}
        project.inventory.put(at, key, None if goes else kept | ({"users": users} if users else {}))


def _disk(project: Project, key: Key, now: float, origin: Json, size: int | None, where: str) -> Json:
    zone = project.links.within(key.scope)
    kind = str(origin.get("diskType", "pd-standard")).rpartition("/")[2]
    resource = project.inventory.identity(key, "disk", now) | {
        "zone": zone,
        "sizeGb": str(_size(_DEFAULT_SIZE if size is None else size, where)),
        "status": "READY",
        "type": f"{zone}/diskTypes/{kind}",
        "labelFingerprint": project.inventory.fingerprint(key, "labels"),
        "physicalBlockSizeBytes": "4096",
    }
    if origin.get("sourceImage"):
        resource["sourceImage"] = _image_link(project, origin["sourceImage"])
        least = image_size(resource["sourceImage"])
        if int(resource["sizeGb"]) < least and enforced("disks.image-fits"):
            raise invalid(where, size, f"Requested disk size cannot be smaller than the image size ({least} GB)")
    if origin.get("labels"):
        resource["labels"] = accept_labels(origin["labels"], "resource.labels")
    provisioned = echoed(origin, ("provisionedIops", "provisionedThroughput"))
    resource |= {name: str(number) for name, number in provisioned.items()}  # 64-bit numbers are strings
    return resource | echoed(origin, _ECHOED)


def _image_link(project: Project, text: str) -> str:
    """The full URL of an image, which need not exist."""
    if text.startswith("http"):
        return text
    prefix = project.links.endpoint
    return f"{prefix}/{text}" if text.startswith("projects/") else project.links.within(text)


def _size(size: int, where: str) -> int:
    if not 1 <= size <= _LARGEST:
        raise ApiError(
            400, "invalid", f"Invalid value for field '{where}': '{size}'. Must be between 1 and {_LARGEST}."
        )
    return size
