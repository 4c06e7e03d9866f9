"""Changes of a VM apart from interfaces, disks and labels: machine type, protection, forwarding.

Source: docs/reference/compute-engine.md#instance-update.
"""

from __future__ import annotations

from dualstack_sim.compute.api.bodies import accept, one_of, refuse_changes
from dualstack_sim.compute.api.errors import Json, bad_request, condition_not_met, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target
from dualstack_sim.compute.machines.accelerators import checked_scheduling
from dualstack_sim.compute.machines.instances import ECHOED, SCHEMA, machine_type
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

_ACTIONS = ("NO_EFFECT", "REFRESH", "RESTART")
_NEEDED = {
    "canIpForward": "REFRESH",
    "deletionProtection": "NO_EFFECT",
    "description": "REFRESH",
    "minCpuPlatform": "RESTART",
    "machineType": "RESTART",
    "scheduling": "REFRESH",
}
"""Field that instances.update can change -> its effect on a running VM."""
_FIXED = (
    "tags",
    "labels",
    "metadata",
    "networkInterfaces",
    "disks",
    "guestAccelerators",
    *(set(ECHOED) - set(_NEEDED)),
)
"""Some of these have their own methods."""


class InstanceUpdates(Methods):
    """instances.update, setMachineType, setDeletionProtection, reset."""

    def update(self, call: Call) -> Work:
        """Change fields, within the limit of `mostDisruptiveAllowedAction` on a running VM."""
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        self._check_update(current, body)
        change = {name: body[name] for name in _NEEDED if name in body}
        if "machineType" in change:
            change["machineType"] = machine_type(self._project, key.scope, change["machineType"])
        if "scheduling" in change:
            scheduling = current["scheduling"] | change["scheduling"]
            change["scheduling"] = checked_scheduling({"scheduling": scheduling}, current.get("guestAccelerators", []))
        change = {name: value for name, value in change.items() if current.get(name) != value}
        self._check_action(call, current, change)
        return self._change(key, current, "update", change)

    def set_machine_type(self, call: Call) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"machineType": str})
        if not body.get("machineType"):
            raise required("machineType")
        if current["status"] != "TERMINATED" and enforced("machines.type-when-stopped"):
            raise bad_request("Cannot change machine type of a running instance. The instance must be stopped.")
        change = {"machineType": machine_type(self._project, key.scope, body["machineType"])}
        return self._change(key, current, "setMachineType", change)

    def set_deletion_protection(self, call: Call) -> Work:
        key, current = self._target(call)
        wanted = call.query.get("deletionProtection", "true").lower() != "false"
        return self._change(key, current, "setDeletionProtection", {"deletionProtection": wanted})

    def reset(self, call: Call) -> Work:
        """A hard reboot; the VM stays RUNNING."""
        key, current = self._target(call)
        if current["status"] != "RUNNING":
            raise bad_request(f"Instance '{current['name']}' is not running.")
        return self._change(key, current, "reset", {})

    def _check_update(self, current: Json, body: Json) -> None:
        fingerprint = body.get("fingerprint")
        if fingerprint is not None and fingerprint != current["fingerprint"]:
            raise condition_not_met()
        for name in ("name", "id", "zone"):
            if name in body and body[name].rpartition("/")[2] != str(current[name]).rpartition("/")[2]:
                raise invalid(f"resource.{name}", body[name], "Updating this field is not supported.")
        refuse_changes(body, current, _FIXED)

    @staticmethod
    def _check_action(call: Call, current: Json, change: Json) -> None:
        least = one_of(call.query.get("minimalAction", "NO_EFFECT"), _ACTIONS, "minimalAction")
        most = one_of(call.query.get("mostDisruptiveAllowedAction", "RESTART"), _ACTIONS, "mostDisruptiveAllowedAction")
        if _ACTIONS.index(least) > _ACTIONS.index(most):
            raise invalid("minimalAction", least, "Must not be more disruptive than mostDisruptiveAllowedAction.")
        for name in change:
            running = current["status"] not in ("TERMINATED", "STOPPED")
            too_much = running and _ACTIONS.index(_NEEDED[name]) > _ACTIONS.index(most)
            if too_much and enforced("machines.most-disruptive-action"):
                why = f"The update of '{name}' needs {_NEEDED[name]}, but mostDisruptiveAllowedAction is {most}."
                raise invalid(f"resource.{name}", change[name], why)

    def _target(self, call: Call) -> tuple[Key, Json]:
        return change_target(self._project, Key("instances", call.scope, call.name), shared=True)

    def _change(self, key: Key, current: Json, kind: str, change: Json) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            present = inventory.get(key)
            if any(present.get(name) != value for name, value in change.items()):
                inventory.put(at, key, present | change | {"fingerprint": inventory.fingerprint(key)})

        return Work(key, current["id"], kind, finish, exclusive=False)
