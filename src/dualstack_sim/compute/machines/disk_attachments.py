"""Disks that come to a VM and leave it while it lives (compute-api.md 8)."""

from __future__ import annotations

from dualstack_sim.compute.api.bodies import accept
from dualstack_sim.compute.api.errors import Json, OperationFailed, bad_request, invalid, not_ready, required
from dualstack_sim.compute.api.operations import Work, nothing
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.machines.disks import ATTACHED, DiskPlan, plan_attachment, release_disk
from dualstack_sim.compute.project.project import Call, Project


class DiskAttachments:
    """instances.attachDisk, detachDisk: one at a time on one VM."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def attach(self, call: Call) -> Work:
        """A disk that is there; one that a VM has already fails in the operation."""
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
            return Work(key, vm["id"], "attachDisk", nothing, failure=failed.failure, exclusive=False)
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
        """The disk stays, whatever its autoDelete says; the boot disk only leaves a VM that is stopped."""
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
        key = self._project.inventory.canonical(Key("instances", call.scope, call.name))
        self._project.require_unlocked(key)
        if self._project.operations.is_busy(_disks_of(key)):
            raise not_ready(self._project.links.partial(key))
        return key, self._project.inventory.get(key)


def _disks_of(instance: Key) -> Key:
    """What an operation on the disks of a VM keeps busy."""
    return Key("attachedDisks", instance.scope, instance.name)
