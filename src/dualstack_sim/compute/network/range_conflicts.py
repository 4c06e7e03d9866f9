"""Conflicts between the address ranges and routes of a network.

Source: docs/reference/compute-engine.md#routes-and-subnet-ranges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.network.addresses import Network, fits_within, overlaps, parse_cidr
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

HYBRID_INSTANCES = 130
HYBRID_ROUTES = 300


@dataclass(frozen=True, slots=True)
class ClaimedRange:
    """A range of a subnetwork, existing or pending in a running operation."""

    network: Network
    subnetwork: Key
    flagged: bool
    """Whether custom routes may lie in it, now and after a running operation."""


def range_texts(subnetwork: Json) -> Iterator[str]:
    """All ranges of a subnetwork as written: primary, secondary, IPv6."""
    yield subnetwork["ipCidrRange"]
    for entry in subnetwork.get("secondaryIpRanges", ()):
        yield entry["ipCidrRange"]
    for field in ("externalIpv6Prefix", "internalIpv6Prefix"):
        if field in subnetwork:
            yield subnetwork[field]


def number_of_ranges(subnetwork: Json) -> int:
    return sum(1 for _ in range_texts(subnetwork))


def is_flagged(subnetwork: Json) -> bool:
    return bool(subnetwork.get("allowSubnetCidrRoutesOverlap"))


def admits_routes(subnetwork: Json) -> bool:
    """Whether a new range of the subnetwork may contain static routes (docs/reference/cut-over.md#e3)."""
    return is_flagged(subnetwork) and enforced("subnetworks.flag-admits-routes")


def claims(project: Project, network: str) -> Iterator[ClaimedRange]:
    """All ranges of the network with URL `network`, existing and pending."""
    for key, subnetwork in project.inventory.of_network("subnetworks", network).items():
        pending = project.pending_subnetworks.get(key, subnetwork)
        hybrid = is_flagged(subnetwork) and is_flagged(pending)
        for text in {*range_texts(subnetwork), *range_texts(pending)}:
            parsed = parse_cidr(text)
            if parsed is not None:
                yield ClaimedRange(parsed, key, hybrid and parsed.version == 4)


def static_routes(project: Project, network: str) -> Collection[Json]:
    """The static routes of a network, existing and pending."""
    return project.inventory.of_network("routes", network).values()


def refuse_overlap(project: Project, network: str, candidate: Network, field: str) -> None:
    """Refuse a range that overlaps another range of the network, in any region (docs/reference/cut-over.md#e2)."""
    for claim in claims(project, network):
        if overlaps(claim.network, candidate) and enforced("subnetworks.range-overlap"):
            region = claim.subnetwork.scope.partition("/")[2]
            why = (
                f"Invalid IPCidrRange: {candidate} conflicts with existing subnetwork '{claim.subnetwork.name}' "
                f"in region '{region}'."
            )
            raise invalid(field, candidate, why)
    _refuse_allocated(project, network, candidate, field)


def _refuse_allocated(project: Project, network: str, candidate: Network, field: str) -> None:
    """Refuse a range that overlaps one reserved for private service access."""
    for resource in project.inventory.of_network("addresses", network).values():
        allocated = parse_cidr(f"{resource['address']}/{resource.get('prefixLength', '')}")
        if allocated is not None and overlaps(allocated, candidate) and enforced("addresses.allocated-range"):
            why = f"Invalid IPCidrRange: {candidate} conflicts with reserved IP range '{allocated}'."
            raise invalid(field, candidate, why)


def route_inside(project: Project, network: str, candidate: Network) -> Json | None:
    """A static route whose destination equals or lies inside `candidate`."""
    for route in static_routes(project, network):
        destination = parse_cidr(route["destRange"])
        if destination is not None and fits_within(destination, candidate):
            return route
    return None


def refuse_routes_inside(project: Project, network: str, candidate: Network, field: str) -> None:
    """Refuse a new range that contains the destination of a static route (docs/reference/cut-over.md#e3)."""
    route = route_inside(project, network, candidate)
    if route is not None and enforced("subnetworks.routes-in-range"):
        why = (
            f"Invalid IPCidrRange: {candidate} conflicts with existing route '{route['name']}' ({route['destRange']})."
        )
        raise invalid(field, candidate, why)


def covering_range(project: Project, network: str, destination: Network) -> ClaimedRange | None:
    """The range in which a static route to `destination` would lie, if any (docs/reference/cut-over.md#e4)."""
    return next((claim for claim in claims(project, network) if fits_within(destination, claim.network)), None)


def refuse_beyond_hybrid_limits(project: Project, network: str) -> None:
    """Refuse the flag in a network above Google's recommended limits; only if the knob enforces them.

    Source: docs/reference/cut-over.md#r16.
    """
    instances = sum(
        any(interface["network"] == network for interface in instance["networkInterfaces"])
        for _, instance in project.inventory.all("instances")
    )
    for found, limit, noun in (
        (instances, HYBRID_INSTANCES, "instances"),
        (len(static_routes(project, network)), HYBRID_ROUTES, "custom routes"),
    ):
        if found > limit:
            why = f"The network has {found} {noun}, more than the {limit} that hybrid subnets support."
            raise invalid("resource.allowSubnetCidrRoutesOverlap", "True", why)
