"""Subnetworks: insert, patch (one kind of change at a time), expand, delete.

Source: docs/reference/compute-engine.md#networks-and-subnetworks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import reduce
from ipaddress import IPv4Network
from typing import Any

from dualstack_sim.compute.api.bodies import accept, echoed, one_of, same
from dualstack_sim.compute.api.errors import Json, condition_not_met, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import change_target, insertion, new_key
from dualstack_sim.compute.api.shapes import FLOW_LOG, MASKS, PARAMETERS
from dualstack_sim.compute.network.addresses import dotted, parse_ipv4
from dualstack_sim.compute.network.ipv6_prefixes import Ipv6Prefixes, without_prefix
from dualstack_sim.compute.network.peering_conflicts import refuse_peer_ranges
from dualstack_sim.compute.network.purposes import (
    PURPOSES,
    ROLES,
    active_proxies,
    changed_purpose,
    check_new,
    refuse_fields,
)
from dualstack_sim.compute.network.range_conflicts import (
    admits_routes,
    is_flagged,
    number_of_ranges,
    refuse_beyond_hybrid_limits,
    refuse_overlap,
    refuse_routes_inside,
    route_inside,
)
from dualstack_sim.compute.network.secondary_ranges import changed_ranges, first_ranges, subnet_range
from dualstack_sim.compute.project.allocation_quotas import ranges_failure
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, Any] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "network": str,
    "ipCidrRange": str, "gatewayAddress": str, "region": str, "privateIpGoogleAccess": bool, "secondaryIpRanges": list,
    "fingerprint": str, "enableFlowLogs": bool, "privateIpv6GoogleAccess": str, "ipv6CidrRange": str,
    "externalIpv6Prefix": str, "internalIpv6Prefix": str, "stackType": str, "ipv6AccessType": str, "purpose": str,
    "role": ROLES, "state": str, "logConfig": FLOW_LOG, "allowSubnetCidrRoutesOverlap": bool,
    "reservedInternalRange": str,
    "ipCollection": str, "ipv6GceEndpoint": str, "params": PARAMETERS, "resolveSubnetMask": MASKS,
    "utilizationDetails": dict,
    "systemReservedExternalIpv6Ranges": list, "systemReservedInternalIpv6Ranges": list,
}  # fmt: skip
_ECHOED = ("description", "role", "reservedInternalRange", "ipCollection", "resolveSubnetMask")
IMMUTABLE = (
    "name", "network", "region", "description", "ipCidrRange", "privateIpGoogleAccess", "reservedInternalRange",
)  # fmt: skip
KINDS: dict[str, tuple[str, ...]] = {
    "flow logs": ("enableFlowLogs", "logConfig"),
    "stack type": ("stackType", "ipv6AccessType", "externalIpv6Prefix", "internalIpv6Prefix", "ipCollection"),
    "secondary ranges": ("secondaryIpRanges",),
    "overlap": ("allowSubnetCidrRoutesOverlap",),
    "private IPv6 access": ("privateIpv6GoogleAccess",),
    "purpose": ("purpose", "role"),
    "mask": ("resolveSubnetMask",),
}
"""Kinds of change; a patch contains one of them (docs/reference/compute-engine.md#one-change-per-patch)."""
_TOGETHER = frozenset(("stack type", "overlap", "private IPv6 access"))
"""Kinds that one patch may combine where the knob `subnetwork-patch` says so."""
_LOGS: Json = {
    "enable": True,
    "aggregationInterval": "INTERVAL_5_SEC",
    "flowSampling": 0.5,
    "metadata": "EXCLUDE_ALL_METADATA",
}
STACKS = ("IPV4_ONLY", "IPV4_IPV6")


class Subnetworks:
    """subnetworks.insert, patch, expandIpCidrRange, setPrivateIpGoogleAccess, delete."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._prefixes = Ipv6Prefixes(project)

    # -- insert

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "subnetworks", call.scope, body, "network", "ipCidrRange")
        network, network_resource = project.reference(
            "resource.network", body["network"], "networks", GLOBAL, "network"
        )
        project.require_unlocked(network)
        primary = subnet_range(body["ipCidrRange"], "resource.ipCidrRange")
        resource = self._described(call, key, network, primary, body)
        check_new(project, resource, body)
        self._check_ranges(resource)
        access = self._stack_of_new(body, network_resource)
        if access:
            resource["ipv6AccessType"] = access
        preset = self._prefixes.preset(body.get("externalIpv6Prefix", ""), access)

        def finish(at: float) -> None:
            project.inventory.put(at, key, resource)
            if preset is not None:
                self._prefixes.reserve(key, preset)
            if access:
                self._prefixes.assign_later(at, key)

        failure = ranges_failure(project, resource["network"], number_of_ranges(resource))
        return insertion(project, key, resource, finish=finish, failure=failure)

    def _described(self, call: Call, key: Key, network: Key, primary: IPv4Network, body: Json) -> Json:
        project = self._project
        resource = project.inventory.identity(key, "subnetwork", call.now) | {
            "network": project.links.full(network),
            "region": project.links.within(call.scope),
            "ipCidrRange": str(primary),
            "gatewayAddress": dotted(int(primary.network_address) + 1),
            "privateIpGoogleAccess": body.get("privateIpGoogleAccess", False),
            "privateIpv6GoogleAccess": body.get("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS"),
            "purpose": one_of(body.get("purpose") or "PRIVATE", PURPOSES, "resource.purpose"),
            "stackType": body.get("stackType") or "IPV4_ONLY",
            "fingerprint": project.inventory.fingerprint(key),
        }
        resource |= echoed(body, _ECHOED)
        if self._serves_flag():
            resource["allowSubnetCidrRoutesOverlap"] = body.get("allowSubnetCidrRoutesOverlap", False)
        if body.get("secondaryIpRanges"):
            resource["secondaryIpRanges"] = first_ranges(project, body["secondaryIpRanges"])
        return resource | _flow_logs(body, {})

    def _check_ranges(self, resource: Json) -> None:
        """Check every range of a new subnetwork for conflicts, also with each other.

        Source: docs/reference/cut-over.md#e2, docs/reference/cut-over.md#e3.
        """
        fields = [("resource.ipCidrRange", resource["ipCidrRange"])]
        for index, entry in enumerate(resource.get("secondaryIpRanges", ())):
            fields.append((f"resource.secondaryIpRanges[{index}].ipCidrRange", entry["ipCidrRange"]))
        seen: list[IPv4Network] = []
        for field, text in fields:
            network = subnet_range(text, field)
            if any(network.overlaps(other) for other in seen):
                raise invalid(field, text, f"Invalid IPCidrRange: {text} conflicts with another range of the request.")
            seen.append(network)
            refuse_overlap(self._project, resource["network"], network, field)
            refuse_peer_ranges(self._project, resource["network"], network, field)
            if not admits_routes(resource):
                refuse_routes_inside(self._project, resource["network"], network, field)

    def _stack_of_new(self, body: Json, network: Json) -> str:
        if body.get("internalIpv6Prefix"):
            raise invalid("resource.internalIpv6Prefix", body["internalIpv6Prefix"], "It is assigned by the server.")
        if (body.get("stackType") or "IPV4_ONLY") == "IPV4_ONLY":
            if body.get("ipv6AccessType"):
                why = "Must be set together with stackType IPV4_IPV6."
                raise invalid("resource.ipv6AccessType", body["ipv6AccessType"], why)
            return ""
        one_of(body["stackType"], STACKS, "resource.stackType")
        return self._access_type(body.get("ipv6AccessType"), network)

    @staticmethod
    def _access_type(value: Any, network: Json) -> str:
        if not value:
            if enforced("subnetworks.access-type-needed"):
                raise required("resource.ipv6AccessType")
            value = "EXTERNAL"
        access = one_of(value, ("EXTERNAL", "INTERNAL"), "resource.ipv6AccessType")
        lacks_range = access == "INTERNAL" and "internalIpv6Range" not in network
        if lacks_range and enforced("subnetworks.internal-needs-range"):
            why = "The network does not have a ULA internal IPv6 range assigned."
            raise invalid("resource.ipv6AccessType", access, why)
        return access

    # -- changes

    def patch(self, call: Call) -> Work:
        key, current = self._changeable(call)
        body = accept(call.body, SCHEMA)
        frozen = [field for field in IMMUTABLE if field in body]
        if frozen and enforced("subnetworks.immutable-fields"):
            why = f"The following field(s) specified in the request cannot be modified: [{', '.join(frozen)}]"
            raise invalid("resource", _excerpt(body), why)
        self._check_fingerprint(body, current)
        refuse_fields(current["purpose"], body)
        kinds = [kind for kind, fields in KINDS.items() if any(field in body for field in fields)]
        together = self._project.knobs.subnetwork_patch == "grouped" and _TOGETHER.issuperset(kinds)
        if len(kinds) > 1 and not together and enforced("subnetworks.one-kind-of-change"):
            raise invalid("resource", _excerpt(body), "Only one field can be updated at a time.")
        changes = [self._changes(kind, key, current, body) for kind in kinds]
        return self._change(key, "patch", lambda now: reduce(lambda row, change: change(row), changes, dict(now)))

    def _changes(self, kind: str, key: Key, current: Json, body: Json) -> Callable[[Json], Json]:
        """The checked change of one kind, as a function from the old to the new resource."""
        if kind == "stack type":
            return self._stack_change(key, current, body)
        if kind == "secondary ranges":
            ranges = changed_ranges(self._project, key, current, body["secondaryIpRanges"])
            return lambda now: _without(now, "secondaryIpRanges") | ({"secondaryIpRanges": ranges} if ranges else {})
        if kind == "overlap":
            return self._flag_change(current, body["allowSubnetCidrRoutesOverlap"])
        if kind == "flow logs":
            return lambda now: _without(now, *KINDS["flow logs"]) | _flow_logs(body, now)
        if kind == "purpose":
            purpose = changed_purpose(current, body)
            return lambda now: now | purpose
        change = {field: body[field] for field in KINDS[kind] if field in body}
        return lambda now: now | change

    def _serves_flag(self) -> bool:
        """Whether this version of the API has the overlap flag (docs/reference/cut-over.md#e12)."""
        return self._project.knobs.overlap_flag == "shown" and enforced("subnetworks.flag-in-v1")

    def _flag_change(self, current: Json, flag: bool) -> Callable[[Json], Json]:
        """Set or clear the overlap flag; clearing is refused over conflicting routes."""
        knobs = self._project.knobs
        if not self._serves_flag():
            return lambda now: now
        if flag and knobs.hybrid_limits == "enforced":
            refuse_beyond_hybrid_limits(self._project, current["network"])
        if not flag and is_flagged(current) and knobs.clear_flag_over_routes == "refuse":
            for text in (current["ipCidrRange"], *(r["ipCidrRange"] for r in current.get("secondaryIpRanges", ()))):
                network = parse_ipv4(text)
                route = route_inside(self._project, current["network"], network) if network else None
                if route is not None and enforced("subnetworks.flag-off-over-routes"):
                    why = f"The range {text} conflicts with existing route '{route['name']}' ({route['destRange']})."
                    raise invalid("resource.allowSubnetCidrRoutesOverlap", "False", why)
        return lambda now: now | {"allowSubnetCidrRoutesOverlap": flag}

    def _stack_change(self, key: Key, current: Json, body: Json) -> Callable[[Json], Json]:
        """Change the stack type. An empty string, which some clients send, changes nothing."""
        for field in ("externalIpv6Prefix", "internalIpv6Prefix", "ipCollection"):
            changes = body.get(field) and not same(body[field], current.get(field))
            if changes and enforced("subnetworks.prefix-preset"):
                raise invalid(f"resource.{field}", body[field], "It can be chosen at creation only.")
        stack, access = body.get("stackType") or "", body.get("ipv6AccessType") or ""
        known = current.get("ipv6AccessType") or self._prefixes.remembered_access_type(key)
        if access and known and access != known and enforced("subnetworks.access-type-stays"):
            raise invalid("resource.ipv6AccessType", access, "The IPv6 access type cannot be changed.")
        if not stack or stack == current["stackType"]:
            if access and not known:
                raise invalid("resource.ipv6AccessType", access, "Must be set together with stackType IPV4_IPV6.")
            return lambda now: now
        one_of(stack, STACKS, "resource.stackType")
        if stack == "IPV4_IPV6":
            network_key = self._project.links.read(current["network"], "networks", GLOBAL)
            network = self._project.inventory.get(network_key) if network_key else {}
            chosen = self._access_type(access or known, network)
            return lambda now: now | {"stackType": "IPV4_IPV6", "ipv6AccessType": chosen}
        if known != "EXTERNAL" and enforced("subnetworks.internal-stays-dual"):
            why = "Changing the stack type from IPV4_IPV6 to IPV4_ONLY is not supported for internal IPv6."
            raise invalid("resource.stackType", stack, why)
        return lambda now: without_prefix(now) | {"stackType": "IPV4_ONLY"}

    def expand(self, call: Call) -> Work:
        """subnetworks.expandIpCidrRange: only to a superset (docs/reference/compute-engine.md#expand-primary-range)."""
        key, current = self._changeable(call)
        body = accept(call.body, {"ipCidrRange": str})
        if "ipCidrRange" not in body:
            raise required("ipCidrRange")
        wanted = subnet_range(body["ipCidrRange"], "ipCidrRange")
        present = subnet_range(current["ipCidrRange"], "ipCidrRange")
        if (not present.subnet_of(wanted) or present == wanted) and enforced("subnetworks.expand-only"):
            why = "The new range must be a superset of the current range."
            raise invalid("ipCidrRange", wanted, f"Invalid IPCidrRange: {why}")
        for added in wanted.address_exclude(present) if present.subnet_of(wanted) else ():
            refuse_overlap(self._project, current["network"], added, "ipCidrRange")
            refuse_peer_ranges(self._project, current["network"], added, "ipCidrRange")
            if not admits_routes(current):
                refuse_routes_inside(self._project, current["network"], added, "ipCidrRange")
        change = {"ipCidrRange": str(wanted), "gatewayAddress": dotted(int(wanted.network_address) + 1)}
        return self._change(key, "expandIpCidrRange", lambda now: now | change)

    def set_private_access(self, call: Call) -> Work:
        """subnetworks.setPrivateIpGoogleAccess."""
        key, _ = self._changeable(call)
        body = accept(call.body, {"privateIpGoogleAccess": bool})
        change = {"privateIpGoogleAccess": body.get("privateIpGoogleAccess", False)}
        return self._change(key, "setPrivateIpGoogleAccess", lambda now: now | change)

    def _changeable(self, call: Call) -> tuple[Key, Json]:
        return change_target(self._project, Key("subnetworks", call.scope, call.name))

    @staticmethod
    def _check_fingerprint(body: Json, current: Json) -> None:
        if body.get("fingerprint") != current["fingerprint"] and enforced("subnetworks.fingerprint"):
            raise condition_not_met()

    def _change(self, key: Key, kind: str, change: Callable[[Json], Json]) -> Work:
        """The change takes effect when the operation is DONE; until then its new ranges count as pending."""
        project = self._project
        current = project.inventory.get(key)
        more = max(0, number_of_ranges(change(current)) - number_of_ranges(current))

        def begin(_at: float) -> None:
            project.pending_subnetworks[key] = change(current)

        def abandon(_at: float) -> None:
            project.pending_subnetworks.pop(key, None)

        def finish(at: float) -> None:
            project.pending_subnetworks.pop(key, None)
            before = project.inventory.get(key)
            after = change(before)
            if after == before:
                return
            if enforced("subnetworks.fingerprint-changes"):
                after = after | {"fingerprint": project.inventory.fingerprint(key)}
            project.inventory.put(at, key, after)
            if after.get("role") == "ACTIVE" != before.get("role"):
                for other, row in list(active_proxies(project, after)):  # the active one becomes the backup
                    project.inventory.put(at, other, row | {"role": "BACKUP"})
            if after["stackType"] == "IPV4_IPV6" and before["stackType"] == "IPV4_ONLY":
                self._prefixes.assign_later(at, key)

        failure = ranges_failure(project, current["network"], more)
        return Work(key, current["id"], kind, finish, begin=begin, abandon=abandon, failure=failure)

    # -- delete

    def delete(self, call: Call) -> Work:
        """Refused while anything uses the subnetwork (docs/reference/compute-engine.md#subnetwork-delete)."""
        project = self._project
        key, resource = self._changeable(call)
        user = self._user(key, resource)
        if user:
            raise in_use("subnetwork", project.links.partial(key), user)

        def finish(at: float) -> None:
            project.inventory.put(at, key, None)
            project.pools.pop(key, None)
            self._prefixes.release(key)

        return Work(key, resource["id"], "delete", finish)

    def _user(self, key: Key, resource: Json) -> str:
        holder = self._project.pool(key).first_holder()
        if holder and enforced("subnetworks.in-use"):
            return holder
        for collection in ("forwardingRules", "networkEndpointGroups"):
            for user, document in self._project.inventory.all(collection):
                if document.get("subnetwork") == resource["selfLink"] and enforced("subnetworks.in-use"):
                    return self._project.links.partial(user)
        for router, document in self._project.inventory.all("routers"):
            for nat in document.get("nats", ()):
                named = any(entry.get("name") == resource["selfLink"] for entry in nat.get("subnetworks", ()))
                if named and enforced("subnetworks.in-use-by-nat"):
                    return self._project.links.partial(router)
        return ""


def _without(resource: Json, *fields: str) -> Json:
    return {field: value for field, value in resource.items() if field not in fields}


def _flow_logs(body: Json, current: Json) -> Json:
    """The fields enableFlowLogs and logConfig, which express the same setting."""
    given = dict(body.get("logConfig", {}))
    if "flowSampling" in given:
        given["flowSampling"] = _sampling(given["flowSampling"])
    config = {**current.get("logConfig", {}), **given}
    enabled = body.get("enableFlowLogs")
    if enabled is None:
        enabled = config.get("enable", current.get("enableFlowLogs"))
    if enabled:
        return {"enableFlowLogs": True, "logConfig": _LOGS | config | {"enable": True}}
    if enabled is None:
        return {}
    return {"enableFlowLogs": False, "logConfig": {"enable": False}}


def _sampling(share: float) -> float:
    """The share in single precision, as the shortest decimal (docs/reference/compute-engine.md#flow-sampling)."""
    if not 0 <= share <= 1 and enforced("subnetworks.flow-sampling-range"):
        raise invalid("resource.logConfig.flowSampling", share, "Must be between 0 and 1.")
    if not enforced("subnetworks.flow-sampling-precision"):
        return share
    single = struct.pack("f", share)
    return next(short for digits in range(1, 10) if struct.pack("f", short := float(f"{share:.{digits}g}")) == single)


def _excerpt(body: Json) -> str:
    """The start of the request, as error messages quote it."""
    inner = ",  ".join(f'"{field}": "{value}"' for field, value in body.items())
    return f"{{  {inner}"[:60]
