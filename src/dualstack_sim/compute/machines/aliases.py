"""Alias IP ranges of an interface: parse, check and allocate them (docs/reference/compute-engine.md#alias-request).

`interfaces.py` calls these functions for new interfaces and for instances.updateNetworkInterface.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, NamedTuple

from dualstack_sim.compute.api.bodies import accept_list
from dualstack_sim.compute.api.errors import Json, OperationFailed, OperationFailure, bad_request, invalid
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.machines.allocation_transaction import AllocationTransaction
from dualstack_sim.compute.network.addresses import fits_within, overlaps, parse_ipv4, usable_primary
from dualstack_sim.compute.network.range_conflicts import route_inside
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {"ipCidrRange": str, "subnetworkRangeName": str, "ipVersion": str}
_MASK = re.compile(r"/([0-9]|[12][0-9]|3[0-2])")


class AliasRequest(NamedTuple):
    """One requested alias range. `network` is None for a bare netmask; `range_name` "" means the primary range.

    `where` is the path of the field in error messages.
    """

    network: IPv4Network | None
    prefix: int
    range_name: str
    where: str

    @property
    def identity(self) -> tuple[str, str]:
        """CIDR and range name, as an entry of the interface has them."""
        return str(self.network), self.range_name


def parse_alias_requests(project: Project, value: list[Any], where: str) -> list[AliasRequest]:
    """The requested list (docs/reference/compute-engine.md#repeated-alias); a knob decides about exact repetitions."""
    entries = accept_list(value, SCHEMA, where)
    limit = project.limits.alias_ranges_per_interface
    if len(entries) > limit and enforced("quotas.aliases-per-interface"):
        raise invalid(where, "", f"At most {limit} alias IP ranges are allowed for a network interface.")
    requests: list[AliasRequest] = []
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(entries):
        request = _parse(entry, f"{where}[{index}].ipCidrRange")
        if request.network is not None:
            if request.identity in seen and enforced("aliases.repetitions-collapse"):
                if project.knobs.repeated_alias == "collapsed":
                    continue
                if project.knobs.repeated_alias == "request":
                    raise invalid(request.where, request.network, "The alias IP range is listed more than once.")
            seen.add(request.identity)
        requests.append(request)
    return requests


def _parse(entry: Json, where: str) -> AliasRequest:
    text = entry.get("ipCidrRange", "")
    name = entry.get("subnetworkRangeName", "")
    mask = _MASK.fullmatch(text)
    if mask:
        return AliasRequest(None, int(mask[1]), name, where)
    network = parse_ipv4(text)
    if network is None:
        try:
            network = IPv4Network(IPv4Address(text))
        except AddressValueError:
            why = "Must be an IP address, a CIDR range without host bits, or a netmask."
            raise invalid(where, text, why) from None
    return AliasRequest(network, network.prefixlen, name, where)


def allocate_aliases(
    project: Project, transaction: AllocationTransaction, key: Key, subnetwork: Json, requests: list[AliasRequest]
) -> list[Json]:
    """Allocate the requested ranges and return the entries of `aliasIpRanges`, in the order of the requests.

    Explicit blocks come before netmasks. Raises ApiError for a bad request, OperationFailed for addresses in use.
    """
    for request in requests:
        _check(subnetwork, request)
        _check_routes(project, subnetwork, request)
    _refuse_overlap(requests)
    networks: dict[int, IPv4Network] = {}
    for index, request in enumerate(requests):
        if request.network is not None:
            transaction.allocate_block(key, request.network)
            networks[index] = request.network
    for index, request in enumerate(requests):
        if request.network is None:
            whole = _named_range(subnetwork, request)
            networks[index] = transaction.allocate_prefix(key, whole, request.prefix, primary=not request.range_name)
    return [_entry(networks[index], request.range_name) for index, request in enumerate(requests)]


def _entry(network: IPv4Network, range_name: str) -> Json:
    return {"ipCidrRange": str(network)} | ({"subnetworkRangeName": range_name} if range_name else {})


def _named_range(subnetwork: Json, request: AliasRequest) -> IPv4Network:
    """The range that a request names; 400 if the subnetwork has no such range."""
    if not request.range_name:
        return IPv4Network(subnetwork["ipCidrRange"])
    for entry in subnetwork.get("secondaryIpRanges", ()):
        if entry["rangeName"] == request.range_name:
            return IPv4Network(entry["ipCidrRange"])
    if not enforced("aliases.known-range"):
        return IPv4Network(subnetwork["ipCidrRange"])
    where = request.where.replace("ipCidrRange", "subnetworkRangeName")
    raise invalid(where, request.range_name, f"Secondary range does not exist in subnetwork '{subnetwork['name']}'.")


def _check(subnetwork: Json, request: AliasRequest) -> None:
    network, whole = request.network, _named_range(subnetwork, request)
    if network is None:
        if request.prefix < whole.prefixlen:
            raise invalid(request.where, f"/{request.prefix}", f"The alias IP range does not fit into {whole}.")
        return
    if not fits_within(network, whole) and enforced("aliases.inside-range"):
        kind = f"secondary '{request.range_name}'" if request.range_name else "primary"
        why = f"The alias IP range is not within the {kind} range {whole} of the subnetwork."
        raise invalid(request.where, network, why)
    if not request.range_name:
        first, last = usable_primary(whole)
        if int(network.network_address) < first or int(network.broadcast_address) > last:
            raise invalid(request.where, network, "The alias IP range contains reserved addresses of the subnetwork.")


def _check_routes(project: Project, subnetwork: Json, request: AliasRequest) -> None:
    """Refuse a range with a route inside, but only while the rule that routes reserve no addresses is off."""
    if request.network is None or enforced("aliases.routes-not-asked"):
        return
    route = route_inside(project, subnetwork["network"], request.network)
    if route is not None:
        raise invalid(request.where, request.network, f"The alias IP range conflicts with route '{route['name']}'.")


def fail_repetition(project: Project, requests: list[AliasRequest]) -> None:
    """Raises OperationFailed where a knob says so (docs/reference/cut-over.md#repeated-alias)."""
    if project.knobs.repeated_alias != "operation":
        return
    explicit = [request.identity for request in requests if request.network is not None]
    if repeated := next((cidr for cidr, name in explicit if explicit.count((cidr, name)) > 1), None):
        message = f"The alias IP range {repeated} is listed more than once."
        raise OperationFailed(OperationFailure("INVALID_FIELD_VALUE", message))


def _refuse_overlap(requests: list[AliasRequest]) -> None:
    explicit = [(request.network, request.where) for request in requests if request.network is not None]
    for index, (network, where) in enumerate(explicit):
        for other, _ in explicit[:index]:
            if overlaps(network, other):
                raise invalid(where, network, f"The alias IP range overlaps {other}.")


class AliasDifference(NamedTuple):
    """How a requested list differs from the current one."""

    added: list[AliasRequest]
    removed: list[Json]


def compare_aliases(current: list[Json], requests: list[AliasRequest]) -> AliasDifference:
    """What a request, which replaces the whole list, adds or removes (docs/reference/cut-over.md#r12).

    Raises ApiError 400 for a request that does both.
    """
    present = {(entry["ipCidrRange"], entry.get("subnetworkRangeName", "")): entry for entry in current}
    requested = {request.identity for request in requests if request.network is not None}
    added = [request for request in requests if request.network is None or request.identity not in present]
    removed = [entry for identity, entry in present.items() if identity not in requested]
    if added and removed and enforced("aliases.add-and-remove"):
        raise bad_request("Cannot simultaneously add and remove alias IP ranges.")
    return AliasDifference(added, removed)


def refuse_aliases_of_routes(project: Project, network: str, requests: list[AliasRequest]) -> None:
    """400 for an alias range to which a static route leads, if the cloud refuses that.

    Source: docs/reference/cut-over.md#alias-over-route.
    """
    if project.knobs.alias_over_route == "accept":
        return
    for request in requests:
        route = route_inside(project, network, request.network) if request.network is not None else None
        if route is not None:
            why = f"The alias IP range conflicts with existing route '{route['name']}' ({route['destRange']})."
            raise invalid(request.where, request.network, why)


def merge_aliases(requests: list[AliasRequest], added: list[AliasRequest], allocated: list[Json]) -> list[Json]:
    """The new list in the order of the request; `allocated` are the entries for `added`, in their order."""
    entries = iter(allocated)
    new = {request.identity for request in added}
    return [
        next(entries)
        if request.network is None or request.identity in new
        else _entry(request.network, request.range_name)
        for request in requests
    ]
