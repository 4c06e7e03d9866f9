"""Managed instance groups: insert, patch, resize, rolling replacement, recreation.

Source: docs/reference/compute-engine.md#managed-instance-groups.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_strings
from dualstack_sim.compute.api.errors import Json, condition_not_met, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.api.resource_changes import change_target, new_key
from dualstack_sim.compute.groups.managed_instances import ManagedInstances, outdated_records
from dualstack_sim.compute.groups.update_policy import read_policy, read_versions, require_template, version_identity
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "zone": str,
    "region": str, "instanceTemplate": str, "versions": list, "instanceGroup": str, "targetPools": list,
    "baseInstanceName": str, "fingerprint": str, "currentActions": dict, "status": dict, "targetSize": int,
    "updatePolicy": dict, "namedPorts": list, "autoHealingPolicies": list, "statefulPolicy": dict,
    "instanceLifecyclePolicy": dict, "listManagedInstancesResults": str, "distributionPolicy": dict,
    "targetSuspendedSize": int, "targetStoppedSize": int, "standbyPolicy": dict, "allInstancesConfig": dict,
}  # fmt: skip
_ECHOED = ("description", "targetPools", "namedPorts", "autoHealingPolicies", "listManagedInstancesResults")
_ACTIONS = (
    "none", "creating", "creatingWithoutRetries", "recreating", "deleting", "abandoning", "restarting", "refreshing",
    "verifying", "suspending", "stopping", "resuming", "starting",
)  # fmt: skip
_LARGEST = 2000


class ManagedGroups:
    """instanceGroupManagers of a zone. An operation is DONE when the change is accepted, before the VMs change."""

    def __init__(self, project: Project, instances: ManagedInstances) -> None:
        self._project = project
        self._instances = instances

    # -- reading

    def get(self, call: Call) -> Json:
        return self.shown(self._project.inventory.get(Key("instanceGroupManagers", call.scope, call.name)), call.scope)

    def rows(self, scope: str) -> list[Json]:
        return [
            self.shown(row, scope) for row in self._project.inventory.table("instanceGroupManagers", scope).values()
        ]

    def shown(self, resource: Json, scope: str) -> Json:
        """The group with its `currentActions` and `status`."""
        group = Key("instanceGroupManagers", scope, resource["name"])
        records = self._instances.records(group)
        doing = Counter(str(record["action"]).lower() for record in records)
        alive = [record for record in records if record["action"] != "DELETING"]
        reached = not outdated_records(resource, alive)
        return resource | {
            "currentActions": {action: doing[action] for action in _ACTIONS},
            "status": {
                "isStable": doing["none"] == len(records) == resource["targetSize"],
                "versionTarget": {"isReached": reached},
                "stateful": {"hasStatefulConfig": False, "perInstanceConfigs": {"allEffective": True}},
            },
        }

    def managed(self, call: Call) -> list[Json]:
        """The rows of listManagedInstances."""
        group = self._key_of(call)
        return [self._managed(group, record) for record in self._instances.records(group)]

    def _managed(self, group: Key, record: Json) -> Json:
        vm = self._instances.instance(group, record)
        row: Json = {
            "name": record["name"],
            "instance": self._project.links.full(Key("instances", group.scope, record["name"])),
            "currentAction": record["action"],
            "version": record["version"],
        }
        if vm is not None:
            row |= {"id": vm["id"], "instanceStatus": vm["status"]}
        if "error" in record:
            row["lastAttempt"] = {"errors": {"errors": [record["error"]]}}
        return row

    def group_rows(self, scope: str) -> list[Json]:
        """The instance groups of a zone's managers, as instanceGroups.list shows them."""
        return [
            self._group(row, scope) for row in self._project.inventory.table("instanceGroupManagers", scope).values()
        ]

    def group_get(self, call: Call) -> Json:
        """The instance group of a manager."""
        resource = self._project.inventory.get(Key("instanceGroupManagers", call.scope, call.name))
        return self._group(resource, call.scope)

    def group_vms(self, call: Call) -> list[Json] | None:
        """The VMs of the group of a manager; None if no manager has this name."""
        key = Key("instanceGroupManagers", call.scope, call.name)
        if self._project.inventory.find(key) is None:
            return None
        records = self._instances.records(key)
        return [vm for record in records if (vm := self._instances.instance(key, record))]

    def _group(self, resource: Json, scope: str) -> Json:
        group = Key("instanceGroupManagers", scope, resource["name"])
        vms = [vm for record in self._instances.records(group) if (vm := self._instances.instance(group, record))]
        kept = ("id", "name", "creationTimestamp", "fingerprint", "zone", "namedPorts", "description")
        shown = {field: resource[field] for field in kept if field in resource}
        shown |= {"kind": "compute#instanceGroup", "selfLink": resource["instanceGroup"], "size": len(vms)}
        if vms:
            interface = vms[0]["networkInterfaces"][0]
            shown |= {"network": interface["network"], "subnetwork": interface["subnetwork"]}
        return shown

    # -- changes of the group

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "instanceGroupManagers", call.scope, body, "targetSize")
        size = _size(body["targetSize"], "resource.targetSize")
        versions = read_versions(project, body.get("versions") or [{"instanceTemplate": _template(body)}], size)
        resource = project.inventory.identity(key, "instanceGroupManager", call.now) | {
            "zone": project.links.within(call.scope),
            "baseInstanceName": check_name(body.get("baseInstanceName") or body["name"]),
            "instanceGroup": project.links.full(Key("instanceGroups", call.scope, key.name)),
            "targetSize": size,
            "versions": versions,
            "instanceTemplate": versions[0]["instanceTemplate"],
            "updatePolicy": read_policy({}, body.get("updatePolicy", {}), size),
            "fingerprint": project.inventory.fingerprint(key),
        }
        resource |= {field: body[field] for field in _ECHOED if body.get(field)}

        def finish(at: float) -> None:
            project.inventory.put(at, key, resource)
            self._instances.reconcile(at, key)

        return Work(
            key,
            resource["id"],
            "compute.instanceGroupManagers.insert",
            finish,
            begin=lambda at: project.inventory.put(at, key, resource | {"targetSize": 0}, effective=False),
            abandon=lambda at: project.inventory.put(at, key, None, effective=False),
        )

    def patch(self, call: Call) -> Work:
        """Versions, update policy, size and fields that are only stored. A stale fingerprint is refused with 412."""
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        stale = "fingerprint" in body and body["fingerprint"] != current["fingerprint"]
        if stale and enforced("groups.fingerprint"):
            raise condition_not_met()
        whole: Json = current | body
        size = _size(whole["targetSize"], "resource.targetSize")
        change: Json = {field: body[field] for field in _ECHOED if field in body}
        change["targetSize"] = size
        wanted = whole["versions"]
        if "instanceTemplate" in body and "versions" not in body:
            wanted = [{"instanceTemplate": body["instanceTemplate"]}]
        change |= self._sized(wanted, size)
        change["updatePolicy"] = read_policy(current["updatePolicy"], body.get("updatePolicy", {}), size)
        return self._change(key, current, "patch", change)

    def resize(self, call: Call) -> Work:
        key, current = self._target(call)
        text = call.query.get("size", "")
        if not text.isdigit():
            raise required("size") if not text else invalid("size", text, "Must be a number.")
        size = _size(int(text[:9]), "size")
        policy = read_policy(current["updatePolicy"], {}, size)
        change: Json = {"targetSize": size, "updatePolicy": policy} | self._sized(current["versions"], size)
        return self._change(key, current, "resize", change)

    def set_template(self, call: Call) -> Work:
        """Use one version with this template; VMs are replaced if the policy is PROACTIVE."""
        key, current = self._target(call)
        body = accept(call.body, {"instanceTemplate": str})
        require_template(self._project, body.get("instanceTemplate"), "resource")
        versions = [{"instanceTemplate": body["instanceTemplate"]}]
        return self._change(key, current, "setInstanceTemplate", self._sized(versions, current["targetSize"]))

    def delete(self, call: Call) -> Work:
        """Delete the VMs first, then the group."""
        project = self._project
        key, resource = self._target(call)

        def begin(at: float) -> None:
            project.inventory.put(at, key, resource | {"targetSize": 0}, effective=False)
            self._mark_members(at, key, [record["name"] for record in self._instances.records(key)], "DELETING")

        return Work(
            key,
            resource["id"],
            "compute.instanceGroupManagers.delete",
            lambda at: project.inventory.put(at, key, None),
            begin=begin,
            abandon=lambda at: project.inventory.put(at, key, resource),
        )

    # -- changes of single VMs

    def recreate(self, call: Call) -> Work:
        """Replace VMs under the same names, by the current versions of the group."""
        return self._member_change(call, "RECREATING", resize=False)

    def delete_instances(self, call: Call) -> Work:
        """Delete VMs and shrink the group by the same number."""
        return self._member_change(call, "DELETING", resize=True)

    def abandon(self, call: Call) -> Work:
        """Remove VMs from the group, which shrinks by the same number, without deleting them."""
        return self._member_change(call, "ABANDONING", resize=True)

    def _member_change(self, call: Call, action: str, *, resize: bool) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"instances": list, "skipInstancesOnValidationError": bool})
        if not body.get("instances"):
            raise required("instances")
        known = {record["name"] for record in self._instances.records(key)}
        names = [text.rpartition("/")[2] for text in accept_strings(body["instances"], "instances")]
        for name in names:
            if name not in known and not body.get("skipInstancesOnValidationError"):
                why = f"Instance '{name}' is not a member of '{self._project.links.partial(key)}'."
                raise invalid("instances", name, why)
        names = [name for name in dict.fromkeys(names) if name in known]

        def finish(at: float) -> None:
            if resize and enforced("groups.deletion-shrinks"):
                group = self._project.inventory.get(key)
                size = max(0, group["targetSize"] - len(names))
                self._project.inventory.put(
                    at, key, group | {"targetSize": size} | self._sized(group["versions"], size)
                )
            self._mark_members(at, key, names, action)

        kind = call.method.rpartition(".")[2]
        return Work(key, current["id"], f"compute.instanceGroupManagers.{kind}", finish, exclusive=False)

    def _mark_members(self, at: float, key: Key, names: list[str], action: str) -> None:
        for record in self._instances.records(key):
            if record["name"] not in names:
                continue
            if action == "ABANDONING":
                self._instances.remove_record(at, key, record)
            elif action == "RECREATING":
                self._instances.update_record(
                    at, key, record, action=action, retryAt=None, version=self._recreation_version(key, names)
                )
            else:
                self._instances.update_record(at, key, record, action=action, retryAt=None)
        self._instances.reconcile(at, key)

    def _recreation_version(self, key: Key, names: list[str]) -> Json:
        """The version for recreated VMs, by the current state of the group."""
        others = [
            record
            for record in self._instances.records(key)
            if record["name"] not in names and record["action"] != "DELETING"
        ]
        return self._instances.wanted_version(self._project.inventory.get(key), others)

    # -- helpers

    def _key_of(self, call: Call) -> Key:
        return self._project.inventory.canonical(Key("instanceGroupManagers", call.scope, call.name))

    def _target(self, call: Call) -> tuple[Key, Json]:
        return change_target(self._project, Key("instanceGroupManagers", call.scope, call.name))

    def _sized(self, versions: list[Any], size: int) -> Json:
        """The versions with the target sizes that result from `size`."""
        asked = []
        for version in versions:
            wanted = dict(version)
            target = {k: v for k, v in (wanted.pop("targetSize", None) or {}).items() if k != "calculated"}
            asked.append(wanted | ({"targetSize": target} if target else {}))
        read = read_versions(self._project, asked, size)
        return {"versions": read, "instanceTemplate": version_identity(read[0])["instanceTemplate"]}

    def _change(self, key: Key, current: Json, kind: str, change: Json) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            inventory.put(at, key, inventory.get(key) | change | {"fingerprint": inventory.fingerprint(key)})
            self._instances.reconcile(at, key)

        return Work(key, current["id"], f"compute.instanceGroupManagers.{kind}", finish)


def _template(body: Json) -> Any:
    if not body.get("instanceTemplate"):
        raise required("resource.instanceTemplate")
    return body["instanceTemplate"]


def _size(size: int, where: str) -> int:
    if not 0 <= size <= _LARGEST:
        raise invalid(where, size, f"Must be between 0 and {_LARGEST}.")
    return size
