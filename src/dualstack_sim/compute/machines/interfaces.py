"""Network interfaces: building new ones, and instances.updateNetworkInterface.

Alias ranges are parsed and allocated in `aliases.py`. Sources: docs/reference/compute-engine.md#network-interfaces,
docs/reference/compute-engine.md#interface-updates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept, echoed, one_of, same
from dualstack_sim.compute.api.errors import (
    ApiError,
    Json,
    OperationFailed,
    bad_request,
    condition_not_met,
    invalid,
    not_ready,
    required,
)
from dualstack_sim.compute.api.operations import Work, no_effect
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, interface_of
from dualstack_sim.compute.machines.access_configs import access_configs, ipv6_access_config
from dualstack_sim.compute.machines.aliases import (
    allocate_aliases,
    compare_aliases,
    fail_repetition,
    merge_aliases,
    parse_alias_requests,
    refuse_aliases_of_routes,
)
from dualstack_sim.compute.machines.allocation_transaction import (
    AllocationTransaction,
    release_aliases,
    release_interface,
    release_ipv6,
)
from dualstack_sim.compute.network.addresses import block_of, fits_within, parse_ipv4, uncompressed, usable_primary
from dualstack_sim.compute.network.purposes import require_ordinary
from dualstack_sim.compute.project.allocation_quotas import check_aliases
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: Schema = {
    "kind": str, "name": str, "network": str, "subnetwork": str, "networkIP": str, "fingerprint": str, "stackType": str,
    "nicType": str, "aliasIpRanges": list, "aliasIpv6Ranges": list, "accessConfigs": list, "ipv6AccessType": str,
    "ipv6AccessConfigs": list, "ipv6Address": str, "internalIpv6PrefixLength": int, "queueCount": int,
    "networkAttachment": str, "enableVpcScopedDns": bool, "parentNicName": str, "serviceClassId": str,
    "vlan": int, "igmpQuery": ("IGMP_QUERY_DISABLED", "IGMP_QUERY_V2"),
}  # fmt: skip
_ECHOED = (
    "nicType", "enableVpcScopedDns", "igmpQuery", "networkAttachment", "parentNicName", "queueCount", "serviceClassId",
    "vlan",
)  # fmt: skip
_FIXED = ("name", "ipv6AccessType", "ipv6Address", "internalIpv6PrefixLength", "aliasIpv6Ranges", *_ECHOED)
"""Fields that updateNetworkInterface does not change here; clients may send the current values."""
STACKS = ("IPV4_ONLY", "IPV4_IPV6")
_IPV6_FIELDS = ("ipv6AccessType", "ipv6AccessConfigs", "ipv6Address", "internalIpv6PrefixLength")


# -- a new interface


def build_interface(
    project: Project, instance: Key, index: int, entry: Any, transaction: AllocationTransaction
) -> Json:
    """The interface as the API shows it, with its addresses allocated. Raises ApiError or OperationFailed."""
    where = f"resource.networkInterfaces[{index}]"
    if not isinstance(entry, Mapping):
        raise invalid(where, entry, "Must be an object.")
    body = accept(entry, SCHEMA, where)
    key, subnetwork = _subnetwork(project, instance, body, where)
    default = "IPV4_ONLY" if enforced("interfaces.default-stack") else subnetwork["stackType"]
    stack = one_of(body.get("stackType") or default, STACKS, f"{where}.stackType")
    if stack == "IPV4_IPV6":
        _require_dual_stack(project, key, subnetwork, f"{where}.stackType")
    requests = parse_alias_requests(project, body.get("aliasIpRanges", []), f"{where}.aliasIpRanges")
    fail_repetition(project, requests)
    interface: Json = {
        "kind": "compute#networkInterface",
        "name": f"nic{index}",
        "network": subnetwork["network"],
        "subnetwork": subnetwork["selfLink"],
        "networkIP": _primary_address(key, subnetwork, body.get("networkIP"), f"{where}.networkIP", transaction),
        "fingerprint": project.inventory.fingerprint(instance, f"nic{index}"),
        "stackType": stack,
    }
    interface |= echoed(body, _ECHOED)
    aliases = allocate_aliases(project, transaction, key, subnetwork, requests)
    if aliases:
        interface["aliasIpRanges"] = aliases
    if body.get("accessConfigs"):
        interface["accessConfigs"] = access_configs(project, instance, f"nic{index}", body["accessConfigs"], where)
    if body.get("aliasIpv6Ranges"):
        why = "It needs a secondary IPv6 range of the subnetwork, which is not supported."
        raise invalid(f"{where}.aliasIpv6Ranges", "", why)
    if stack == "IPV4_IPV6":
        interface |= _ipv6_fields(project, key, subnetwork, transaction, body, where)
    else:
        _refuse_ipv6(body, where)
    return interface


def _refuse_ipv6(body: Json, where: str) -> None:
    """Refuse IPv6 fields of an interface without IPv6, but not the access type, which clients send with any stack."""
    for field in ("ipv6AccessConfigs", "ipv6Address", "internalIpv6PrefixLength"):
        if body.get(field):
            raise invalid(f"{where}.{field}", "", "Must be set together with stackType IPV4_IPV6.")


def _subnetwork(project: Project, instance: Key, body: Json, where: str) -> tuple[Key, Json]:
    region = f"regions/{project.region_of(instance.scope)}"
    if not body.get("subnetwork"):
        if not body.get("network"):
            raise invalid(f"{where}.network", "", "At least one of network and subnetwork must be specified.")
        project.reference(f"{where}.network", body["network"], "networks", GLOBAL, "network")
        why = "Network interface must specify a subnet if the network resource is in custom subnet mode."
        raise invalid(f"{where}.subnetwork", "", why)
    field = f"{where}.subnetwork"
    key, subnetwork = project.reference(field, body["subnetwork"], "subnetworks", region, "subnetwork")
    if key.scope != region:
        raise invalid(field, body["subnetwork"], "The subnetwork is not in the region of the instance.")
    if body.get("network"):
        network, _ = project.reference(f"{where}.network", body["network"], "networks", GLOBAL, "network")
        if project.links.full(network) != subnetwork["network"]:
            raise invalid(field, body["subnetwork"], "The subnetwork does not belong to the specified network.")
    project.require_unlocked(key)
    require_ordinary(subnetwork)
    return key, subnetwork


def _primary_address(
    key: Key, subnetwork: Json, wanted: str | None, where: str, transaction: AllocationTransaction
) -> str:
    whole = IPv4Network(subnetwork["ipCidrRange"])
    if not wanted:
        return transaction.allocate_any_address(key, whole)
    own = parse_ipv4(f"{wanted}/32")
    if own is None or not fits_within(own, whole):
        raise invalid(where, wanted, "IP address is outside of the subnetwork's primary range.")
    first, last = usable_primary(whole)
    if not first <= int(own.network_address) <= last:
        raise invalid(where, wanted, "IP address is reserved.")
    transaction.allocate_address(key, own)
    return wanted


def _require_dual_stack(project: Project, key: Key, subnetwork: Json, where: str) -> None:
    """400 for a subnetwork that is not dual-stack, or has no prefix yet."""
    if subnetwork["stackType"] != "IPV4_IPV6" and enforced("interfaces.dual-needs-dual"):
        why = f"The subnetwork '{project.links.partial(key)}' does not support IPv6: its stack type is IPV4_ONLY."
        raise invalid(where, "IPV4_IPV6", why)
    if "ipv6CidrRange" not in subnetwork:
        raise not_ready(project.links.partial(key))


def _ipv6_fields(
    project: Project, key: Key, subnetwork: Json, transaction: AllocationTransaction, body: Json, where: str
) -> Json:
    """The fields for a /96, which depend on the access type (docs/reference/compute-engine.md#interface-ipv6)."""
    whole, access = IPv6Network(subnetwork["ipv6CidrRange"]), subnetwork["ipv6AccessType"]
    if body.get("ipv6AccessType", access) != access:
        raise invalid(f"{where}.ipv6AccessType", body["ipv6AccessType"], f"That of the subnetwork is {access}.")
    if access == "INTERNAL":
        if body.get("ipv6AccessConfigs"):
            why = "The subnetwork has internal IPv6 only."
            raise invalid(f"{where}.ipv6AccessConfigs", "", why)
        wanted, length = body.get("ipv6Address"), body.get("internalIpv6PrefixLength", 96)
        prefix = _ipv6_range(key, whole, wanted, length, f"{where}.ipv6Address", transaction)
        base = uncompressed(prefix.network_address)
        return {"ipv6AccessType": "INTERNAL", "ipv6Address": base, "internalIpv6PrefixLength": prefix.prefixlen}
    for field in ("ipv6Address", "internalIpv6PrefixLength"):
        if body.get(field):
            raise invalid(f"{where}.{field}", body[field], "The subnetwork has external IPv6.")
    config = ipv6_access_config(body.get("ipv6AccessConfigs", []), where)
    wanted, length = config.pop("externalIpv6", None), config.pop("externalIpv6PrefixLength", 96)
    prefix = _ipv6_range(key, whole, wanted, length, f"{where}.ipv6AccessConfigs[0].externalIpv6", transaction)
    address = {"externalIpv6": uncompressed(prefix.network_address), "externalIpv6PrefixLength": prefix.prefixlen}
    return {"ipv6AccessType": "EXTERNAL", "ipv6AccessConfigs": [config | address]}


def _ipv6_range(
    key: Key, whole: IPv6Network, wanted: str | None, length: int, field: str, transaction: AllocationTransaction
) -> IPv6Network:
    """The next free /96 of the subnetwork, or the requested one."""
    if length != 96:
        raise invalid(field, length, "The prefix length of a VM is 96.")
    if not wanted:
        return transaction.allocate_ipv6(key, whole)
    try:
        prefix = IPv6Network((wanted, 96))
    except ValueError:
        raise invalid(field, wanted, "Must be the first address of a /96.") from None
    if not prefix.subnet_of(whole):
        raise invalid(field, wanted, f"It is not in the range {whole} of the subnetwork.")
    transaction.allocate_ipv6_range(key, prefix)
    return prefix


# -- instances.updateNetworkInterface


class Interfaces(Methods):
    """The method instances.updateNetworkInterface (docs/reference/compute-engine.md#interface-updates)."""

    def update(self, call: Call) -> Work:
        """Plan the change and allocate its addresses; it takes effect when the operation is DONE.

        A second update during the first is refused like a stale fingerprint (412).
        """
        project = self._project
        key, instance = change_target(project, Key("instances", call.scope, call.name), shared=True)
        current = interface_of(instance, call)
        name = current["name"]
        lock = Key("networkInterfaces", key.scope, f"{key.name}/{name}")
        body = accept(call.body, SCHEMA)
        busy = "fingerprint" in body and project.operations.is_busy(lock)
        if busy and enforced("interfaces.one-change-at-a-time"):
            raise condition_not_met()
        transaction = AllocationTransaction(project, project.links.partial(key))
        kind = "updateNetworkInterface"
        try:
            change = _plan_update(project, key, instance["status"], current, body, transaction)
        except OperationFailed as failed:
            transaction.roll_back()
            return Work(key, instance["id"], kind, no_effect, failure=failed.failure, exclusive=False)
        except ApiError:
            transaction.roll_back()
            raise

        def count_pending(number: int) -> None:
            project.pending_aliases[current["network"]] += number

        def abandon(_at: float) -> None:
            count_pending(-change.more_aliases)
            transaction.roll_back()

        def finish(at: float) -> None:
            count_pending(-change.more_aliases)
            change.release()
            before = project.inventory.get(key)
            interfaces = [
                self._changed(key, entry, change) if entry["name"] == name else entry
                for entry in before["networkInterfaces"]
            ]
            if interfaces != before["networkInterfaces"]:
                project.inventory.put(at, key, before | {"networkInterfaces": interfaces})

        return Work(
            key,
            instance["id"],
            kind,
            finish,
            begin=lambda at: count_pending(change.more_aliases),
            abandon=abandon,
            exclusive=False,
            also_busy=(lock,),
        )

    def _changed(self, key: Key, before: Json, change: InterfaceChange) -> Json:
        after = change.apply(before)
        if after == before or not enforced("interfaces.fingerprint-changes"):
            return after
        return after | {"fingerprint": self._project.inventory.fingerprint(key, before["name"])}


def removes_aliases(project: Project, call: Call) -> bool:
    """Whether a request takes alias ranges away from an interface."""
    instance = project.inventory.find(Key("instances", call.scope, call.name))
    wanted = call.body.get("aliasIpRanges")
    if call.method != "instances.updateNetworkInterface" or instance is None or not isinstance(wanted, list):
        return False
    kept = {entry.get("ipCidrRange") for entry in wanted if isinstance(entry, dict)}
    name = call.query.get("networkInterface", "")
    present = [nic.get("aliasIpRanges", ()) for nic in instance["networkInterfaces"] if nic["name"] == name]
    return any(alias["ipCidrRange"] not in kept for aliases in present for alias in aliases)


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """A planned change. `apply` returns the new interface, `release` frees the addresses that it no longer has."""

    apply: Callable[[Json], Json]
    release: Callable[[], None]
    more_aliases: int = 0


def _plan_update(
    project: Project, instance: Key, status: str, current: Json, body: Json, transaction: AllocationTransaction
) -> InterfaceChange:
    """Check the request and allocate new addresses. Raises ApiError or OperationFailed.

    Clients may send the whole interface as they read it: a field with its current value is not a change.
    """
    if "fingerprint" not in body and enforced("interfaces.fingerprint-needed"):
        raise required("resource.fingerprint")
    stale = body.get("fingerprint", current["fingerprint"]) != current["fingerprint"]
    if stale and enforced("interfaces.fingerprint-stale"):
        raise condition_not_met()
    _refuse_fixed(current, body, status)
    if _is_move(current, body):
        return _move(project, instance, current, body, transaction)
    stack = body.get("stackType") or current["stackType"]
    stack_changes = stack != current["stackType"]
    present: list[Json] = current.get("aliasIpRanges", [])
    requested = body.get("aliasIpRanges", present)
    if not requested and not enforced("aliases.empty-list-clears"):
        requested = present
    requests = parse_alias_requests(project, requested, "resource.aliasIpRanges")
    fail_repetition(project, requests)
    difference = compare_aliases(present, requests)
    both = stack_changes and requested and (difference.added or difference.removed)
    if both and enforced("interfaces.one-kind-of-change"):
        raise bad_request("Alias IP ranges and stack type cannot be changed in the same request.")
    region = f"regions/{project.region_of(instance.scope)}"
    key, subnetwork = project.reference(
        "resource.subnetwork", current["subnetwork"], "subnetworks", region, "subnetwork"
    )
    if stack_changes or difference.added:
        project.require_unlocked(key)
    if stack_changes and status == "RUNNING" and project.knobs.interface_stack_type == "stopped":
        raise bad_request("The stack type of an interface can be changed only while its instance is stopped.")
    refuse_aliases_of_routes(project, current["network"], difference.added)
    holder = project.links.partial(instance)
    if stack_changes:
        change = _stack_change(project, key, subnetwork, stack, current, body, transaction)
        return change if requested else _with_aliases_cleared(change, project, key, current, holder)
    check_aliases(project, current["network"], len(difference.added))
    allocated = allocate_aliases(project, transaction, key, subnetwork, difference.added)
    aliases = merge_aliases(requests, difference.added, allocated)
    return InterfaceChange(
        lambda interface: _without(interface, "aliasIpRanges") | ({"aliasIpRanges": aliases} if aliases else {}),
        lambda: release_aliases(project, key, difference.removed, holder),
        len(difference.added),
    )


def _without(interface: Json, *fields: str) -> Json:
    return {field: value for field, value in interface.items() if field not in fields}


def _with_aliases_cleared(
    change: InterfaceChange, project: Project, key: Key, current: Json, holder: str
) -> InterfaceChange:
    """The same change, without aliases: clients that change the stack type may send an empty list.

    Source: docs/reference/cut-over.md#e13.
    """

    def release() -> None:
        change.release()
        release_aliases(project, key, current.get("aliasIpRanges", []), holder)

    return InterfaceChange(lambda interface: _without(change.apply(interface), "aliasIpRanges"), release)


def _stack_change(
    project: Project,
    key: Key,
    subnetwork: Json,
    wanted: str,
    current: Json,
    body: Json,
    transaction: AllocationTransaction,
) -> InterfaceChange:
    one_of(wanted, STACKS, "resource.stackType")
    if wanted == "IPV4_ONLY":
        return InterfaceChange(
            lambda interface: _without(interface, *_IPV6_FIELDS) | {"stackType": "IPV4_ONLY"},
            lambda: release_ipv6(project, key, current, transaction.holder),
        )
    _require_dual_stack(project, key, subnetwork, "resource.stackType")
    fields = _ipv6_fields(project, key, subnetwork, transaction, body, "resource")
    return InterfaceChange(lambda interface: interface | fields | {"stackType": "IPV4_IPV6"}, lambda: None)


def _is_move(current: Json, body: Json) -> bool:
    """Whether the request moves the interface to another subnetwork or address."""
    fields = ("network", "subnetwork", "networkIP")
    return any(body.get(f) and not current[f].endswith(body[f].rpartition("projects/")[2]) for f in fields)


def _move(
    project: Project, instance: Key, current: Json, body: Json, transaction: AllocationTransaction
) -> InterfaceChange:
    """Another subnetwork, with new addresses and the aliases of the request, or another address in the same one."""
    holder = project.links.partial(instance)
    requested: Json = {
        field: body[field] for field in ("network", "subnetwork", "networkIP", "aliasIpRanges") if field in body
    }
    if "subnetwork" not in requested:
        requested["subnetwork"] = current["subnetwork"]
    key, subnetwork = _subnetwork(project, instance, requested, "resource")
    if subnetwork["selfLink"] == current["subnetwork"]:
        wanted = body.get("networkIP") or None
        own = _primary_address(key, subnetwork, wanted, "resource.networkIP", transaction)
        before = block_of(IPv4Network(current["networkIP"]), holder)
        return InterfaceChange(
            lambda interface: interface | {"networkIP": own}, lambda: project.pool(key).release(before)
        )
    if body.get("networkIP") == current["networkIP"]:
        requested.pop("networkIP")
    index = int(current["name"].removeprefix("nic"))
    stack = body.get("stackType") or current["stackType"]
    new = build_interface(project, instance, index, requested | {"stackType": stack}, transaction)
    kept = {field: current[field] for field in ("accessConfigs", *_ECHOED) if field in current}
    old = project.links.read(current["subnetwork"], "subnetworks", "") or key
    return InterfaceChange(lambda _: new | kept, lambda: release_interface(project, old, current, holder))


def _refuse_fixed(current: Json, body: Json, status: str) -> None:
    """Refuse changes that this method does not support on a running VM, or at all.

    An interface that becomes dual-stack gets its IPv6 fields (docs/reference/compute-engine.md#live-ipv6-access).
    """
    becomes_dual = body.get("stackType") == "IPV4_IPV6" != current["stackType"]
    for field in ("accessConfigs", "ipv6AccessConfigs"):
        if field == "ipv6AccessConfigs" and becomes_dual:
            continue
        differs = field in body and not same(body[field], current.get(field))
        if differs and enforced("interfaces.access-configs-fixed"):
            raise _unsupported(field)
    for field in ("network", "subnetwork", "networkIP"):
        moves = bool(body.get(field)) and not current[field].endswith(body[field].rpartition("projects/")[2])
        if moves and status != "TERMINATED" and enforced("interfaces.address-fixed"):
            raise invalid(f"resource.{field}", body[field], "The instance must be stopped to change this field.")
    for field in _FIXED:
        if field in _IPV6_FIELDS and becomes_dual:
            continue
        if body.get(field) and not same(body[field], current.get(field)):
            raise _unsupported(field)


def _unsupported(field: str) -> ApiError:
    return invalid(f"resource.{field}", "", "Updating this field is not supported.")
