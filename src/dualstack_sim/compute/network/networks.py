"""VPC networks (docs/reference/compute-engine.md#networks)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Any

from dualstack_sim.compute.api.bodies import accept, refuse_changes
from dualstack_sim.compute.api.errors import ApiError, Json, OperationFailure, in_use_failure, invalid
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion, new_key
from dualstack_sim.compute.api.shapes import PARAMETERS, ROUTING
from dualstack_sim.compute.network.addresses import parse_cidr, uncompressed_prefix
from dualstack_sim.compute.network.routes import add_default_route, is_default_route
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, Any] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "selfLinkWithId": str, "name": str,
    "description": str, "autoCreateSubnetworks": bool, "routingConfig": ROUTING, "mtu": int, "IPv4Range": str,
    "gatewayIPv4": str, "enableUlaInternalIpv6": bool, "internalIpv6Range": str, "subnetworks": list, "peerings": list,
    "firewallPolicy": str, "networkFirewallPolicyEnforcementOrder": str, "networkProfile": str, "params": PARAMETERS,
}  # fmt: skip
_ULA = IPv6Network("fd20::/20")
_PATCHED = (
    "routingConfig", "mtu", "enableUlaInternalIpv6", "internalIpv6Range", "networkFirewallPolicyEnforcementOrder",
)  # fmt: skip


class Networks(Methods):
    """networks.insert, patch, delete. `api/reading.py` implements get and list."""

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "networks", GLOBAL, body)
        if body.get("autoCreateSubnetworks") is not False:
            why = "Only custom subnet mode networks can be created here."
            raise invalid("resource.autoCreateSubnetworks", body.get("autoCreateSubnetworks", ""), why)
        _check_new(body)
        resource = project.inventory.identity(key, "network", call.now)
        resource |= {
            "selfLinkWithId": f"{project.links.within('global/networks')}/{resource['id']}",
            "autoCreateSubnetworks": False,
            "routingConfig": {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"}
            | body.get("routingConfig", {}),
            "networkFirewallPolicyEnforcementOrder": body.get(
                "networkFirewallPolicyEnforcementOrder", "AFTER_CLASSIC_FIREWALL"
            ),
        }
        for field in ("description", "mtu", "enableUlaInternalIpv6"):
            if field in body:
                resource[field] = body[field]
        if resource.get("enableUlaInternalIpv6"):
            resource["internalIpv6Range"] = self._unique_local(key, body.get("internalIpv6Range"))

        def finish(at: float) -> None:
            project.inventory.put(at, key, resource)
            if enforced("networks.internet-route"):
                add_default_route(project, at, key, "0.0.0.0/0")

        return insertion(project, key, resource, finish=finish)

    def patch(self, call: Call) -> Work:
        project = self._project
        key, current = change_target(project, Key("networks", GLOBAL, call.name))
        body = accept(call.body, SCHEMA)
        _check(body)
        refuse_changes(body, current, ("name", "description", "autoCreateSubnetworks", "IPv4Range", "networkProfile"))
        change = {field: body[field] for field in _PATCHED if field in body}
        if "routingConfig" in change:
            change["routingConfig"] = current["routingConfig"] | change["routingConfig"]
        cleared = current.get("enableUlaInternalIpv6") and change.get("enableUlaInternalIpv6") is False
        if cleared and enforced("networks.unique-local-stays"):
            why = "ULA internal IPv6 ranges can not be disabled."
            raise invalid("resource.enableUlaInternalIpv6", "False", why)
        if not change.get("enableUlaInternalIpv6") or "internalIpv6Range" in current:
            refuse_changes(body, current, ("internalIpv6Range",))
        wanted = change.pop("internalIpv6Range", None)
        if change.get("enableUlaInternalIpv6") and "internalIpv6Range" not in current:
            change["internalIpv6Range"] = self._unique_local(key, wanted)
        return Work(
            key, current["id"], "patch", lambda at: project.inventory.put(at, key, project.inventory.get(key) | change)
        )

    def delete(self, call: Call) -> Work:
        """The operation fails while the network is in use (docs/reference/compute-engine.md#fails-in-operation)."""
        project = self._project
        key, resource = change_target(project, Key("networks", GLOBAL, call.name))

        def finish(at: float) -> None:
            for route in list(project.inventory.of_network("routes", resource["selfLink"])):
                project.inventory.put(at, route, None)
            project.inventory.put(at, key, None)

        return Work(key, resource["id"], "delete", finish, failure=self._user(key, resource["selfLink"]))

    def _user(self, key: Key, link: str) -> OperationFailure | None:
        peerings = self._project.inventory.get(key).get("peerings", ())
        if peerings and enforced("networks.in-use"):
            peer = peerings[0]["network"].partition("/compute/v1/")[2]
            return in_use_failure("network", self._project.links.partial(key), peer)
        for collection in _USERS:
            for user, resource in self._project.inventory.all(collection):
                if _uses(resource, link) and not is_default_route(resource) and enforced("networks.in-use"):
                    links = self._project.links
                    return in_use_failure("network", links.partial(key), links.partial(user))
        return None

    def _unique_local(self, key: Key, wanted: Any) -> str:
        taken = {resource.get("internalIpv6Range") for _, resource in self._project.inventory.all("networks")}
        if wanted is not None:
            network = parse_cidr(wanted) if isinstance(wanted, str) else None
            fits = isinstance(network, IPv6Network) and network.prefixlen == 48 and network.subnet_of(_ULA)
            if not isinstance(network, IPv6Network) or (not fits and enforced("networks.unique-local-range")):
                raise invalid("resource.internalIpv6Range", wanted, "Must be a /48 inside fd20::/20.")
            if uncompressed_prefix(network) in taken:
                raise ApiError(409, "alreadyExists", f"The range '{wanted}' is already in use.")
            return uncompressed_prefix(network)
        ordinal = 0
        while True:
            bits = self._project.chance.generator("unique-local", key.name, ordinal).getrandbits(28)
            prefix = IPv6Network((IPv6Address(int(_ULA.network_address) + (bits << 80)), 48))
            if uncompressed_prefix(prefix) not in taken:
                return uncompressed_prefix(prefix)
            ordinal += 1


_USERS = (
    "subnetworks", "firewalls", "routers", "instances", "routes", "forwardingRules", "networkEndpointGroups",
    "backendServices",
)  # fmt: skip


def with_subnetworks(project: Project, network: Json) -> Json:
    """The network with the links of its subnetworks, if it has any."""
    links = sorted(row["selfLink"] for row in project.inventory.of_network("subnetworks", network["selfLink"]).values())
    return network | {"subnetworks": links} if links and enforced("networks.lists-subnetworks") else network


def _uses(resource: Json, network: str) -> bool:
    if resource.get("network") == network:
        return True
    return any(interface.get("network") == network for interface in resource.get("networkInterfaces", ()))


def _check_new(body: Json) -> None:
    """Refuse legacy networks, network profiles, and an internal IPv6 range without the switch for it."""
    _check(body)
    if body.get("IPv4Range"):
        raise invalid("resource.IPv4Range", body["IPv4Range"], "Legacy networks can no longer be created.")
    if body.get("internalIpv6Range") and not body.get("enableUlaInternalIpv6"):
        raise invalid("resource.internalIpv6Range", body["internalIpv6Range"], "Needs enableUlaInternalIpv6.")
    if body.get("networkProfile"):
        why = "The referenced network profile resource cannot be found."
        raise invalid("resource.networkProfile", body["networkProfile"], why)


def _check(body: Json) -> None:
    if "mtu" in body and not 1300 <= body["mtu"] <= 8896 and enforced("networks.mtu"):
        raise invalid("resource.mtu", body["mtu"], "Must be between 1300 and 8896.")
