"""Static routes, and the subnet routes that the same list shows (docs/reference/compute-engine.md#routes)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dualstack_sim.compute.api.bodies import accept, accept_strings
from dualstack_sim.compute.api.errors import Json, OperationFailure, already_exists, bad_request, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key, check_name, unknown_reference
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion
from dualstack_sim.compute.network.addresses import Network, parse_cidr
from dualstack_sim.compute.network.peering_conflicts import peer_range, refuse_during_peering
from dualstack_sim.compute.network.range_conflicts import ClaimedRange, covering_range, range_texts, static_routes
from dualstack_sim.compute.project.allocation_quotas import STATIC_ROUTES, exhausted, fits
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "network": str,
    "tags": list, "destRange": str, "priority": int, "nextHopInstance": str, "nextHopIp": str, "nextHopNetwork": str,
    "nextHopGateway": str, "nextHopPeering": str, "nextHopIlb": str, "nextHopVpnTunnel": str, "nextHopHub": str,
    "nextHopInterconnectAttachment": str, "nextHopOrigin": str, "nextHopMed": int, "nextHopInterRegionCost": int,
    "warnings": list, "asPaths": list, "routeType": str, "routeStatus": str, "params": dict,
}  # fmt: skip
_NEXT_HOPS = ("nextHopInstance", "nextHopIp", "nextHopGateway", "nextHopIlb", "nextHopVpnTunnel", "nextHopNetwork")
_HIDES = (
    "Invalid value for field 'resource.destRange': '{0}'. {0} hides the address space of the network ({1}). "
    "Cannot change the routing of packets destined for the network."
)
_MOST_TAGS = 256


def _hex(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


def is_default_route(resource: Json) -> bool:
    """Whether this is the default route to the internet that was created with its network or first IPv6 range."""
    return str(resource.get("name", "")).startswith("default-route-") and "nextHopGateway" in resource


def add_default_route(project: Project, at: float, network: Key, destination: str) -> None:
    """Create the default route to the internet for a new network or its first external IPv6 range, if missing."""
    link = project.links.full(network)
    if any(route["destRange"] == destination for route in static_routes(project, link)):
        return
    ordinal = len(static_routes(project, link))
    key = Key("routes", GLOBAL, f"default-route-{_hex(project.name, network.name, destination, str(ordinal))}")
    resource = project.inventory.identity(key, "route", at) | {
        "description": "Default route to the Internet.",
        "network": link,
        "destRange": destination,
        "priority": 1000,
        "nextHopGateway": project.links.within("global/gateways/default-internet-gateway"),
    }
    project.inventory.put(at, key, resource)


def subnet_routes(project: Project) -> Iterator[Json]:
    """One route for each range of each subnetwork; they cannot be deleted.

    Source: docs/reference/compute-engine.md#subnet-routes.
    """
    for _, subnetwork in project.inventory.all("subnetworks"):
        for text in range_texts(subnetwork):
            digest = _hex(subnetwork["id"], text)
            name = f"default-route-r-{digest}"
            yield {
                "kind": "compute#route",
                "id": str(int(digest, 16) % (9 * 10**18) + 10**17),
                "name": name,
                "creationTimestamp": subnetwork["creationTimestamp"],
                "selfLink": project.links.full(Key("routes", GLOBAL, name)),
                "description": f"Default local route to the subnetwork {text}.",
                "network": subnetwork["network"],
                "destRange": text,
                "priority": 0,
                "nextHopNetwork": subnetwork["network"],
            }


class Routes(Methods):
    """routes.get, insert, delete, and the rows of routes.list."""

    def shown(self) -> Iterator[Json]:
        """All routes of the project, static ones without their warnings."""
        yield from self._project.inventory.table("routes", GLOBAL).values()
        if enforced("routes.subnet-routes-listed"):
            yield from subnet_routes(self._project)

    def get(self, call: Call) -> Json:
        key = Key("routes", GLOBAL, call.name)
        found = self._project.inventory.find(key)
        if found is not None:
            return self.with_warnings(found)
        local = self._subnet_route(call.name)
        return local if local is not None else self._project.inventory.get(key)

    def _subnet_route(self, name: str) -> Json | None:
        if not name.startswith("default-route-r-"):
            return None
        return next((route for route in subnet_routes(self._project) if route["name"] == name), None)

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key, resource = self._new(call, body)
        failure = self._conflict(resource) or self._quota(resource["network"])
        return insertion(project, key, resource, failure=failure)

    def delete(self, call: Call) -> Work:
        project = self._project
        local = self._subnet_route(call.name)
        if local is not None and enforced("routes.subnet-routes-stay"):
            raise bad_request(f"The local route '{call.name}' cannot be deleted.")
        key, resource = change_target(project, Key("routes", GLOBAL, call.name))
        refuse_during_peering(project, Key("networks", GLOBAL, resource["network"].rpartition("/")[2]))
        return Work(key, resource["id"], "delete", lambda at: project.inventory.put(at, key, None))

    def _new(self, call: Call, body: Json) -> tuple[Key, Json]:
        project = self._project
        for field in ("name", "network", "destRange"):
            if field not in body:
                raise required(f"resource.{field}")
        key = Key("routes", GLOBAL, check_name(body["name"]))
        if (project.inventory.find(key) or self._subnet_route(key.name)) and enforced("routes.name-taken"):
            raise already_exists(project.links.partial(key))
        network, _ = project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
        refuse_during_peering(project, network)
        project.require_unlocked(network)
        if parse_cidr(body["destRange"]) is None:
            raise invalid("resource.destRange", body["destRange"], "Must be a CIDR address range.")
        priority = body.get("priority", 1000 if enforced("routes.default-priority") else 0)
        if not 0 <= priority <= 65535 and enforced("routes.priority"):
            raise invalid("resource.priority", priority, "Must be between 0 and 65535.")
        resource = project.inventory.identity(key, "route", call.now) | {
            "description": body.get("description", ""),
            "network": project.links.full(network),
            "destRange": body["destRange"],
            "priority": priority,
            **self._next_hop(body),
        }
        if body.get("tags"):
            resource["tags"] = accept_strings(body["tags"], "resource.tags")
            if len(resource["tags"]) > _MOST_TAGS and enforced("routes.tags"):
                raise invalid("resource.tags", "", f"At most {_MOST_TAGS} network tags are allowed.")
        return key, resource

    def _next_hop(self, body: Json) -> Json:
        given = [field for field in _NEXT_HOPS if body.get(field)]
        if given in ([], ["nextHopNetwork"]):  # nextHopNetwork is only for the server's own routes
            raise required("resource.nextHop")
        if len(given) > 1 and enforced("routes.one-next-hop"):
            raise invalid(f"resource.{given[1]}", body[given[1]], "Exactly one next hop must be specified.")
        field, value = given[0], body[given[0]]
        links = self._project.links
        if field == "nextHopInstance":
            named = links.read(value, "instances", "zones/-")
            if named and self._project.inventory.find(named) is None and not enforced("routes.next-hop-exists"):
                return {field: links.full(named)}
            instance, _ = self._project.reference(f"resource.{field}", value, "instances", "zones/-", "instance")
            return {field: links.full(instance)}
        if field == "nextHopGateway":
            if not value.endswith("global/gateways/default-internet-gateway"):
                raise unknown_reference(f"resource.{field}", value, "gateway")
            return {field: links.within("global/gateways/default-internet-gateway")}
        return {field: value}

    def _conflict(self, route: Json) -> OperationFailure | None:
        """The failure for a route that hides a range of a subnetwork; a knob decides where it appears."""
        destination = parse_cidr(route["destRange"])
        if destination is None:
            return None
        knobs = self._project.knobs
        claim = covering_range(self._project, route["network"], destination)
        if claim is None or not self._is_forbidden(claim):
            return self._peer_conflict(route["network"], destination)
        if knobs.route_conflict == "request" or not enforced("routes.conflict-in-operation"):
            text = _HIDES.format(destination, claim.network).partition("'. ")[2]
            raise invalid("resource.destRange", destination, text)
        return OperationFailure("UNSUPPORTED_OPERATION", _HIDES.format(destination, claim.network))

    def _peer_conflict(self, network: str, destination: Network) -> OperationFailure | None:
        """The failure for a route that hides a range of a peer (docs/reference/cut-over.md#r10)."""
        found = peer_range(self._project, network, destination)
        if found is None or not enforced("peering.route-inside-range"):
            return None
        text = (
            f"{destination} hides the address space of the peer network from peering ({found[0]}). Cannot change the "
            "routing of packets destined for the peer network."
        )
        if self._project.knobs.route_conflict == "request":
            raise invalid("resource.destRange", destination, text)
        message = f"Invalid value for field 'resource.destRange': '{destination}'. {text}"
        return OperationFailure("UNSUPPORTED_OPERATION", message)

    def _is_forbidden(self, claim: ClaimedRange) -> bool:
        """Whether a route may not lie in the range; knob K1 decides for flagged ranges."""
        if claim.flagged and self._project.knobs.new_route_in_flagged_range == "allow":
            return False
        return enforced("routes.inside-flagged-range") if claim.flagged else enforced("routes.inside-range")

    def _quota(self, network: str) -> OperationFailure | None:
        """The failure beyond STATIC_ROUTES_PER_NETWORK, for IPv4 and IPv6 together."""
        if fits(self._project, network, STATIC_ROUTES, 1) or not enforced("quotas.static-routes"):
            return None
        return exhausted(self._project, network, STATIC_ROUTES)

    def with_warnings(self, route: Json) -> Json:
        """The route with a warning if its next hop is missing or cannot forward.

        Source: docs/reference/compute-engine.md#next-hop-gone.
        """
        hop = route.get("nextHopInstance")
        code = self._hop_warning(hop, route["network"]) if hop else None
        if code is None:
            return route
        warning: Json = {
            "code": code,
            "message": f"Next hop '{hop}' cannot forward: {code}.",
            "data": [{"key": "next_hop", "value": hop}],
        }
        return route | {"warnings": [warning]}

    def _hop_warning(self, hop: str, network: str) -> str | None:
        key = self._project.links.read(hop, "instances", "zones/-")
        instance = self._project.inventory.find(key) if key else None
        if instance is None and enforced("routes.lost-next-hop"):
            return "NEXT_HOP_INSTANCE_NOT_FOUND"
        if instance is None:
            return None
        if all(interface["network"] != network for interface in instance["networkInterfaces"]):
            return "NEXT_HOP_INSTANCE_NOT_ON_NETWORK"
        if instance["status"] != "RUNNING" and enforced("routes.stopped-next-hop"):
            return "NEXT_HOP_NOT_RUNNING"
        forwards = instance.get("canIpForward") or not enforced("routes.next-hop-cannot-forward")
        return None if forwards else "NEXT_HOP_CANNOT_IP_FORWARD"
