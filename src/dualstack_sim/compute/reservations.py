"""Static addresses, regional and global (compute-api.md 8)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from dualstack_sim.rules import enforced

from .addresses import dotted, fits_within, parse_ipv4, usable_primary
from .bodies import accept, one_of
from .errors import ApiError, Json, OperationFailed, already_exists, in_use, invalid, required
from .holdings import Holdings
from .operations import Work
from .project import Call, Project
from .references import Key, check_name

SCHEMA: dict[str, type] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "address": str,
    "prefixLength": int, "status": str, "region": str, "users": list, "networkTier": str, "ipVersion": str,
    "addressType": str, "purpose": str, "subnetwork": str, "network": str, "ipv6EndpointType": str, "labels": dict,
    "labelFingerprint": str, "ipCollection": str,
}  # fmt: skip


class Reservations:
    """addresses and globalAddresses: get, insert, delete and the addresses as a list shows them."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def shown(self, scope: str) -> list[Json]:
        """All addresses of a scope with their present users."""
        return [self._with_users(resource) for resource in self._project.inventory.table("addresses", scope).values()]

    def get(self, call: Call) -> Json:
        return self._with_users(self._project.inventory.get(Key("addresses", call.scope, call.name)))

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        if "name" not in body:
            raise required("resource.name")
        key = Key("addresses", call.scope, check_name(body["name"]))
        if project.inventory.find(key):
            raise already_exists(project.links.partial(key))
        kind = one_of(body.get("addressType", "EXTERNAL"), ("EXTERNAL", "INTERNAL"), "resource.addressType")
        holdings = Holdings(project, project.links.partial(key))
        resource = project.inventory.identity(key, "address", call.now) | {
            "description": body.get("description", ""),
            "addressType": kind,
            "status": "RESERVED",
            "networkTier": body.get("networkTier", "PREMIUM"),
            "labelFingerprint": project.inventory.fingerprint(key),
        }
        if call.scope.startswith("regions/"):
            resource["region"] = project.links.within(call.scope)
        try:
            resource |= self._internal(call.scope, body, holdings) if kind == "INTERNAL" else self._external(key, body)
        except OperationFailed as failed:
            return Work(key, resource["id"], "insert", lambda at: None, failure=failed.failure)

        def abandon(at: float) -> None:
            holdings.give_back()
            project.inventory.put(at, key, None, effective=False)

        return Work(
            key,
            resource["id"],
            "insert",
            lambda at: project.inventory.put(at, key, resource),
            begin=lambda at: project.inventory.put(at, key, resource, effective=False),
            abandon=abandon,
        )

    def delete(self, call: Call) -> Work:
        project = self._project
        key = project.inventory.canonical(Key("addresses", call.scope, call.name))
        project.require_idle(key)
        resource = self._with_users(project.inventory.get(key))
        if resource.get("users") and enforced("addresses.in-use"):
            raise in_use("address", project.links.partial(key), resource["users"][0].partition("/compute/v1/")[2])

        def finish(at: float) -> None:
            if "subnetwork" in resource:
                subnetwork = project.links.read(resource["subnetwork"], "subnetworks", "")
                holder = project.links.partial(key)
                if subnetwork is not None:
                    for block in project.book(subnetwork).blocks():
                        if block.holder == holder:
                            project.book(subnetwork).release(block)
            project.inventory.put(at, key, None)

        return Work(key, resource["id"], "delete", finish)

    def _external(self, key: Key, body: Json) -> Json:
        """Any free public address; one that is asked for by number is taken at its word."""
        taken = {resource["address"] for _, resource in self._project.inventory.all("addresses")}
        wanted = body.get("address")
        if wanted:
            if wanted in taken:
                raise ApiError(409, "alreadyExists", f"The address '{wanted}' is already reserved.")
            return {"address": wanted}
        ordinal = 0
        while True:
            number = self._project.chance.generator("reserved-address", *key, ordinal).randrange(1 << 20)
            address = dotted(int(IPv4Address("34.80.0.0")) + number)
            if address not in taken:
                return {"address": address}
            ordinal += 1

    def _internal(self, scope: str, body: Json, holdings: Holdings) -> Json:
        key, subnetwork = self._project.reference(
            "resource.subnetwork", body.get("subnetwork"), "subnetworks", scope, "subnetwork"
        )
        self._project.require_unlocked(key)
        whole = IPv4Network(subnetwork["ipCidrRange"])
        fields = {"subnetwork": subnetwork["selfLink"], "purpose": body.get("purpose", "GCE_ENDPOINT")}
        wanted = body.get("address")
        if not wanted:
            return fields | {"address": holdings.take_address(key, whole)}
        own = parse_ipv4(f"{wanted}/32")
        first, last = usable_primary(whole)
        if own is None or not fits_within(own, whole) or not first <= int(own.network_address) <= last:
            raise invalid("resource.address", wanted, "Must be a usable address of the subnetwork's primary range.")
        if enforced("addresses.internal-held"):
            holdings.take_block(key, own)
        return fields | {"address": wanted}

    def _with_users(self, resource: Json) -> Json:
        link = resource["selfLink"]
        users = [
            router["selfLink"]
            for _, router in self._project.inventory.all("routers")
            if any(link in nat.get("natIps", ()) for nat in router.get("nats", ()))
        ]
        return resource | {"status": "IN_USE", "users": users} if users else resource
