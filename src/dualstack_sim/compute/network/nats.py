"""The NAT gateways of a Cloud Router: their fields, and conflicts with others of the network and region.

Source: docs/reference/compute-engine.md#nat-ranges, docs/reference/compute-engine.md#nat-conflicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualstack_sim.compute.api.bodies import accept_list, one_of
from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.references import Key, check_name
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

_LOG = {"enable": bool, "filter": ("ALL", "ERRORS_ONLY", "TRANSLATIONS_ONLY")}
SCHEMA: dict[str, Any] = {
    "name": str, "type": str, "sourceSubnetworkIpRangesToNat": str, "subnetworks": list, "natIps": [str],
    "drainNatIps": [str], "natIpAllocateOption": str, "autoNetworkTier": str, "minPortsPerVm": int,
    "maxPortsPerVm": int, "enableDynamicPortAllocation": bool, "enableEndpointIndependentMapping": bool,
    "udpIdleTimeoutSec": int,
    "icmpIdleTimeoutSec": int, "tcpEstablishedIdleTimeoutSec": int, "tcpTransitoryIdleTimeoutSec": int,
    "tcpTimeWaitTimeoutSec": int, "logConfig": _LOG, "rules": list, "endpointTypes": [str], "nat64Subnetworks": list,
    "sourceSubnetworkIpRangesToNat64": str,
}  # fmt: skip
_WHICH = ("ALL_IP_RANGES", "PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES")
_SUBNETWORK: dict[str, Any] = {"name": str, "sourceIpRangesToNat": [_WHICH], "secondaryIpRangeNames": [str]}
_SOURCES = ("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS")
_DEFAULTS: Json = {
    "type": "PUBLIC", "endpointTypes": ["ENDPOINT_TYPE_VM"], "enableEndpointIndependentMapping": False,
    "icmpIdleTimeoutSec": 30, "udpIdleTimeoutSec": 30, "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTransitoryIdleTimeoutSec": 30, "tcpTimeWaitTimeoutSec": 120, "autoNetworkTier": "PREMIUM",
}  # fmt: skip
_PRIVATE_DEFAULTS: Json = {field: value for field, value in _DEFAULTS.items() if field != "autoNetworkTier"}
_TYPES = ("PUBLIC", "PRIVATE")
_EVERYTHING = "ALL_SUBNETWORKS_ALL_IP_RANGES"

Range = tuple[str, str]
"""A subnetwork, or "" for all, and a range in it: "primary", the name of a secondary range, or "*" for all."""


def checked_nats(project: Project, router: Key, network: str, entries: list[Any]) -> list[Json]:
    """The checked gateways with defaults and full links. Raises ApiError 400 for bad ones and for conflicts."""
    names: set[str] = set()
    result: list[Json] = []
    others = list(_others(project, router, network))
    for index, entry in enumerate(accept_list(entries, SCHEMA, "resource.nats")):
        where = f"resource.nats[{index}]"
        for field in ("name", "sourceSubnetworkIpRangesToNat"):
            if not entry.get(field):
                raise required(f"{where}.{field}")
        check_name(entry["name"])
        if entry["name"] in names:
            raise invalid(f"{where}.name", entry["name"], "Duplicate NAT name.")
        names.add(entry["name"])
        defaults = _DEFAULTS if entry.get("type", "PUBLIC") == "PUBLIC" else _PRIVATE_DEFAULTS
        nat = defaults | entry | _parts(project, router.scope, network, entry, where)
        _refuse_conflicts(nat, [*others, *result], where)
        result.append(nat)
    return result


def _others(project: Project, router: Key, network: str) -> Iterator[Json]:
    """The gateways of other routers of the network in the region."""
    for key, row in project.inventory.of_network("routers", network).items():
        if key != router and key.scope == router.scope:
            yield from row.get("nats", ())


def _parts(project: Project, scope: str, network: str, entry: Json, where: str) -> Json:
    source = one_of(entry["sourceSubnetworkIpRangesToNat"], _SOURCES, f"{where}.sourceSubnetworkIpRangesToNat")
    parts: Json = _addresses(project, scope, entry, where)
    given = bool(entry.get("subnetworks"))
    if given and source != "LIST_OF_SUBNETWORKS" and enforced("routers.nat-list"):
        why = "subnetworks go with sourceSubnetworkIpRangesToNat LIST_OF_SUBNETWORKS only."
        raise invalid(f"{where}.subnetworks", "", why)
    if given:
        field = f"{where}.subnetworks"
        rows = accept_list(entry["subnetworks"], _SUBNETWORK, field)
        parts["subnetworks"] = [
            _subnetwork(project, scope, network, row, f"{field}[{index}]") for index, row in enumerate(rows)
        ]
    dynamic = entry.get("enableDynamicPortAllocation") and entry.get("enableEndpointIndependentMapping")
    if dynamic and enforced("routers.nat-ports"):
        why = "Endpoint-independent mapping and dynamic port allocation exclude each other."
        raise invalid(f"{where}.enableEndpointIndependentMapping", True, why)
    return parts


def _addresses(project: Project, scope: str, entry: Json, where: str) -> Json:
    """The external addresses of a public gateway; a private one has none."""
    kind = one_of(entry.get("type", "PUBLIC"), _TYPES, f"{where}.type")
    if kind == "PRIVATE":
        for field in ("natIpAllocateOption", "natIps", "drainNatIps", "autoNetworkTier"):
            if entry.get(field) and enforced("routers.private-nat"):
                raise invalid(f"{where}.{field}", "", "Not supported for a private NAT.")
        return {}
    option = one_of(entry.get("natIpAllocateOption"), ("AUTO_ONLY", "MANUAL_ONLY"), f"{where}.natIpAllocateOption")
    if (option == "MANUAL_ONLY") != bool(entry.get("natIps")) and enforced("routers.nat-addresses"):
        raise invalid(f"{where}.natIps", "", "natIps go with natIpAllocateOption MANUAL_ONLY and only with it.")
    links = [
        project.links.full(project.reference(f"{where}.natIps[{index}]", value, "addresses", scope, "address")[0])
        for index, value in enumerate(entry.get("natIps", ()))
    ]
    return {"natIps": links} if links else {}


def _subnetwork(project: Project, scope: str, network: str, entry: Json, where: str) -> Json:
    key, subnetwork = project.reference(f"{where}.name", entry.get("name", ""), "subnetworks", scope, "subnetwork")
    project.require_unlocked(key)
    if subnetwork["network"] != network and enforced("routers.nat-subnetwork"):
        raise invalid(f"{where}.name", entry["name"], "The subnetwork is not in the network of the router.")
    which = entry.get("sourceIpRangesToNat", ["ALL_IP_RANGES"])
    several = len(which) > 1 and set(which) != {"PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"}
    if (several or not which) and enforced("routers.nat-which-ranges"):
        why = "The only option with several values is PRIMARY_IP_RANGE with LIST_OF_SECONDARY_IP_RANGES."
        raise invalid(f"{where}.sourceIpRangesToNat", ", ".join(which), why)
    names = entry.get("secondaryIpRangeNames", [])
    if bool(names) is not ("LIST_OF_SECONDARY_IP_RANGES" in which) and enforced("routers.nat-range-names"):
        why = "secondaryIpRangeNames go with LIST_OF_SECONDARY_IP_RANGES and only with it."
        raise invalid(f"{where}.secondaryIpRangeNames", ", ".join(names), why)
    known = [row["rangeName"] for row in subnetwork.get("secondaryIpRanges", ())]
    for index, name in enumerate(names):
        if name not in known and enforced("routers.nat-range-names"):
            raise invalid(f"{where}.secondaryIpRangeNames[{index}]", name, "The subnetwork has no such range.")
    return entry | {"name": subnetwork["selfLink"], "sourceIpRangesToNat": which}


def _refuse_conflicts(nat: Json, others: list[Json], where: str) -> None:
    """Refuse a range that another gateway of the same type translates, and an address that another one uses."""
    own = list(_ranges(nat))
    for index, one in enumerate(own):
        if any(_meet(one, other) for other in own[:index]) and enforced("routers.nat-conflict"):
            raise invalid(f"{where}.subnetworks", one[0], "The subnetwork is listed twice.")
    for other in others:
        kinds = set(other["endpointTypes"]) & set(nat["endpointTypes"])
        if other["type"] != nat["type"] or not kinds:
            continue
        alone = _EVERYTHING in (nat["sourceSubnetworkIpRangesToNat"], other["sourceSubnetworkIpRangesToNat"])
        meeting = [one for one in own if any(_meet(one, theirs) for theirs in _ranges(other))]
        if (alone or meeting) and enforced("routers.nat-conflict"):
            name = (meeting or [("", "*")])[0][0].rpartition("/")[2] or "all subnetworks"
            why = f"NAT '{other['name']}' of the same network and region already translates ranges of {name}."
            raise invalid(where, nat["name"], why)
        for address in nat.get("natIps", ()):
            if address in other.get("natIps", ()) and enforced("routers.nat-conflict"):
                raise invalid(f"{where}.natIps", address, f"NAT '{other['name']}' already uses the address.")


def _ranges(nat: Json) -> Iterator[Range]:
    source = nat["sourceSubnetworkIpRangesToNat"]
    if source != "LIST_OF_SUBNETWORKS":
        yield "", "*" if source == _EVERYTHING else "primary"
    for entry in nat.get("subnetworks", ()):
        which = entry["sourceIpRangesToNat"]
        if "ALL_IP_RANGES" in which:
            yield entry["name"], "*"
        if "PRIMARY_IP_RANGE" in which:
            yield entry["name"], "primary"
        for name in entry.get("secondaryIpRangeNames", ()):
            yield entry["name"], f"secondary {name}"


def _meet(one: Range, other: Range) -> bool:
    same_subnetwork = one[0] == other[0] or "" in (one[0], other[0])
    return same_subnetwork and (one[1] == other[1] or "*" in (one[1], other[1]))
