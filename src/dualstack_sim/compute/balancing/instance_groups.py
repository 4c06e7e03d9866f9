"""Instance groups made by hand (docs/reference/compute-engine.md#unmanaged-instance-groups)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept, accept_list, echoed
from dualstack_sim.compute.api.errors import ApiError, Json, condition_not_met, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion, new_key
from dualstack_sim.compute.balancing.backend_groups import MEMBERS, balanced_group_of, shown, users_of, vms_of
from dualstack_sim.compute.balancing.backend_services import in_two_groups
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

_PORTS = [{"name": str, "port": int}]
SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "zone": str,
    "namedPorts": _PORTS, "network": str, "subnetwork": str, "fingerprint": str, "size": int, "region": str,
}  # fmt: skip
_INSTANCES: Schema = {"instances": list}


class InstanceGroups(Methods):
    """instanceGroups: insert, delete, addInstances, removeInstances, setNamedPorts, and their reads.

    The group of a manager is changed through its manager only.
    """

    # -- reading

    def rows(self, scope: str) -> list[Json]:
        """The groups of a zone that were made by hand."""
        table = self._project.inventory.table("instanceGroups", scope)
        return [shown(self._project, Key("instanceGroups", scope, name), group) for name, group in table.items()]

    def get(self, call: Call) -> Json:
        key = Key("instanceGroups", call.scope, call.name)
        return shown(self._project, key, self._project.inventory.get(key))

    def instances(self, call: Call, vms: list[Json] | None = None) -> list[Json]:
        """The rows of listInstances; `vms` are those of a managed group."""
        state = accept(call.body, {"instanceState": ("ALL", "RUNNING")}).get("instanceState", "ALL")
        key = Key("instanceGroups", call.scope, call.name)
        if vms is None:
            vms = [vm for _, vm in vms_of(self._project, key, self._project.inventory.get(key))]
        chosen = [vm for vm in vms if state == "ALL" or vm["status"] == "RUNNING"]
        return [{"instance": vm["selfLink"], "status": vm["status"], "name": vm["name"]} for vm in chosen]

    # -- changes

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "instanceGroups", call.scope, body)
        if project.inventory.find(Key("instanceGroupManagers", call.scope, key.name)):
            raise ApiError(409, "alreadyExists", f"The resource '{project.links.partial(key)}' already exists")
        for field in ("network", "subnetwork"):
            if body.get(field):
                raise invalid(f"resource.{field}", body[field], "It follows from the instances of the group.")
        resource = project.inventory.identity(key, "instanceGroup", call.now) | {
            "zone": project.links.within(call.scope),
            "fingerprint": project.inventory.fingerprint(key),
            MEMBERS: [],
        }
        return insertion(project, key, resource | echoed(body, ("description", "namedPorts")))

    def delete(self, call: Call) -> Work:
        """Refused while a backend service uses it. The VMs stay."""
        key, resource = self._target(call)
        for service in users_of(self._project, key):
            if enforced("balancing.group-in-use"):
                raise in_use("instance_group", self._project.links.partial(key), self._project.links.partial(service))
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def add(self, call: Call) -> Work:
        project = self._project
        key, resource = self._target(call)
        present = dict(vms_of(project, key, resource))
        added: dict[Key, Json] = {}
        for field, link in self._links(call):
            vm_key, vm = project.reference(field, link, "instances", call.scope, "instance")
            if vm_key.scope != call.scope:
                raise invalid(field, link, "The instance is not in the zone of the group.")
            if (vm_key in present or vm_key in added) and enforced("balancing.member-once"):
                raise _not_a_change(project, vm_key, key, "is already a member of", "memberAlreadyExists")
            self._check_network(field, link, vm, [*present.values(), *added.values()])
            self._check_balanced(vm_key, key)
            added[vm_key] = vm
        new = [{"instance": vm["selfLink"], "id": vm["id"]} for vm in added.values()]
        return self._change(key, resource, "addInstances", lambda now: now | {MEMBERS: [*now[MEMBERS], *new]})

    def _check_network(self, field: str, link: str, vm: Json, others: list[Json]) -> None:
        nic = vm["networkInterfaces"][0]
        for other in others:
            same = all(nic[part] == other["networkInterfaces"][0][part] for part in ("network", "subnetwork"))
            if not same and enforced("balancing.group-of-one-subnetwork"):
                raise invalid(field, link, "All instances of a group must be in the same network and subnetwork.")

    def _check_balanced(self, vm: Key, group: Key) -> None:
        if next(users_of(self._project, group), None) is None:
            return
        if balanced_group_of(self._project, vm, besides=group) and enforced("balancing.one-balanced-group"):
            raise in_two_groups(vm)

    def remove(self, call: Call) -> Work:
        project = self._project
        key, resource = self._target(call)
        present = dict(vms_of(project, key, resource))
        gone = []
        for field, link in self._links(call):
            vm = project.links.read(link, "instances", call.scope)
            if vm is None:
                raise invalid(field, link, "Malformed link.")
            if vm not in present and enforced("balancing.member-once"):
                raise _not_a_change(project, vm, key, "is not a member of", "memberNotFound")
            gone.append(project.links.full(vm))

        def without(now: Json) -> Json:
            return now | {MEMBERS: [member for member in now[MEMBERS] if member["instance"] not in gone]}

        return self._change(key, resource, "removeInstances", without)

    def set_ports(self, call: Call) -> Work:
        key, resource = self._target(call)
        body = accept(call.body, {"namedPorts": _PORTS, "fingerprint": str})
        if body.get("fingerprint", resource["fingerprint"]) != resource["fingerprint"]:
            raise condition_not_met()
        ports = {"namedPorts": body.get("namedPorts", [])}
        return self._change(key, resource, "setNamedPorts", lambda now: now | ports)

    def _change(self, key: Key, resource: Json, kind: str, change: Callable[[Json], Json]) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            current = inventory.get(key)
            after = change(current)
            if after != current:
                inventory.put(at, key, after | {"fingerprint": inventory.fingerprint(key)})

        return Work(key, resource["id"], kind, finish)

    def _target(self, call: Call) -> tuple[Key, Json]:
        project = self._project
        if project.inventory.find(Key("instanceGroupManagers", call.scope, call.name)):
            raise ApiError(400, "badRequest", f"The instance group '{call.name}' is managed; change its manager.")
        return change_target(project, Key("instanceGroups", call.scope, call.name))

    def _links(self, call: Call) -> list[tuple[str, Any]]:
        """The field and the link of each instance of the request."""
        body = accept(call.body, _INSTANCES)
        entries = accept_list(body.get("instances", []), {"instance": str}, "resource.instances")
        if not entries:
            raise required("resource.instances")
        return [(f"resource.instances[{index}].instance", entry.get("instance")) for index, entry in enumerate(entries)]


def _not_a_change(project: Project, vm: Key, group: Key, what: str, reason: str) -> ApiError:
    return ApiError(400, reason, f"Resource '{project.links.partial(vm)}' {what} '{project.links.partial(group)}'.")
