"""VM instances: lifecycle, tags, labels, metadata (docs/reference/compute-engine.md#instance-lifecycle).

Interfaces are in `interfaces.py`, other changes in `instance_updates.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from dualstack_sim.compute.api.bodies import Schema, accept, accept_labels, accept_strings, echoed
from dualstack_sim.compute.api.errors import (
    ApiError,
    Json,
    OperationFailed,
    already_exists,
    condition_not_met,
    invalid,
    required,
)
from dualstack_sim.compute.api.operations import Effect, Work, no_effect
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.api.resource_changes import Methods, change_target
from dualstack_sim.compute.api.shapes import (
    ACCELERATORS,
    DISPLAY,
    IDENTITY,
    PARAMETERS,
    RESERVATION,
    SCHEDULING,
    SERVICE_ACCOUNTS,
    SHIELDED,
)
from dualstack_sim.compute.machines.accelerators import check_quota, checked_accelerators, checked_scheduling
from dualstack_sim.compute.machines.access_configs import assign_ephemeral, release_ephemeral
from dualstack_sim.compute.machines.allocation_transaction import AllocationTransaction, release_interface
from dualstack_sim.compute.machines.disks import DiskPlan, plan_disks, release_disks
from dualstack_sim.compute.machines.interfaces import build_interface
from dualstack_sim.compute.machines.serial_ports import forget_output
from dualstack_sim.compute.project.allocation_quotas import check_interfaces
from dualstack_sim.compute.project.inventory import timestamp
from dualstack_sim.compute.project.metadata import checked_items
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "tags": dict,
    "machineType": str, "status": str, "statusMessage": str, "zone": str, "canIpForward": bool,
    "networkInterfaces": list, "disks": list, "metadata": dict, "serviceAccounts": SERVICE_ACCOUNTS,
    "scheduling": SCHEDULING,
    "cpuPlatform": str, "labels": dict, "labelFingerprint": str, "minCpuPlatform": str,
    "guestAccelerators": ACCELERATORS,
    "startRestricted": bool, "deletionProtection": bool, "hostname": str, "shieldedInstanceConfig": SHIELDED,
    "shieldedInstanceIntegrityPolicy": {"updateAutoLearnPolicy": bool}, "advancedMachineFeatures": dict,
    "reservationAffinity": RESERVATION,
    "confidentialInstanceConfig": dict, "displayDevice": DISPLAY, "fingerprint": str,
    "privateIpv6GoogleAccess": (
        "ENABLE_BIDIRECTIONAL_ACCESS_TO_GOOGLE", "ENABLE_OUTBOUND_VM_ACCESS_TO_GOOGLE", "INHERIT_FROM_SUBNETWORK",
    ),
    "lastStartTimestamp": str, "lastStopTimestamp": str, "lastSuspendedTimestamp": str, "resourcePolicies": [str],
    "resourceStatus": dict, "satisfiesPzs": bool, "satisfiesPzi": bool, "instanceEncryptionKey": dict,
    "keyRevocationActionType": str, "networkPerformanceConfig": dict, "params": PARAMETERS, "sourceMachineImage": str,
    "sourceMachineImageEncryptionKey": dict, "workloadIdentityConfig": IDENTITY,
    "localSsdEncryptionMode": (
        "EPHEMERAL_KEY_ENCRYPTION", "LOCAL_SSD_ENCRYPTION_MODE_UNSPECIFIED", "STANDARD_ENCRYPTION",
    ),
}  # fmt: skip
ECHOED = (
    "description", "serviceAccounts", "minCpuPlatform", "hostname",
    "shieldedInstanceConfig", "advancedMachineFeatures", "reservationAffinity", "confidentialInstanceConfig",
    "displayDevice", "resourcePolicies", "networkPerformanceConfig", "keyRevocationActionType",
    "localSsdEncryptionMode", "privateIpv6GoogleAccess", "shieldedInstanceIntegrityPolicy", "sourceMachineImage",
    "workloadIdentityConfig",
)  # fmt: skip
"""Stored and shown unchanged."""
_STAGING = 0.4
"""The fraction of a start after which a VM changes from PROVISIONING to STAGING."""


class Instances(Methods):
    """instances.insert, delete, start, stop, setTags, setLabels, setMetadata."""

    # -- insert

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        for field in ("name", "machineType"):
            if not body.get(field):
                raise required(f"resource.{field}")
        key = Key("instances", call.scope, check_name(body["name"]))
        if project.inventory.find(key) and enforced("instances.name-taken"):
            raise already_exists(project.links.partial(key))
        machine = machine_type(project, call.scope, body["machineType"])
        entries = body.get("networkInterfaces")
        if not entries:
            raise invalid("resource.networkInterfaces", "", "At least one network interface is required.")
        resource = self._described(call, key, machine, body)
        transaction = AllocationTransaction(project, project.links.partial(key))
        try:
            disks = plan_disks(project, key, call.now, body.get("disks", []))
            interfaces = [
                build_interface(project, key, index, entry, transaction) for index, entry in enumerate(entries)
            ]
            check_interfaces(project, interfaces)
            check_quota(project, call.scope, resource.get("guestAccelerators", []))
        except OperationFailed as failed:
            transaction.roll_back()
            return Work(key, resource["id"], "insert", no_effect, failure=failed.failure)
        except ApiError:
            transaction.roll_back()
            raise
        resource["networkInterfaces"] = interfaces
        if disks.attached:
            resource["disks"] = disks.attached
        return self._insertion(key, resource, transaction, disks)

    def _insertion(self, key: Key, resource: Json, transaction: AllocationTransaction, disks: DiskPlan) -> Work:
        project = self._project

        def begin(at: float) -> None:
            disks.begin(project, at)
            project.inventory.put(at, key, resource)

        def abandon(at: float) -> None:
            transaction.roll_back()
            disks.abandon(project, at)
            project.inventory.put(at, key, None)

        def staging(at: float) -> None:
            self._set(at, key, {"status": "STAGING"})

        return Work(
            key,
            resource["id"],
            "insert",
            lambda at: self._set(at, key, {"status": "RUNNING", "lastStartTimestamp": timestamp(at)}),
            begin=begin,
            stages=((_STAGING, staging),) if enforced("instances.staging") else (),
            abandon=abandon,
        )

    def _described(self, call: Call, key: Key, machine: str, body: Json) -> Json:
        inventory = self._project.inventory
        entries = body.get("guestAccelerators", [])
        accelerators = checked_accelerators(self._project, call.scope, machine.rpartition("/")[2], entries)
        resource = inventory.identity(key, "instance", call.now) | {
            "status": "PROVISIONING",
            "zone": self._project.links.within(call.scope),
            "machineType": machine,
            "canIpForward": body.get("canIpForward", False),
            "cpuPlatform": "Intel Broadwell",
            "tags": self._tags(key, body.get("tags", {})),
            "metadata": self._metadata(key, body.get("metadata", {})),
            "labelFingerprint": inventory.fingerprint(key, "labels"),
            "fingerprint": inventory.fingerprint(key),
            "scheduling": checked_scheduling(body, accelerators),
            "startRestricted": False,
            "deletionProtection": body.get("deletionProtection", False),
        }
        if accelerators:
            resource["guestAccelerators"] = accelerators
        if body.get("labels"):
            resource["labels"] = accept_labels(body["labels"], "resource.labels")
        if "items" not in resource["tags"] and not enforced("instances.tags-always-there"):
            del resource["tags"]
        return resource | echoed(body, ECHOED)

    # -- lifecycle

    def delete(self, call: Call) -> Work:
        """Release addresses only when the operation is DONE."""
        project = self._project
        key, resource = self._target(call)
        if resource["deletionProtection"] and enforced("instances.deletion-protection"):
            why = "Resource cannot be deleted if it's protected against deletion."
            raise ApiError(400, "invalidUsage", f"Invalid resource usage: '{why}'.")

        def release() -> None:
            gone = project.inventory.get(key)
            for interface in gone["networkInterfaces"]:
                release_interface(project, self._subnetwork(interface), interface, project.links.partial(key))

        def begin(at: float) -> None:
            if enforced("instances.stopping"):
                self._set(at, key, {"status": "STOPPING"})
            if not enforced("instances.addresses-held-while-deleted"):
                release()

        def finish(at: float) -> None:
            release()
            release_disks(project, at, project.inventory.get(key))
            forget_output(project, resource)
            project.inventory.put(at, key, None)

        return self._status_change(key, resource, "delete", begin, finish)

    def stop(self, call: Call) -> Work:
        key, resource = self._target(call)
        stopping = "STOPPING" if resource["status"] == "RUNNING" else resource["status"]

        def finish(at: float) -> None:
            interfaces = release_ephemeral(self._project, self._project.inventory.get(key)["networkInterfaces"])
            stopped = {"status": "TERMINATED", "lastStopTimestamp": timestamp(at), "networkInterfaces": interfaces}
            self._set(at, key, stopped)

        return self._status_change(key, resource, "stop", lambda at: self._set(at, key, {"status": stopping}), finish)

    def start(self, call: Call) -> Work:
        key, resource = self._target(call)
        starting = "PROVISIONING" if resource["status"] == "TERMINATED" else resource["status"]

        def finish(at: float) -> None:
            interfaces = assign_ephemeral(self._project, key, self._project.inventory.get(key)["networkInterfaces"])
            started = {"status": "RUNNING", "lastStartTimestamp": timestamp(at), "networkInterfaces": interfaces}
            self._set(at, key, started)

        return self._status_change(key, resource, "start", lambda at: self._set(at, key, {"status": starting}), finish)

    def _status_change(self, key: Key, resource: Json, kind: str, begin: Effect, finish: Effect) -> Work:
        """An exclusive operation that restores the status if it fails."""
        before = {"status": resource["status"]}
        return Work(key, resource["id"], kind, finish, begin=begin, abandon=lambda at: self._set(at, key, before))

    # -- tags, labels, metadata

    def set_tags(self, call: Call) -> Work:
        key, resource = self._target(call, shared=True)
        body = accept(call.body, {"items": list, "fingerprint": str})
        if body.get("fingerprint") != resource["tags"]["fingerprint"] and enforced("instances.tags-fingerprint"):
            raise condition_not_met()
        accept_strings(body.get("items", []), "resource.items")
        return self._aspect(key, resource, "setTags", lambda: {"tags": self._tags(key, body)})

    def set_labels(self, call: Call) -> Work:
        key, resource = self._target(call, shared=True)
        body = accept(call.body, {"labels": dict, "labelFingerprint": str})
        stale = body.get("labelFingerprint") != resource["labelFingerprint"]
        if stale and enforced("instances.labels-fingerprint"):
            raise condition_not_met("Labels fingerprint either invalid or resource labels have changed")
        labels = accept_labels(body.get("labels", {}), "labels")
        fingerprint = self._project.inventory.fingerprint
        return self._aspect(
            key, resource, "setLabels", lambda: {"labels": labels, "labelFingerprint": fingerprint(key, "labels")}
        )

    def set_metadata(self, call: Call) -> Work:
        key, resource = self._target(call, shared=True)
        body = accept(call.body, {"kind": str, "items": list, "fingerprint": str})
        stale = body.get("fingerprint") != resource["metadata"]["fingerprint"]
        if stale and enforced("instances.metadata-fingerprint"):
            raise condition_not_met("Supplied fingerprint does not match current metadata fingerprint.")
        checked_items(body)
        return self._aspect(key, resource, "setMetadata", lambda: {"metadata": self._metadata(key, body)})

    def _aspect(self, key: Key, resource: Json, kind: str, change: Callable[[], Json]) -> Work:
        return Work(key, resource["id"], kind, lambda at: self._set(at, key, change()), exclusive=False)

    # -- helpers

    def _target(self, call: Call, *, shared: bool = False) -> tuple[Key, Json]:
        return change_target(self._project, Key("instances", call.scope, call.name), shared=shared)

    def _subnetwork(self, interface: Json) -> Key:
        key = self._project.links.read(interface["subnetwork"], "subnetworks", "")
        if key is None:
            raise invalid("resource.subnetwork", interface["subnetwork"], "Malformed link.")
        return key

    def _set(self, at: float, key: Key, change: Json) -> None:
        """Change an instance if any value differs."""
        current = self._project.inventory.get(key)
        if any(current.get(field) != value for field, value in change.items()):
            self._project.inventory.put(at, key, current | change)

    def _tags(self, key: Key, body: Json) -> Json:
        """The tags with a fingerprint, even without items (docs/reference/compute-engine.md#tags-always-present)."""
        tags: Json = {"fingerprint": self._project.inventory.fingerprint(key, "tags")}
        given = accept(body, {"items": list, "fingerprint": str}, "resource.tags")
        items = accept_strings(given.get("items", []), "resource.tags.items")
        return tags | ({"items": sorted(items)} if items else {})

    def _metadata(self, key: Key, body: Json) -> Json:
        metadata: Json = {
            "kind": "compute#metadata",
            "fingerprint": self._project.inventory.fingerprint(key, "metadata"),
        }
        items = checked_items(body)
        return metadata | ({"items": items} if items else {})


def machine_type(project: Project, scope: str, text: str) -> str:
    """The full URL of a machine type of the zone."""
    key = project.links.read(text, "machineTypes", scope)
    if key is None or key.scope != scope:
        why = "The referenced machineType resource cannot be found in the zone of the instance."
        raise invalid("resource.machineType", text, why)
    check_name(key.name)
    return project.links.full(key)
