"""Secondary ranges of a subnetwork.

Source: docs/reference/compute-engine.md#secondary-ranges, docs/reference/cut-over.md#r11.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept_list, echoed
from dualstack_sim.compute.api.errors import Json, in_use, invalid, required
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.api.shapes import IP_VERSIONS
from dualstack_sim.compute.network.addresses import parse_ipv4
from dualstack_sim.compute.network.peering_conflicts import refuse_peer_ranges
from dualstack_sim.compute.network.range_conflicts import admits_routes, refuse_overlap, refuse_routes_inside
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

SCHEMA: Schema = {
    "rangeName": str,
    "ipCidrRange": str,
    "reservedInternalRange": str,
    "ipVersion": (*IP_VERSIONS, "IP_VERSION_UNSPECIFIED"),
    "ipCollection": str,
}
_ECHOED = ("reservedInternalRange", "ipVersion")
MINIMUM_PREFIX = 29
PROHIBITED = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "199.36.153.4/30", "199.36.153.8/30", "224.0.0.0/4",
        "255.255.255.255/32",
    )
)  # fmt: skip
_FIELD = "resource.secondaryIpRanges"


def first_ranges(project: Project, value: list[Any]) -> list[Json]:
    """The checked ranges of a new subnetwork, without conflicts with other ranges."""
    entries = accept_list(value, SCHEMA, _FIELD)
    limit = project.limits.secondary_ranges_per_subnetwork
    if len(entries) > limit and enforced("quotas.secondary-ranges"):
        raise invalid(_FIELD, "", f"At most {limit} secondary IP ranges are allowed.")
    names: set[str] = set()
    result = []
    for index, entry in enumerate(entries):
        where = f"{_FIELD}[{index}]"
        for field in ("rangeName", "ipCidrRange"):
            if not entry.get(field):
                raise required(f"{where}.{field}")
        if entry.get("ipVersion") == "IPV6" or entry.get("ipCollection"):
            field = "ipVersion" if entry.get("ipVersion") == "IPV6" else "ipCollection"
            raise invalid(f"{where}.{field}", entry[field], "Secondary IPv6 ranges are not simulated.")
        check_name(entry["rangeName"])
        if entry["rangeName"] in names and enforced("subnetworks.range-names"):
            raise invalid(f"{where}.rangeName", entry["rangeName"], "Duplicate secondary range name.")
        names.add(entry["rangeName"])
        subnet_range(entry["ipCidrRange"], f"{where}.ipCidrRange")
        result.append({"rangeName": entry["rangeName"], "ipCidrRange": entry["ipCidrRange"]} | echoed(entry, _ECHOED))
    return result


def changed_ranges(project: Project, key: Key, current: Json, value: list[Any]) -> list[Json]:
    """The new list. It may only add or only remove ranges, not resize them or remove ranges in use."""
    if not value and not enforced("subnetworks.empty-list-clears"):
        value = current.get("secondaryIpRanges", [])
    wanted = first_ranges(project, value)
    present = {entry["rangeName"]: entry["ipCidrRange"] for entry in current.get("secondaryIpRanges", ())}
    added: list[str] = []
    for index, entry in enumerate(wanted):
        where = f"{_FIELD}[{index}].ipCidrRange"
        name, text = entry["rangeName"], entry["ipCidrRange"]
        if name not in present:
            _check_addition(project, current, text, added, where)
            added.append(text)
        elif present[name] != text and enforced("subnetworks.range-fixed"):
            raise invalid(where, text, f"Existing secondary range cannot be modified: {text}.")
    kept = {entry["rangeName"] for entry in wanted}
    removed = [text for name, text in present.items() if name not in kept]
    if added and removed and enforced("subnetworks.add-and-remove"):
        why = (
            "Cannot add and remove secondary IP ranges in the same request. "
            f"Added ranges: [{', '.join(added)}]. Removed ranges: [{', '.join(removed)}]."
        )
        raise invalid(_FIELD, "", why)
    for text in removed:
        _check_removal(project, key, text)
    known = {entry["rangeName"]: entry for entry in current.get("secondaryIpRanges", ())}
    return [known.get(entry["rangeName"], {}) | entry for entry in wanted]


def _check_addition(project: Project, current: Json, text: str, added: list[str], where: str) -> None:
    network = subnet_range(text, where)
    refuse_overlap(project, current["network"], network, where)
    refuse_peer_ranges(project, current["network"], network, where)
    for other in added:
        if subnet_range(other, where).overlaps(network):
            raise invalid(where, text, f"Invalid IPCidrRange: {text} conflicts with another range of the request.")
    if not admits_routes(current):
        refuse_routes_inside(project, current["network"], network, where)


def _check_removal(project: Project, key: Key, text: str) -> None:
    network = parse_ipv4(text)
    user = project.pool(key).holder_within(network) if network else None
    if user is not None and enforced("subnetworks.range-in-use"):
        raise in_use("subnetwork", project.links.partial(key), user.holder)


def subnet_range(text: str, where: str) -> IPv4Network:
    """The checked IPv4 range, without conflicts with other ranges (docs/reference/compute-engine.md#valid-ranges)."""
    network = parse_ipv4(text)
    if network is None:
        raise invalid(where, text, f"Invalid IPCidrRange: {text} is not a valid IPv4 CIDR range.")
    if network.prefixlen > MINIMUM_PREFIX and enforced("subnetworks.smallest-range"):
        raise invalid(where, text, f"Invalid IPCidrRange: {text} must be /{MINIMUM_PREFIX} or larger.")
    if any(network.overlaps(other) for other in PROHIBITED) and enforced("subnetworks.prohibited-ranges"):
        raise invalid(where, text, f"Invalid IPCidrRange: {text} contains addresses that no subnetwork can have.")
    return network
