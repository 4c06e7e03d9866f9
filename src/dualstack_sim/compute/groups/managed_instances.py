"""The reconcile loop of managed instance groups: create, replace, recreate and delete VMs."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.groups.update_policy import version_identity
from dualstack_sim.compute.machines.instances import Instances
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

RETRY = 30.0
"""Simulated seconds until a failed creation or deletion of a VM is retried."""

_SUFFIX_LETTERS = "0123456789bcdfghjklmnpqrstvwxz"


class ManagedInstances:
    """Records of the VMs of all groups, in the inventory under `managedInstances`, and the loop that reconciles them.

    A record: `{id, name, group, version, action, createdBy?, error?, retryAt?}`, `action` as listManagedInstances shows
    it. Each reconcile starts from the stored records, groups and VMs, so it can resume from any state.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._instances = Instances(project)
        self._reconciling: dict[Key, bool] = {}
        """Groups being reconciled, and whether they must be reconciled again."""

    # -- records

    def records(self, group: Key) -> list[Json]:
        """The records of a group, by name."""
        table = self._project.inventory.table("managedInstances", group.scope)
        return sorted((row for row in table.values() if row["group"] == group.name), key=lambda row: str(row["name"]))

    def instance(self, group: Key, record: Json) -> Json | None:
        return self._project.inventory.find(Key("instances", group.scope, record["name"]))

    def update_record(self, at: float, group: Key, record: Json, **change: Any) -> Json:
        """Change a record; `error=None` and `retryAt=None` clear them."""
        after = {field: value for field, value in (record | change).items() if value is not None}
        self._project.inventory.put(at, self._key(group, record), after, effective=False)
        return after

    def remove_record(self, at: float, group: Key, record: Json) -> None:
        """Remove the VM from its group."""
        self._project.inventory.put(at, self._key(group, record), None, effective=False)

    def _key(self, group: Key, record: Json) -> Key:
        return Key("managedInstances", group.scope, f"{group.name}:{record['name']}")

    def add_record(self, at: float, group: Key, base: str, version: Json) -> Json:
        """Add a record for a VM to create, under an unused name."""
        ordinal = len(self.records(group))
        while True:
            generator = self._project.chance.generator("managed-instance", *group, round(at * 1000), ordinal)
            name = f"{base}-{''.join(generator.choice(_SUFFIX_LETTERS) for _ in range(4))}"
            key = Key("managedInstances", group.scope, f"{group.name}:{name}")
            taken = self._project.inventory.find(Key("instances", group.scope, name))
            if taken is None and self._project.inventory.find(key) is None:
                break
            ordinal += 1
        record = {"id": "", "name": name, "group": group.name, "version": version, "action": "CREATING"}
        return self.update_record(at, group, record)

    # -- events

    def instance_changed(self, commit: Commit) -> None:
        """Reconcile the managed group of a VM that changed, if it has one."""
        group = self._group_of(commit.after or commit.before or {})
        if group is not None:
            self._project.later(commit.at, 0.0, lambda at: self.reconcile(at, group))

    def _group_of(self, vm: Json) -> Key | None:
        for item in vm.get("metadata", {}).get("items", ()):
            if item.get("key") == "created-by":
                return self._project.links.read(item.get("value", ""), "instanceGroupManagers", "")
        return None

    def reconcile(self, at: float, group: Key) -> None:
        """Do everything that is possible now. Finished operations call `instance_changed`, which reconciles again."""
        if group in self._reconciling:
            self._reconciling[group] = True
            return
        self._reconciling[group] = False
        try:
            while self._advance(at, group) or self._reconciling[group]:
                self._reconciling[group] = False
        finally:
            del self._reconciling[group]

    def _advance(self, at: float, group: Key) -> bool:
        """One pass through the group. Returns whether any record changed."""
        before = self.records(group)
        for record in before:
            self._reconcile_instance(at, group, record)
        self._resize(at, group)
        return before != self.records(group)

    # -- one VM

    def _reconcile_instance(self, at: float, group: Key, record: Json) -> None:
        vm = self.instance(group, record)
        action = record["action"]
        if record.get("retryAt", at) > at:
            return
        if action == "DELETING":
            self._reconcile_deletion(at, group, record, vm)
        elif vm is None:
            self._create(at, group, record)
        elif action == "RECREATING" and vm["id"] == record["id"]:
            self._delete(at, group, record, vm)
        elif action != "NONE" and vm["status"] == "RUNNING":
            self.update_record(at, group, record, action="NONE", id=vm["id"], error=None, retryAt=None)

    def _reconcile_deletion(self, at: float, group: Key, record: Json, vm: Json | None) -> None:
        if vm is None:
            self.remove_record(at, group, record)
        else:
            self._delete(at, group, record, vm)

    def _create(self, at: float, group: Key, record: Json) -> None:
        if record["action"] == "NONE":
            record = self.update_record(at, group, record, action="RECREATING")
        template = self._project.links.read(record["version"]["instanceTemplate"], "instanceTemplates", GLOBAL)
        resource = self._project.inventory.find(template) if template else None
        if template is None or resource is None:
            self._record_failure(at, group, record, "RESOURCE_NOT_FOUND", "The instance template is gone.")
            return
        body = self._body(group, record, resource["properties"], self._project.links.partial(template))
        self._start_operation(at, group, record, Call("instances.insert", group.scope, "", at, {}, body))

    def _body(self, group: Key, record: Json, properties: Json, template: str) -> Json:
        """The body of instances.insert from the template; metadata names the group."""
        body = {field: value for field, value in properties.items() if field != "resourceManagerTags"}
        number = f"projects/{self._project.number}/"
        items = [
            *properties.get("metadata", {}).get("items", ()),
            {"key": "instance-template", "value": number + template.partition("/")[2].partition("/")[2]},
            {"key": "created-by", "value": f"{number}{group.scope}/{group.collection}/{group.name}"},
        ]
        return body | {
            "name": record["name"],
            "machineType": f"{group.scope}/machineTypes/{properties['machineType']}",
            "metadata": {"items": items},
        }

    def _delete(self, at: float, group: Key, record: Json, vm: Json) -> None:
        """Delete the VM unless an operation runs on it; the end of that operation reconciles again."""
        key = Key("instances", group.scope, vm["name"])
        if not self._project.operations.is_busy(key):
            self._start_operation(at, group, record, Call("instances.delete", group.scope, vm["name"], at))

    def _start_operation(self, at: float, group: Key, record: Json, call: Call) -> None:
        mutation = self._instances.insert if call.method == "instances.insert" else self._instances.delete
        try:
            work = mutation(call)
        except ApiError as refused:
            if self._project.placing:
                raise
            self._record_failure(at, group, record, refused.reason, refused.message)
            return
        if work.failure is not None and not self._project.placing:
            self._record_failure(at, group, record, work.failure.code, work.failure.message)
        self._project.run(at, call.method, work)

    def _record_failure(self, at: float, group: Key, record: Json, code: str, message: str) -> None:
        """Store the error and schedule a retry."""
        self.update_record(at, group, record, error={"code": code, "message": message}, retryAt=at + RETRY)
        if not self._project.placing:
            self._project.later(at, RETRY, lambda due: self.reconcile(due, group))

    # -- the whole group

    def _resize(self, at: float, group: Key) -> None:
        resource = self._project.inventory.find(group)
        if resource is None:
            return
        size, policy = resource["targetSize"], resource["updatePolicy"]
        alive = [record for record in self.records(group) if record["action"] != "DELETING"]
        outdated = outdated_records(resource, alive)
        rolling = outdated if policy["type"] == "PROACTIVE" else []
        surge = min(policy["maxSurge"]["calculated"], len(rolling))
        for _ in range(size + surge - len(alive)):
            version = self.wanted_version(resource, [r for r in self.records(group) if r["action"] != "DELETING"])
            self.add_record(at, group, resource["baseInstanceName"], version)
        if rolling:
            self._replace(at, group, resource, alive, rolling)
        else:
            for record in _deletion_order(alive, outdated)[: max(0, len(alive) - size)]:
                self.update_record(at, group, record, action="DELETING", retryAt=None)

    def _replace(self, at: float, group: Key, resource: Json, alive: list[Json], rolling: list[Json]) -> None:
        """Delete or recreate outdated VMs, but keep as many RUNNING as the policy requires."""
        policy = resource["updatePolicy"]
        running = sum(1 for record in alive if record["action"] == "NONE" and self.instance(group, record))
        budget = running - (resource["targetSize"] - policy["maxUnavailable"]["calculated"])
        if not enforced("groups.availability"):
            budget = len(rolling)
        recreate = policy["replacementMethod"] == "RECREATE"
        for record in [record for record in rolling if record["action"] == "NONE"][: max(0, budget)]:
            if recreate:
                kept = [entry for entry in alive if entry not in rolling]
                version = self.wanted_version(resource, kept)
                self.update_record(at, group, record, action="RECREATING", version=version)
            else:
                self.update_record(at, group, record, action="DELETING")

    @staticmethod
    def wanted_version(resource: Json, alive: list[Json]) -> Json:
        """The version that has too few VMs."""
        for version in resource["versions"]:
            have = sum(1 for record in alive if record["version"] == version_identity(version))
            if have < version["targetSize"]["calculated"]:
                return version_identity(version)
        return version_identity(resource["versions"][0])


def outdated_records(resource: Json, alive: list[Json]) -> list[Json]:
    """The VMs without a version of the group, and those beyond the target size of their version."""
    left = [(version_identity(version), version["targetSize"]["calculated"]) for version in resource["versions"]]
    result = []
    for record in alive:
        for index, (version, number) in enumerate(left):
            if record["version"] == version and (number > 0 or len(left) == 1):
                left[index] = (version, number - 1)
                break
        else:
            result.append(record)
    return result


def _deletion_order(alive: list[Json], outdated: list[Json]) -> list[Json]:
    """The order in which a shrinking group deletes VMs: outdated ones, those not running, then by name."""
    return sorted(alive, key=lambda row: (row not in outdated, row["action"] == "NONE", str(row["name"])))
