"""Network interfaces: how a new one is furnished and what may change on a running VM (compute-api.md 7.1 to 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept, accept_list, echoed, one_of
from dualstack_sim.compute.api.errors import (
    ApiError,
    Json,
    bad_request,
    condition_not_met,
    invalid,
    not_ready,
    required,
)
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.machines.access_configs import SCHEMA as ACCESS_SCHEMA
from dualstack_sim.compute.machines.access_configs import access_config
from dualstack_sim.compute.machines.aliases import merged, read_wishes, revise, take
from dualstack_sim.compute.machines.allocation_transaction import (
    Holdings,
    release_aliases,
    release_interface,
    release_six,
)
from dualstack_sim.compute.network.addresses import block_of, fits_within, parse_ipv4, uncompressed, usable_primary
from dualstack_sim.compute.project.allocation_quotas import check_aliases
from dualstack_sim.compute.project.project import Project
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
STACKS = ("IPV4_ONLY", "IPV4_IPV6")
_SIX = ("ipv6AccessType", "ipv6AccessConfigs", "ipv6Address", "internalIpv6PrefixLength")


# -- a new interface


def furnish(project: Project, instance: Key, index: int, entry: Any, holdings: Holdings) -> Json:
    """The interface as the API shows it, its addresses held. ApiError or OperationFailed if it cannot be."""
    where = f"resource.networkInterfaces[{index}]"
    if not isinstance(entry, Mapping):
        raise invalid(where, entry, "Must be an object.")
    body = accept(entry, SCHEMA, where)
    key, subnetwork = _subnetwork(project, instance, body, where)
    default = "IPV4_ONLY" if enforced("interfaces.default-stack") else subnetwork["stackType"]
    stack = one_of(body.get("stackType") or default, STACKS, f"{where}.stackType")
    if stack == "IPV4_IPV6":
        _require_dual(project, key, subnetwork, f"{where}.stackType")
    wishes = read_wishes(project, body.get("aliasIpRanges", []), f"{where}.aliasIpRanges")
    interface: Json = {
        "kind": "compute#networkInterface",
        "name": f"nic{index}",
        "network": subnetwork["network"],
        "subnetwork": subnetwork["selfLink"],
        "networkIP": _own_address(key, subnetwork, body.get("networkIP"), f"{where}.networkIP", holdings),
        "fingerprint": project.inventory.fingerprint(instance, f"nic{index}"),
        "stackType": stack,
    }
    interface |= echoed(body, _ECHOED)
    aliases = take(project, holdings, key, subnetwork, wishes)
    if aliases:
        interface["aliasIpRanges"] = aliases
    if body.get("accessConfigs"):
        configs = accept_list(body["accessConfigs"], ACCESS_SCHEMA, f"{where}.accessConfigs")
        interface["accessConfigs"] = [
            access_config(project, instance, f"nic{index}", config, f"{where}.accessConfigs[0]") for config in configs
        ]
    if stack == "IPV4_IPV6":
        interface |= _six_fields(key, subnetwork, holdings)
    return interface


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
    return key, subnetwork


def _own_address(key: Key, subnetwork: Json, wanted: str | None, where: str, holdings: Holdings) -> str:
    whole = IPv4Network(subnetwork["ipCidrRange"])
    if not wanted:
        return holdings.take_address(key, whole)
    own = parse_ipv4(f"{wanted}/32")
    if own is None or not fits_within(own, whole):
        raise invalid(where, wanted, "IP address is outside of the subnetwork's primary range.")
    first, last = usable_primary(whole)
    if not first <= int(own.network_address) <= last:
        raise invalid(where, wanted, "IP address is reserved.")
    holdings.take_own(key, own)
    return wanted


def _require_dual(project: Project, key: Key, subnetwork: Json, where: str) -> None:
    """A dual-stack interface needs a dual-stack subnetwork whose prefix is there (compute-api.md 7.2)."""
    if subnetwork["stackType"] != "IPV4_IPV6" and enforced("interfaces.dual-needs-dual"):
        why = f"The subnetwork '{project.links.partial(key)}' does not support IPv6: its stack type is IPV4_ONLY."
        raise invalid(where, "IPV4_IPV6", why)
    if "ipv6CidrRange" not in subnetwork:
        raise not_ready(project.links.partial(key))


def _six_fields(key: Key, subnetwork: Json, holdings: Holdings) -> Json:
    """The /96 of a dual-stack interface, spelled as the access type demands (compute-api.md 7.1)."""
    taken = holdings.take_six(key, IPv6Network(subnetwork["ipv6CidrRange"]))
    base = uncompressed(taken.network_address)
    if subnetwork["ipv6AccessType"] == "INTERNAL":
        return {"ipv6AccessType": "INTERNAL", "ipv6Address": base, "internalIpv6PrefixLength": taken.prefixlen}
    config = {
        "kind": "compute#accessConfig",
        "type": "DIRECT_IPV6",
        "name": "external-ipv6",
        "externalIpv6": base,
        "externalIpv6PrefixLength": taken.prefixlen,
        "networkTier": "PREMIUM",
    }
    return {"ipv6AccessType": "EXTERNAL", "ipv6AccessConfigs": [config]}


# -- a changed interface


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """A checked change: `apply` yields the new interface, `release` gives up what it no longer holds."""

    apply: Callable[[Json], Json]
    release: Callable[[], None]
    more_aliases: int = 0


def revise_interface(
    project: Project, instance: Key, status: str, current: Json, body: Json, holdings: Holdings
) -> InterfaceChange:
    """updateNetworkInterface (compute-api.md 7.3). New addresses are held; ApiError or OperationFailed otherwise.

    Clients may send the whole interface as they read it: what equals the present value is no change.
    """
    if "fingerprint" not in body and enforced("interfaces.fingerprint-needed"):
        raise required("resource.fingerprint")
    stale = body.get("fingerprint", current["fingerprint"]) != current["fingerprint"]
    if stale and enforced("interfaces.fingerprint-stale"):
        raise condition_not_met()
    _refuse_fixed(current, body, status)
    if _moves(current, body):
        return _relocation(project, instance, current, body, holdings)
    wanted = body.get("stackType") or current["stackType"]
    stack_changes = wanted != current["stackType"]
    present: list[Json] = current.get("aliasIpRanges", [])
    requested = body.get("aliasIpRanges", present)
    if not requested and not enforced("aliases.empty-list-clears"):
        requested = present
    wishes = read_wishes(project, requested, "resource.aliasIpRanges")
    revision = revise(present, wishes)
    both = stack_changes and requested and (revision.added or revision.removed)
    if both and enforced("interfaces.one-kind-of-change"):
        raise bad_request("Alias IP ranges and stack type cannot be changed in the same request.")
    region = f"regions/{project.region_of(instance.scope)}"
    key, subnetwork = project.reference(
        "resource.subnetwork", current["subnetwork"], "subnetworks", region, "subnetwork"
    )
    if stack_changes or revision.added:
        project.require_unlocked(key)
    holder = project.links.partial(instance)
    if stack_changes:
        change = _stack_change(project, key, subnetwork, wanted, current, holdings)
        return change if requested else _with_aliases_cleared(change, project, key, current, holder)
    check_aliases(project, current["network"], len(revision.added))
    taken = take(project, holdings, key, subnetwork, revision.added)
    aliases = merged(wishes, revision.added, taken)
    return InterfaceChange(
        lambda interface: _without_aliases(interface) | ({"aliasIpRanges": aliases} if aliases else {}),
        lambda: release_aliases(project, key, revision.removed, holder),
        len(revision.added),
    )


def _without_aliases(interface: Json) -> Json:
    return {field: value for field, value in interface.items() if field != "aliasIpRanges"}


def _with_aliases_cleared(
    change: InterfaceChange, project: Project, key: Key, current: Json, holder: str
) -> InterfaceChange:
    """The same change, and no aliases any more (E13): who names a stack type only may send an empty list."""

    def release() -> None:
        change.release()
        release_aliases(project, key, current.get("aliasIpRanges", []), holder)

    return InterfaceChange(lambda interface: _without_aliases(change.apply(interface)), release)


def _stack_change(
    project: Project, key: Key, subnetwork: Json, wanted: str, current: Json, holdings: Holdings
) -> InterfaceChange:
    one_of(wanted, STACKS, "resource.stackType")
    if wanted == "IPV4_ONLY":
        return InterfaceChange(
            lambda interface: (
                {field: value for field, value in interface.items() if field not in _SIX} | {"stackType": "IPV4_ONLY"}
            ),
            lambda: release_six(project, key, current),
        )
    _require_dual(project, key, subnetwork, "resource.stackType")
    fields = _six_fields(key, subnetwork, holdings)
    return InterfaceChange(lambda interface: interface | fields | {"stackType": "IPV4_IPV6"}, lambda: None)


def _moves(current: Json, body: Json) -> bool:
    """Whether the request gives the interface another subnetwork or another address."""
    fields = ("network", "subnetwork", "networkIP")
    return any(body.get(f) and not current[f].endswith(body[f].rpartition("projects/")[2]) for f in fields)


def _relocation(project: Project, instance: Key, current: Json, body: Json, holdings: Holdings) -> InterfaceChange:
    """Another subnetwork, with new addresses and the aliases of the request, or another address in the same one."""
    holder = project.links.partial(instance)
    wish: Json = {
        field: body[field] for field in ("network", "subnetwork", "networkIP", "aliasIpRanges") if field in body
    }
    if "subnetwork" not in wish:
        wish["subnetwork"] = current["subnetwork"]
    key, subnetwork = _subnetwork(project, instance, wish, "resource")
    if subnetwork["selfLink"] == current["subnetwork"]:
        wanted = body.get("networkIP") or None
        own = _own_address(key, subnetwork, wanted, "resource.networkIP", holdings)
        before = block_of(IPv4Network(current["networkIP"]), holder)
        return InterfaceChange(
            lambda interface: interface | {"networkIP": own}, lambda: project.book(key).release(before)
        )
    if body.get("networkIP") == current["networkIP"]:
        wish.pop("networkIP")
    index = int(current["name"].removeprefix("nic"))
    stack = body.get("stackType") or current["stackType"]
    fresh = furnish(project, instance, index, wish | {"stackType": stack}, holdings)
    kept = {field: current[field] for field in ("accessConfigs", *_ECHOED) if field in current}
    left = project.links.read(current["subnetwork"], "subnetworks", "") or key
    return InterfaceChange(lambda _: fresh | kept, lambda: release_interface(project, left, current, holder))


def _refuse_fixed(current: Json, body: Json, status: str) -> None:
    """What this call cannot change, on a running VM or at all."""
    for field in ("accessConfigs", "ipv6AccessConfigs"):
        differs = field in body and body[field] != current.get(field, [])
        if differs and enforced("interfaces.access-configs-fixed"):
            raise _unsupported(field)
    for field in ("network", "subnetwork", "networkIP"):
        differs = body.get(field) and not current[field].endswith(body[field].rpartition("projects/")[2])
        if differs and status != "TERMINATED" and enforced("interfaces.address-fixed"):
            raise invalid(f"resource.{field}", body[field], "The instance must be stopped to change this field.")
    for field in ("name", "nicType"):
        if body.get(field) and body[field] != current.get(field):
            raise _unsupported(field)


def _unsupported(field: str) -> ApiError:
    return invalid(f"resource.{field}", "", "Updating this field is not supported.")
