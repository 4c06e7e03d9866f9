"""Zonal network endpoint groups of VMs (docs/reference/compute-engine.md#network-endpoint-groups)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, ip_address

from dualstack_sim.compute.api.bodies import Schema, accept, accept_list, echoed
from dualstack_sim.compute.api.errors import Json, bad_request, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, insertion, new_key
from dualstack_sim.compute.balancing.backend_groups import ENDPOINTS, shown, users_of
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "zone": str,
    "region": str, "network": str, "subnetwork": str, "networkEndpointType": str, "defaultPort": int, "size": int,
    "annotations": dict, "appEngine": dict, "cloudFunction": dict, "cloudRun": dict, "pscData": dict,
    "pscTargetService": str,
}  # fmt: skip
TYPES = ("GCE_VM_IP", "GCE_VM_IP_PORT")
"""The types that are simulated: those of VMs."""
_ENDPOINT: Schema = {
    "instance": str, "ipAddress": str, "ipv6Address": str, "port": int, "annotations": dict, "fqdn": str,
    "clientDestinationPort": int,
}  # fmt: skip


class EndpointGroups(Methods):
    """networkEndpointGroups: insert, delete, attachNetworkEndpoints, detachNetworkEndpoints, and their reads."""

    collection = "networkEndpointGroups"

    def rows(self, scope: str) -> list[Json]:
        table = self._project.inventory.table("networkEndpointGroups", scope)
        return [shown(self._project, Key("networkEndpointGroups", scope, name), group) for name, group in table.items()]

    def get(self, call: Call) -> Json:
        key = Key("networkEndpointGroups", call.scope, call.name)
        return shown(self._project, key, self._project.inventory.get(key))

    def endpoints(self, call: Call) -> list[Json]:
        """The rows of listNetworkEndpoints."""
        group = self._project.inventory.get(Key("networkEndpointGroups", call.scope, call.name))
        return [{"name": str(index), "networkEndpoint": entry} for index, entry in enumerate(group[ENDPOINTS])]

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "networkEndpointGroups", call.scope, body)
        kind = body.get("networkEndpointType", "GCE_VM_IP_PORT")
        if kind not in TYPES:
            raise invalid("resource.networkEndpointType", kind, f"Must be one of: {', '.join(TYPES)}.")
        for field in ("appEngine", "cloudFunction", "cloudRun", "pscData", "pscTargetService"):
            if body.get(field):
                raise invalid(f"resource.{field}", "", f"Not supported for network endpoint type {kind}.")
        if kind == "GCE_VM_IP" and "defaultPort" in body:
            raise invalid(
                "resource.defaultPort", body["defaultPort"], "Not supported for network endpoint type GCE_VM_IP."
            )
        resource = project.inventory.identity(key, "networkEndpointGroup", call.now) | {
            "zone": project.links.within(call.scope),
            "networkEndpointType": kind,
            ENDPOINTS: [],
        }
        return insertion(project, key, resource | self._place(call.scope, body) | echoed(body, _ECHOED))

    def _place(self, scope: str, body: Json) -> Json:
        project = self._project
        place: Json = {}
        if body.get("subnetwork"):
            region = f"regions/{project.region_of(scope)}"
            _, subnetwork = project.reference(
                "resource.subnetwork", body["subnetwork"], "subnetworks", region, "subnetwork"
            )
            place = {"network": subnetwork["network"], "subnetwork": subnetwork["selfLink"]}
        if body.get("network"):
            key, _ = project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
            if place and place["network"] != project.links.full(key):
                why = "The subnetwork does not belong to the specified network."
                raise invalid("resource.subnetwork", body["subnetwork"], why)
            place["network"] = project.links.full(key)
        if not place:
            raise required("resource.network")
        return place

    def delete(self, call: Call) -> Work:
        """Refused while a backend service uses it."""
        key, resource = self._target(call)
        for service in users_of(self._project, key):
            if enforced("balancing.group-in-use"):
                links = self._project.links
                raise in_use("network_endpoint_group", links.partial(key), links.partial(service))
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def attach(self, call: Call) -> Work:
        """Attaching an attached endpoint again changes nothing."""
        key, resource = self._target(call)
        new = [self._endpoint(call.scope, resource, field, entry) for field, entry in self._entries(call)]
        return self._change(
            key,
            resource,
            "attachNetworkEndpoints",
            lambda now: [*now, *(entry for index, entry in enumerate(new) if entry not in (*now, *new[:index]))],
        )

    def detach(self, call: Call) -> Work:
        key, resource = self._target(call)
        gone = [self._endpoint(call.scope, resource, field, entry) for field, entry in self._entries(call)]
        for entry in gone:
            if entry not in resource[ENDPOINTS]:
                raise bad_request(f"The network endpoint {_named(entry)} is not attached to '{key.name}'.")
        return self._change(
            key, resource, "detachNetworkEndpoints", lambda now: [entry for entry in now if entry not in gone]
        )

    def _change(self, key: Key, resource: Json, kind: str, change: Callable[[list[Json]], list[Json]]) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            current = inventory.get(key)
            inventory.put(at, key, current | {ENDPOINTS: change(current[ENDPOINTS])})

        return Work(key, resource["id"], kind, finish)

    @staticmethod
    def _entries(call: Call) -> list[tuple[str, Json]]:
        body = accept(call.body, {"networkEndpoints": list})
        entries = accept_list(body.get("networkEndpoints", []), _ENDPOINT, "resource.networkEndpoints")
        if not entries:
            raise required("resource.networkEndpoints")
        return [(f"resource.networkEndpoints[{index}]", entry) for index, entry in enumerate(entries)]

    def _endpoint(self, scope: str, group: Json, field: str, entry: Json) -> Json:
        """The checked endpoint: a VM of the zone in the network of the group, and addresses of that VM."""
        for unknown in ("fqdn", "clientDestinationPort"):
            if entry.get(unknown):
                raise invalid(f"{field}.{unknown}", entry[unknown], "Not supported for endpoints of VMs.")
        key, vm = self._project.reference(f"{field}.instance", entry.get("instance"), "instances", scope, "instance")
        nic = next((nic for nic in vm["networkInterfaces"] if nic["network"] == group["network"]), None)
        if key.scope != scope or nic is None:
            raise invalid(f"{field}.instance", entry["instance"], "It is not in the zone and the network of the group.")
        address = entry.get("ipAddress") or nic["networkIP"]
        if not _is_address_of(nic, address) and enforced("balancing.endpoint-address"):
            raise invalid(f"{field}.ipAddress", address, f"It is not an address of the instance '{key.name}'.")
        endpoint = {"instance": vm["selfLink"], "ipAddress": address} | echoed(entry, ("ipv6Address", "annotations"))
        if group["networkEndpointType"] == "GCE_VM_IP":
            if entry.get("port"):
                raise invalid(f"{field}.port", entry["port"], "Not supported for network endpoint type GCE_VM_IP.")
            return endpoint
        port = entry.get("port") or group.get("defaultPort")
        if not port:
            raise required(f"{field}.port")
        return endpoint | {"port": port}


_ECHOED = ("description", "defaultPort", "annotations")


def _is_address_of(nic: Json, text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not isinstance(address, IPv4Address):
        return False
    own = [f"{nic['networkIP']}/32", *(alias["ipCidrRange"] for alias in nic.get("aliasIpRanges", ()))]
    return any(address in IPv4Network(cidr) for cidr in own)


def _named(entry: Json) -> str:
    return f"{entry['instance'].rpartition('/')[2]} {entry['ipAddress']}:{entry.get('port', '')}"
