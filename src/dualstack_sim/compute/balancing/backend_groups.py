"""The VMs behind a backend: the members of instance groups, of managers of such, and of network endpoint groups."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import Key, unknown_reference
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

MEMBERS = "members"
"""The field of a stored instance group with its members, which the API shows only in listInstances.

Each is `{"instance": link, "id": id of that VM}`: a VM of the same name that is created later is not a member."""
ENDPOINTS = "endpoints"
"""The field of a stored endpoint group with its endpoints, which the API shows only in listNetworkEndpoints."""


def shown(project: Project, key: Key, group: Json) -> Json:
    """An unmanaged instance group or an endpoint group as the API shows it."""
    bare = {field: value for field, value in group.items() if field not in (MEMBERS, ENDPOINTS)}
    if key.collection == "networkEndpointGroups":
        return bare | {"size": len(group[ENDPOINTS])}
    vms = [vm for _, vm in vms_of(project, key, group)]
    bare |= {"size": len(vms)}
    if vms:
        first = vms[0]["networkInterfaces"][0]
        bare |= {"network": first["network"], "subnetwork": first["subnetwork"]}
    return bare


def vms_of(project: Project, key: Key, group: Json) -> Iterator[tuple[Key, Json]]:
    """The VMs of a group that exist, each once."""
    found: dict[Key, Json] = {}
    for member in _members(project, key, group):
        vm_key = project.links.read(member["instance"], "instances", key.scope)
        vm = project.inventory.find(vm_key) if vm_key else None
        if vm_key and vm and ("id" not in member or vm["id"] == member["id"]):
            found[vm_key] = vm
    yield from found.items()


def _members(project: Project, key: Key, group: Json) -> list[Json]:
    if MEMBERS in group or ENDPOINTS in group:
        members: list[Json] = group.get(MEMBERS) or group.get(ENDPOINTS) or []
        if not enforced("balancing.member-is-one-vm"):
            return [{"instance": member["instance"]} for member in members]
        return members
    managed = project.inventory.table("managedInstances", key.scope).values()
    return [{"instance": record["name"]} for record in managed if record["group"] == key.name]


def find_group(project: Project, field: str, link: str) -> tuple[Key, Json]:
    """The key of the group that a backend names, and its stored resource: the manager's, for a managed group."""
    for collection in ("instanceGroups", "networkEndpointGroups"):
        key = project.links.read(link, collection, "")
        found = project.inventory.find(key) if key else None
        if key and found is None and collection == "instanceGroups":
            found = project.inventory.find(Key("instanceGroupManagers", key.scope, key.name))
        if key and found is not None:
            return key, found
    raise unknown_reference(field, link, "group")


def users_of(project: Project, key: Key) -> Iterator[Key]:
    """The backend services with this group as a backend."""
    link = project.links.full(key)
    for service, resource in project.inventory.all("backendServices"):
        if any(backend["group"] == link for backend in resource.get("backends", ())):
            yield service


def balanced_group_of(project: Project, vm: Key, *, besides: Key) -> Key | None:
    """Another load-balanced instance group with this VM (docs/reference/compute-engine.md#one-balanced-group)."""
    for key, group in project.inventory.all("instanceGroups"):
        contains = key != besides and any(member == vm for member, _ in vms_of(project, key, group))
        if contains and next(users_of(project, key), None) is not None:
            return key
    return None
