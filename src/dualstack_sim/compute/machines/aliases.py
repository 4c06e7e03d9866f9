"""Alias IP ranges: from what a request says to concrete blocks (compute-api.md 7.1, 7.3; cutover.md R12, E7, E8)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, NamedTuple

from dualstack_sim.compute.api.bodies import accept_list
from dualstack_sim.compute.api.errors import ApiError, Json, bad_request, invalid
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.machines.allocation_transaction import Holdings
from dualstack_sim.compute.network.addresses import fits_within, overlaps, parse_ipv4, usable_primary
from dualstack_sim.compute.network.range_conflicts import route_inside
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {"ipCidrRange": str, "subnetworkRangeName": str, "ipVersion": str}
_MASK = re.compile(r"/([0-9]|[12][0-9]|3[0-2])")


class Wish(NamedTuple):
    """One requested alias: an explicit block, or only a length. `range_name` "" is the primary range."""

    network: IPv4Network | None
    prefix: int
    range_name: str
    where: str


def read_wishes(project: Project, value: list[Any], where: str) -> list[Wish]:
    """The requested list, exact repetitions collapsed (compute-api.md 7.3)."""
    entries = accept_list(value, SCHEMA, where)
    limit = project.limits.alias_ranges_per_interface
    if len(entries) > limit and enforced("quotas.aliases-per-interface"):
        raise invalid(where, "", f"At most {limit} alias IP ranges are allowed for a network interface.")
    wishes: list[Wish] = []
    seen: set[tuple[IPv4Network, str]] = set()
    for index, entry in enumerate(entries):
        wish = _read(entry, f"{where}[{index}].ipCidrRange")
        if wish.network is not None:
            if (wish.network, wish.range_name) in seen and enforced("aliases.repetitions-collapse"):
                continue
            seen.add((wish.network, wish.range_name))
        wishes.append(wish)
    return wishes


def _read(entry: Json, where: str) -> Wish:
    text = entry.get("ipCidrRange", "")
    name = entry.get("subnetworkRangeName", "")
    mask = _MASK.fullmatch(text)
    if mask:
        return Wish(None, int(mask[1]), name, where)
    network = parse_ipv4(text)
    if network is None:
        try:
            network = IPv4Network(IPv4Address(text))
        except AddressValueError:
            why = "Must be an IP address, a CIDR range without host bits, or a netmask."
            raise invalid(where, text, why) from None
    return Wish(network, network.prefixlen, name, where)


def take(project: Project, holdings: Holdings, key: Key, subnetwork: Json, wishes: list[Wish]) -> list[Json]:
    """The concrete entries for `wishes`, held. ApiError for a bad wish, OperationFailed if addresses are taken."""
    for wish in wishes:
        _check(subnetwork, wish)
        _ask_routes(project, subnetwork, wish)
    _refuse_self_overlap([wish for wish in wishes if wish.network is not None])
    taken: dict[int, IPv4Network] = {}
    for index, wish in enumerate(wishes):
        if wish.network is not None:
            holdings.take_block(key, wish.network)
            taken[index] = wish.network
    for index, wish in enumerate(wishes):
        if wish.network is None:
            whole = range_named(subnetwork, wish)
            taken[index] = holdings.take_mask(key, whole, wish.prefix, primary=not wish.range_name)
    return [written(taken[index], wish.range_name) for index, wish in enumerate(wishes)]


def written(network: IPv4Network, range_name: str) -> Json:
    """An entry as the API shows it."""
    entry: Json = {"ipCidrRange": str(network)}
    if range_name:
        entry["subnetworkRangeName"] = range_name
    return entry


def range_named(subnetwork: Json, wish: Wish) -> IPv4Network:
    """The range a wish names; 400 if the subnetwork has none of that name."""
    if not wish.range_name:
        return IPv4Network(subnetwork["ipCidrRange"])
    for entry in subnetwork.get("secondaryIpRanges", ()):
        if entry["rangeName"] == wish.range_name:
            return IPv4Network(entry["ipCidrRange"])
    if not enforced("aliases.known-range"):
        return IPv4Network(subnetwork["ipCidrRange"])
    where = wish.where.replace("ipCidrRange", "subnetworkRangeName")
    raise invalid(where, wish.range_name, f"Secondary range does not exist in subnetwork '{subnetwork['name']}'.")


def _check(subnetwork: Json, wish: Wish) -> None:
    whole = range_named(subnetwork, wish)
    if wish.network is None:
        if wish.prefix < whole.prefixlen:
            raise invalid(wish.where, f"/{wish.prefix}", f"The alias IP range does not fit into {whole}.")
        return
    if not fits_within(wish.network, whole) and enforced("aliases.inside-range"):
        why = f"The alias IP range is not within the {_described(wish)} range {whole} of the subnetwork."
        raise invalid(wish.where, wish.network, why)
    if not wish.range_name:
        first, last = usable_primary(whole)
        if int(wish.network.network_address) < first or int(wish.network.broadcast_address) > last:
            raise invalid(wish.where, wish.network, "The alias IP range contains reserved addresses of the subnetwork.")


def _ask_routes(project: Project, subnetwork: Json, wish: Wish) -> None:
    """Routes reserve no addresses (compute-api.md 7.2): they are asked only when that rule is switched off."""
    if wish.network is None or enforced("aliases.routes-not-asked"):
        return
    route = route_inside(project, subnetwork["network"], wish.network)
    if route is not None:
        raise invalid(wish.where, wish.network, f"The alias IP range conflicts with route '{route['name']}'.")


def _described(wish: Wish) -> str:
    return f"secondary '{wish.range_name}'" if wish.range_name else "primary"


def _refuse_self_overlap(wishes: list[Wish]) -> None:
    for index, wish in enumerate(wishes):
        for other in wishes[:index]:
            if wish.network and other.network and overlaps(wish.network, other.network):
                raise invalid(wish.where, wish.network, f"The alias IP range overlaps {other.network}.")


class Revision(NamedTuple):
    """How a requested list differs from the present one."""

    added: list[Wish]
    removed: list[Json]


def revise(present: list[Json], wishes: list[Wish]) -> Revision:
    """Only additions or only removals in one request (R12, E7); the list is replaced as a whole."""
    have = {(entry["ipCidrRange"], entry.get("subnetworkRangeName", "")): entry for entry in present}
    wanted = {(str(wish.network), wish.range_name) for wish in wishes if wish.network is not None}
    added = [wish for wish in wishes if wish.network is None or (str(wish.network), wish.range_name) not in have]
    removed = [entry for identity, entry in have.items() if identity not in wanted]
    if added and removed and enforced("aliases.add-and-remove"):
        raise simultaneous()
    return Revision(added, removed)


def simultaneous() -> ApiError:
    return bad_request("Cannot simultaneously add and remove alias IP ranges.")


def merged(wishes: list[Wish], added: list[Wish], taken: list[Json]) -> list[Json]:
    """The list in the order of the request; `taken` are the concrete entries for `added`, in their order."""
    fresh = iter(taken)
    new = {(wish.network, wish.range_name) for wish in added if wish.network is not None}
    result = []
    for wish in wishes:
        if wish.network is None or (wish.network, wish.range_name) in new:
            result.append(next(fresh))
        else:
            result.append(written(wish.network, wish.range_name))
    return result
