"""The loop that makes a managed group's VMs what the group says: create, replace, recreate, delete."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.errors import ApiError, Json, OperationFailure
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.groups.update_policy import version_identity
from dualstack_sim.compute.machines.instances import Instances
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

RETRY = 30.0
"""Simulated seconds after which a VM that could not be made or deleted is tried again."""

_SUFFIX_LETTERS = "0123456789bcdfghjklmnpqrstvwxz"


class ManagedInstances:
    """Records of all groups' VMs, in the inventory under `managedInstances`, and what is done about them.

    A record: `{id, name, group, version, action, createdBy?, error?, retryAt?}`, `action` as listManagedInstances shows
    it. Everything follows from the records, the groups and the VMs, so that it can be taken up from any state.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._instances = Instances(project)
        self._working: dict[Key, bool] = {}
        """Groups that are being looked after, and whether something happened to them meanwhile."""

    # -- records

    def of(self, group: Key) -> list[Json]:
        """The records of a group, by name."""
        table = self._project.inventory.table("managedInstances", group.scope)
        return sorted((row for row in table.values() if row["group"] == group.name), key=lambda row: str(row["name"]))

    def instance(self, group: Key, record: Json) -> Json | None:
        return self._project.inventory.find(Key("instances", group.scope, record["name"]))

    def mark(self, at: float, group: Key, record: Json, **change: Any) -> Json:
        """Change a record; `error=None` and `retryAt=None` clear them."""
        after = {field: value for field, value in (record | change).items() if value is not None}
        self._project.inventory.put(at, self._key(group, record), after, effective=False)
        return after

    def forget(self, at: float, group: Key, record: Json) -> None:
        """The VM is not the group's any more."""
        self._project.inventory.put(at, self._key(group, record), None, effective=False)

    def _key(self, group: Key, record: Json) -> Key:
        return Key("managedInstances", group.scope, f"{group.name}:{record['name']}")

    def add(self, at: float, group: Key, base: str, version: Json) -> Json:
        """A record of a VM that is to be made, under a name that is free."""
        ordinal = len(self.of(group))
        while True:
            generator = self._project.chance.generator("managed-instance", *group, round(at * 1000), ordinal)
            name = f"{base}-{''.join(generator.choice(_SUFFIX_LETTERS) for _ in range(4))}"
            key = Key("managedInstances", group.scope, f"{group.name}:{name}")
            taken = self._project.inventory.find(Key("instances", group.scope, name))
            if taken is None and self._project.inventory.find(key) is None:
                break
            ordinal += 1
        record = {"id": "", "name": name, "group": group.name, "version": version, "action": "CREATING"}
        return self.mark(at, group, record)

    # -- events

    def notice(self, commit: Commit) -> None:
        """Something became of a VM: if it is one of a group's, look after that group."""
        group = self._group_of(commit.after or commit.before or {})
        if group is not None:
            self._project.later(commit.at, 0.0, lambda at: self.reconcile(at, group))

    def _group_of(self, vm: Json) -> Key | None:
        for item in vm.get("metadata", {}).get("items", ()):
            if item.get("key") == "created-by":
                return self._project.links.read(item.get("value", ""), "instanceGroupManagers", "")
        return None

    def reconcile(self, at: float, group: Key) -> None:
        """Do everything that can be done now; what takes time comes back through `notice`."""
        if group in self._working:
            self._working[group] = True
            return
        self._working[group] = False
        try:
            while self._advance(at, group) or self._working[group]:
                self._working[group] = False
        finally:
            del self._working[group]

    def _advance(self, at: float, group: Key) -> bool:
        """One round through the group; whether any record changed."""
        before = self.of(group)
        for record in before:
            self._reconcile_instance(at, group, record)
        self._resize(at, group)
        return before != self.of(group)

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
            self.mark(at, group, record, action="NONE", id=vm["id"], error=None, retryAt=None)

    def _reconcile_deletion(self, at: float, group: Key, record: Json, vm: Json | None) -> None:
        if vm is None:
            self.forget(at, group, record)
        else:
            self._delete(at, group, record, vm)

    def _create(self, at: float, group: Key, record: Json) -> None:
        if record["action"] == "NONE":
            record = self.mark(at, group, record, action="RECREATING")
        template = self._project.links.read(record["version"]["instanceTemplate"], "instanceTemplates", GLOBAL)
        resource = self._project.inventory.find(template) if template else None
        if template is None or resource is None:
            self._failed(at, group, record, "RESOURCE_NOT_FOUND", "The instance template is gone.")
            return
        body = self._body(group, record, resource["properties"], self._project.links.partial(template))
        self._try(at, group, record, "instances.insert", Call("instances.insert", group.scope, "", at, {}, body))

    def _body(self, group: Key, record: Json, properties: Json, template: str) -> Json:
        """What a template makes; VMs say whose they are in their metadata."""
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
        """Once only: while an operation owns the VM its end will be noticed."""
        key = Key("instances", group.scope, vm["name"])
        if not self._project.operations.is_busy(key):
            call = Call("instances.delete", group.scope, vm["name"], at)
            self._try(at, group, record, "instances.delete", call)

    def _try(self, at: float, group: Key, record: Json, method: str, call: Call) -> None:
        act = self._instances.insert if method == "instances.insert" else self._instances.delete
        try:
            work = act(call)
        except ApiError as refused:
            if self._project.placing:
                raise
            self._failed(at, group, record, refused.reason, refused.message)
            return
        if work.failure is not None and not self._project.placing:
            self._note(at, group, record, work.failure)
        self._project.run(at, method, work)

    def _note(self, at: float, group: Key, record: Json, failure: OperationFailure) -> None:
        self._failed(at, group, record, failure.code, failure.message)

    def _failed(self, at: float, group: Key, record: Json, code: str, message: str) -> None:
        """Remember why, and come back."""
        self.mark(at, group, record, error={"code": code, "message": message}, retryAt=at + RETRY)
        if not self._project.placing:
            self._project.later(at, RETRY, lambda due: self.reconcile(due, group))

    # -- the whole group

    def _resize(self, at: float, group: Key) -> None:
        resource = self._project.inventory.find(group)
        if resource is None:
            return
        size, policy = resource["targetSize"], resource["updatePolicy"]
        alive = [record for record in self.of(group) if record["action"] != "DELETING"]
        outdated = outdated_records(resource, alive)
        rolling = outdated if policy["type"] == "PROACTIVE" else []
        surge = min(policy["maxSurge"]["calculated"], len(rolling))
        for _ in range(size + surge - len(alive)):
            version = self.wanted_version(resource, [r for r in self.of(group) if r["action"] != "DELETING"])
            self.add(at, group, resource["baseInstanceName"], version)
        if rolling:
            self._replace(at, group, resource, alive, rolling)
        else:
            for record in _deletion_order(alive, outdated)[: max(0, len(alive) - size)]:
                self.mark(at, group, record, action="DELETING", retryAt=None)

    def _replace(self, at: float, group: Key, resource: Json, alive: list[Json], rolling: list[Json]) -> None:
        """Take outdated VMs away, never so many that fewer than the policy allows are RUNNING."""
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
                self.mark(at, group, record, action="RECREATING", version=version)
            else:
                self.mark(at, group, record, action="DELETING")

    @staticmethod
    def wanted_version(resource: Json, alive: list[Json]) -> Json:
        """The version that has too few VMs yet."""
        for version in resource["versions"]:
            have = sum(1 for record in alive if record["version"] == version_identity(version))
            if have < version["targetSize"]["calculated"]:
                return version_identity(version)
        return version_identity(resource["versions"][0])


def outdated_records(resource: Json, alive: list[Json]) -> list[Json]:
    """The VMs that are of no version of the group, or of one that has more than it should."""
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
    """Whom to delete first when a group shrinks: the outdated, then those that do not run yet, then by name."""
    return sorted(alive, key=lambda row: (row not in outdated, row["action"] == "NONE", str(row["name"])))
