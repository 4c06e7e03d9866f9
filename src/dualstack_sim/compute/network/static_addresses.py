"""Static addresses, regional and global (docs/reference/compute-engine.md#addresses)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dualstack_sim.compute.api.bodies import accept, accept_labels, echoed, one_of
from dualstack_sim.compute.api.errors import ApiError, Json, OperationFailed, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, insertion, new_key
from dualstack_sim.compute.machines.access_configs import check_tier
from dualstack_sim.compute.machines.allocation_transaction import AllocationTransaction, ipv6_of
from dualstack_sim.compute.network.addresses import (
    dotted,
    fits_within,
    parse_ipv4,
    uncompressed,
    usable_primary,
    vm_prefix_number,
)
from dualstack_sim.compute.network.purposes import require_ordinary
from dualstack_sim.compute.network.range_conflicts import refuse_overlap
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "address": str,
    "prefixLength": int, "status": str, "region": str, "users": list, "networkTier": str, "ipVersion": str,
    "addressType": str, "purpose": str, "subnetwork": str, "network": str, "ipv6EndpointType": str, "labels": dict,
    "labelFingerprint": str, "ipCollection": str,
}  # fmt: skip
_ECHOED = ("ipCollection", "ipVersion", "ipv6EndpointType", "labels", "purpose")
_GLOBAL_POOL = 0x2600_1901_0000_0000 << 64
"""The pool of global IPv6 addresses, which differ in their fourth group."""


class StaticAddresses(Methods):
    """addresses and globalAddresses: get, insert, delete, and the rows of list."""

    def shown(self, scope: str) -> list[Json]:
        """All addresses of a scope with their current users."""
        resources = self._project.inventory.table("addresses", scope).values()
        users = self._users() if resources else {}
        return [self._with_users(resource, users) for resource in resources]

    def get(self, call: Call) -> Json:
        return self._with_users(self._project.inventory.get(Key("addresses", call.scope, call.name)), self._users())

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "addresses", call.scope, body)
        kind = one_of(body.get("addressType", "EXTERNAL"), ("EXTERNAL", "INTERNAL"), "resource.addressType")
        check_tier(body, "resource.networkTier", premium_only=kind == "INTERNAL" or body.get("ipVersion") == "IPV6")
        transaction = AllocationTransaction(project, project.links.partial(key))
        resource = (
            project.inventory.identity(key, "address", call.now)
            | {
                "description": body.get("description", ""),
                "addressType": kind,
                "status": "RESERVED",
                "networkTier": body.get("networkTier", "PREMIUM"),
                "labelFingerprint": project.inventory.fingerprint(key),
            }
            | echoed(body, _ECHOED)
        )
        if "labels" in resource:
            accept_labels(resource["labels"], "resource.labels")
        if call.scope.startswith("regions/"):
            resource["region"] = project.links.within(call.scope)
        try:
            resource |= self._chosen(key, kind, body, transaction)
        except OperationFailed as failed:
            return Work(key, resource["id"], "insert", lambda at: None, failure=failed.failure)

        def abandon(at: float) -> None:
            transaction.roll_back()
            project.inventory.put(at, key, None, effective=False)

        return insertion(project, key, resource, abandon=abandon)

    def delete(self, call: Call) -> Work:
        project = self._project
        key, stored = change_target(project, Key("addresses", call.scope, call.name))
        resource = self._with_users(stored, self._users())
        if resource.get("users") and enforced("addresses.in-use"):
            raise in_use("address", project.links.partial(key), resource["users"][0].partition("/compute/v1/")[2])

        def finish(at: float) -> None:
            if "subnetwork" in resource:
                subnetwork = project.links.read(resource["subnetwork"], "subnetworks", "")
                holder = project.links.partial(key)
                if subnetwork is not None:
                    for block in project.pool(subnetwork).blocks():
                        if block.holder == holder:
                            project.pool(subnetwork).release(block)
                    if resource.get("ipVersion") == "IPV6":
                        project.pool(subnetwork).release_ipv6(vm_prefix_number(resource["address"]))
            project.inventory.put(at, key, None)

        return Work(key, resource["id"], "delete", finish)

    def _chosen(self, key: Key, kind: str, body: Json, transaction: AllocationTransaction) -> Json:
        version = one_of(body.get("ipVersion") or "IPV4", ("IPV4", "IPV6"), "resource.ipVersion")
        if version == "IPV6":
            return {"ipVersion": "IPV6"} | self._ipv6(key, kind, body, transaction)
        return self._internal(key.scope, body, transaction) if kind == "INTERNAL" else self._external(key, body)

    def _ipv6(self, key: Key, kind: str, body: Json, transaction: AllocationTransaction) -> Json:
        """A global address from the pool of load balancers, or a /96 of a dual-stack subnetwork."""
        if not key.scope.startswith("regions/"):
            number = self._project.chance.generator("reserved-ipv6", *key).getrandbits(16)
            return {"address": uncompressed(IPv6Address(_GLOBAL_POOL + (number << 64)))}
        subnetwork_key, subnetwork = self._project.reference(
            "resource.subnetwork", body.get("subnetwork"), "subnetworks", key.scope, "subnetwork"
        )
        self._project.require_unlocked(subnetwork_key)
        require_ordinary(subnetwork)
        if subnetwork.get("ipv6AccessType") != kind or "ipv6CidrRange" not in subnetwork:
            why = f"The subnetwork has no {kind.lower()} IPv6 range."
            raise invalid("resource.subnetwork", body["subnetwork"], why)
        if body.get("address"):
            raise invalid("resource.address", body["address"], "IPv6 addresses are chosen by the server.")
        endpoint = one_of(body.get("ipv6EndpointType") or "VM", ("VM", "NETLB"), "resource.ipv6EndpointType")
        whole = IPv6Network(subnetwork["ipv6CidrRange"])
        taken = transaction.allocate_ipv6(subnetwork_key, whole, balancer=endpoint == "NETLB")
        fields = {"ipv6EndpointType": endpoint} if kind == "EXTERNAL" else {"purpose": "GCE_ENDPOINT"}
        return fields | {
            "subnetwork": subnetwork["selfLink"],
            "address": uncompressed(taken.network_address),
            "prefixLength": taken.prefixlen,
        }

    def _external(self, key: Key, body: Json) -> Json:
        """A free public address, or the requested one."""
        for field in ("network", "prefixLength", "subnetwork"):
            if body.get(field):
                raise invalid(f"resource.{field}", body[field], "Can only be used with internal addresses.")
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

    def _allocated(self, body: Json) -> Json:
        """A range for private service access, which no subnetwork can overlap.

        Source: docs/reference/compute-engine.md#reserved-range-overlap.
        """
        one_of(body.get("purpose"), ("VPC_PEERING",), "resource.purpose")
        for field in ("address", "prefixLength"):
            if not body.get(field):
                raise required(f"resource.{field}")
        key, network = self._project.reference("resource.network", body.get("network"), "networks", GLOBAL, "network")
        self._project.require_unlocked(key)
        wanted = parse_ipv4(f"{body['address']}/{body['prefixLength']}")
        if wanted is None:
            raise invalid("resource.address", body["address"], "Must be the first address of an IPv4 range.")
        refuse_overlap(self._project, network["selfLink"], wanted, "resource.address")
        fields = {field: body[field] for field in ("purpose", "address", "prefixLength")}
        return fields | {"network": network["selfLink"]}

    def _internal(self, scope: str, body: Json, transaction: AllocationTransaction) -> Json:
        if scope == GLOBAL:
            return self._allocated(body)
        key, subnetwork = self._project.reference(
            "resource.subnetwork", body.get("subnetwork"), "subnetworks", scope, "subnetwork"
        )
        self._project.require_unlocked(key)
        require_ordinary(subnetwork)
        whole = IPv4Network(subnetwork["ipCidrRange"])
        fields = {"subnetwork": subnetwork["selfLink"], "purpose": body.get("purpose", "GCE_ENDPOINT")}
        wanted = body.get("address")
        if not wanted:
            return fields | {"address": transaction.allocate_any_address(key, whole)}
        own = parse_ipv4(f"{wanted}/32")
        first, last = usable_primary(whole)
        if own is None or not fits_within(own, whole) or not first <= int(own.network_address) <= last:
            raise invalid("resource.address", wanted, "Must be a usable address of the subnetwork's primary range.")
        if enforced("addresses.internal-held"):
            transaction.allocate_block(key, own)
        return fields | {"address": wanted}

    def _users(self) -> dict[tuple[str, str], list[str]]:
        """(address, subnetwork or "") or ("", address link) -> links of the VMs and NATs that use it."""
        users: dict[tuple[str, str], list[str]] = {}
        for _, vm in self._project.inventory.all("instances"):
            for interface in vm["networkInterfaces"]:
                users.setdefault((interface["networkIP"], interface["subnetwork"]), []).append(vm["selfLink"])
                six = ipv6_of(interface)
                if six is not None:
                    users.setdefault((uncompressed(six), interface["subnetwork"]), []).append(vm["selfLink"])
                for config in interface.get("accessConfigs", ()):
                    users.setdefault((config.get("natIP", ""), ""), []).append(vm["selfLink"])
        for _, rule in self._project.inventory.all("forwardingRules"):
            address = rule["IPAddress"].partition("/")[0]
            internal = rule["loadBalancingScheme"] == "INTERNAL" or ":" in address
            users.setdefault((address, rule.get("subnetwork", "") if internal else ""), []).append(rule["selfLink"])
        for _, router in self._project.inventory.all("routers"):
            for link in {link for nat in router.get("nats", ()) for link in nat.get("natIps", ())}:
                users.setdefault(("", link), []).append(router["selfLink"])
        return users

    @staticmethod
    def _with_users(resource: Json, users: dict[tuple[str, str], list[str]]) -> Json:
        own = (resource["address"], resource.get("subnetwork", ""))
        found = [*users.get(("", resource["selfLink"]), ()), *users.get(own, ())]
        return resource | {"status": "IN_USE", "users": found} if found else resource
