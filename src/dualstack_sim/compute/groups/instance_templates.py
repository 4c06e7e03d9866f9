"""Instance templates: immutable descriptions of VMs (docs/reference/compute-engine.md#instance-templates)."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_list
from dualstack_sim.compute.api.errors import Json, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion, new_key
from dualstack_sim.compute.machines.aliases import parse_alias_requests
from dualstack_sim.compute.machines.disks import ATTACHED
from dualstack_sim.compute.machines.instances import SCHEMA as INSTANCE
from dualstack_sim.compute.machines.interfaces import SCHEMA as INTERFACE
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str,
    "properties": dict, "sourceInstance": str, "sourceInstanceParams": dict, "region": str,
}  # fmt: skip
_PROPERTIES = (
    "advancedMachineFeatures", "canIpForward", "confidentialInstanceConfig", "description", "disks",
    "guestAccelerators", "keyRevocationActionType", "labels", "localSsdEncryptionMode", "machineType", "metadata",
    "minCpuPlatform", "networkInterfaces", "networkPerformanceConfig", "privateIpv6GoogleAccess",
    "reservationAffinity", "resourcePolicies", "scheduling", "serviceAccounts", "shieldedInstanceConfig", "tags",
    "workloadIdentityConfig",
)  # fmt: skip
PROPERTIES: dict[str, type] = {field: INSTANCE[field] for field in _PROPERTIES} | {"resourceManagerTags": dict}
_WHERE = "resource.properties"


class InstanceTemplates(Methods):
    """instanceTemplates.insert and delete. `api/reading.py` implements get and list."""

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "instanceTemplates", GLOBAL, body)
        if "properties" not in body:
            raise required(_WHERE)
        resource = project.inventory.identity(key, "instanceTemplate", call.now) | {
            "description": body.get("description", ""),
            "properties": self._properties(accept(body["properties"], PROPERTIES, _WHERE)),
        }
        return insertion(project, key, resource, kind="compute.instanceTemplates.insert")

    def delete(self, call: Call) -> Work:
        project = self._project
        key, resource = change_target(project, Key("instanceTemplates", GLOBAL, call.name))
        for user, group in project.inventory.all("instanceGroupManagers"):
            used = any(version["instanceTemplate"] == resource["selfLink"] for version in group["versions"])
            if used and enforced("templates.in-use"):
                raise in_use("instance_template", project.links.partial(key), project.links.partial(user))
        kind = "compute.instanceTemplates.delete"
        return Work(key, resource["id"], kind, lambda at: project.inventory.put(at, key, None))

    def _properties(self, properties: Json) -> Json:
        if not properties.get("machineType"):
            raise required(f"{_WHERE}.machineType")
        if "/" in properties["machineType"]:
            why = "Machine type must be specified by name in an instance template."
            raise invalid(f"{_WHERE}.machineType", properties["machineType"], why)
        if not properties.get("networkInterfaces"):
            raise invalid(f"{_WHERE}.networkInterfaces", "", "At least one network interface is required.")
        accept_list(properties.get("disks", []), ATTACHED, f"{_WHERE}.disks")
        interfaces = accept_list(properties["networkInterfaces"], INTERFACE, f"{_WHERE}.networkInterfaces")
        return properties | {
            "networkInterfaces": [self._interface(index, entry) for index, entry in enumerate(interfaces)],
            "metadata": {"kind": "compute#metadata"} | properties.get("metadata", {}),
        }

    def _interface(self, index: int, entry: Json) -> Json:
        """An interface with full links. Its aliases must be netmasks, because one template creates many VMs."""
        where = f"{_WHERE}.networkInterfaces[{index}]"
        for request in parse_alias_requests(self._project, entry.get("aliasIpRanges", []), f"{where}.aliasIpRanges"):
            if request.network is not None and enforced("templates.alias-masks"):
                why = "Only a netmask can be used in an instance template."
                raise invalid(request.where, request.network, why)
        links: dict[str, Any] = {}
        for field, collection in (("network", "networks"), ("subnetwork", "subnetworks")):
            if entry.get(field):
                key = self._project.links.read(entry[field], collection, GLOBAL)
                if key is None:
                    raise invalid(f"{where}.{field}", entry[field], "The URL is malformed.")
                links[field] = self._project.links.full(key)
        return {"kind": "compute#networkInterface", "name": f"nic{index}"} | entry | links
