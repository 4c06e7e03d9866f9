"""Managed instance groups: insert, patch, resize, rolling replacement, recreation (compute-api.md 8)."""

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
    """instanceGroupManagers of a zone. Operations end when the work is ordered, not when the VMs are there."""

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
        """The group with what its VMs are doing."""
        group = Key("instanceGroupManagers", scope, resource["name"])
        records = self._instances.of(group)
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
        group = self._existing(call)
        return [self._managed(group, record) for record in self._instances.of(group)]

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
        """The instance groups behind the managers of a zone, as instanceGroups shows them."""
        return [
            self._group(row, scope) for row in self._project.inventory.table("instanceGroupManagers", scope).values()
        ]

    def group_get(self, call: Call) -> Json:
        resource = self._project.inventory.find(Key("instanceGroupManagers", call.scope, call.name))
        if resource is None:
            return self._project.inventory.get(Key("instanceGroups", call.scope, call.name))
        return self._group(resource, call.scope)

    def _group(self, resource: Json, scope: str) -> Json:
        group = Key("instanceGroupManagers", scope, resource["name"])
        vms = [vm for record in self._instances.of(group) if (vm := self._instances.instance(group, record))]
        kept = ("id", "name", "creationTimestamp", "fingerprint", "zone", "namedPorts", "description")
        shown = {field: resource[field] for field in kept if field in resource}
        shown |= {"kind": "compute#instanceGroup", "selfLink": resource["instanceGroup"], "size": len(vms)}
        if vms:
            interface = vms[0]["networkInterfaces"][0]
            shown |= {"network": interface["network"], "subnetwork": interface["subnetwork"]}
        return shown

    # -- the group itself

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
        """Versions, update policy, size and what is only echoed; a stale fingerprint is 412."""
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
        """One version of this template; what VMs are there is replaced if the policy is PROACTIVE."""
        key, current = self._target(call)
        body = accept(call.body, {"instanceTemplate": str})
        require_template(self._project, body.get("instanceTemplate"), "resource")
        versions = [{"instanceTemplate": body["instanceTemplate"]}]
        return self._change(key, current, "setInstanceTemplate", self._sized(versions, current["targetSize"]))

    def delete(self, call: Call) -> Work:
        """Its VMs go first."""
        project = self._project
        key, resource = self._target(call)

        def begin(at: float) -> None:
            project.inventory.put(at, key, resource | {"targetSize": 0}, effective=False)
            self._order(at, key, [record["name"] for record in self._instances.of(key)], "DELETING")

        return Work(
            key,
            resource["id"],
            "compute.instanceGroupManagers.delete",
            lambda at: project.inventory.put(at, key, None),
            begin=begin,
            abandon=lambda at: project.inventory.put(at, key, resource),
        )

    # -- single VMs of the group

    def recreate(self, call: Call) -> Work:
        """The same names, new VMs from the versions of the group."""
        return self._ordering(call, "RECREATING", resize=False)

    def delete_instances(self, call: Call) -> Work:
        """The VMs go and the group shrinks by as many."""
        return self._ordering(call, "DELETING", resize=True)

    def abandon(self, call: Call) -> Work:
        """The VMs stay but are no longer the group's, which shrinks by as many."""
        return self._ordering(call, "ABANDONING", resize=True)

    def _ordering(self, call: Call, action: str, *, resize: bool) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"instances": list, "skipInstancesOnValidationError": bool})
        if not body.get("instances"):
            raise required("instances")
        known = {record["name"] for record in self._instances.of(key)}
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
            self._order(at, key, names, action)

        kind = call.method.rpartition(".")[2]
        return Work(key, current["id"], f"compute.instanceGroupManagers.{kind}", finish, exclusive=False)

    def _order(self, at: float, key: Key, names: list[str], action: str) -> None:
        for record in self._instances.of(key):
            if record["name"] not in names:
                continue
            if action == "ABANDONING":
                self._instances.forget(at, key, record)
            elif action == "RECREATING":
                self._instances.mark(at, key, record, action=action, retryAt=None, version=self._due(key, names))
            else:
                self._instances.mark(at, key, record, action=action, retryAt=None)
        self._instances.reconcile(at, key)

    def _due(self, key: Key, names: list[str]) -> Json:
        """Recreated VMs are made as the group says now."""
        others = [
            record
            for record in self._instances.of(key)
            if record["name"] not in names and record["action"] != "DELETING"
        ]
        return self._instances.wanted_version(self._project.inventory.get(key), others)

    # -- parts

    def _existing(self, call: Call) -> Key:
        return self._project.inventory.canonical(Key("instanceGroupManagers", call.scope, call.name))

    def _target(self, call: Call) -> tuple[Key, Json]:
        return change_target(self._project, Key("instanceGroupManagers", call.scope, call.name))

    def _sized(self, versions: list[Any], size: int) -> Json:
        """The versions with the numbers that a size gives them."""
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
