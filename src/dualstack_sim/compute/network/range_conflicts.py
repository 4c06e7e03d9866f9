"""Which address ranges may stand beside each other in a network (compute-api.md 5.4, 6.2; cutover.md E2 to E6)."""

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
class Claim:
    """A range of a subnetwork that is there, or will be when the operation that adds it is done."""

    network: Network
    subnetwork: Key
    flagged: bool
    """Whether custom routes may lie in it, now and after the operation that may be running."""


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
    """R1, E3: whether a new range of the subnetwork may contain static routes."""
    return is_flagged(subnetwork) and enforced("subnetworks.flag-admits-routes")


def claims(project: Project, network: str) -> Iterator[Claim]:
    """Every range claimed in the network with URL `network`."""
    for key, subnetwork in project.inventory.of_network("subnetworks", network).items():
        pending = project.pending_subnetworks.get(key, subnetwork)
        hybrid = is_flagged(subnetwork) and is_flagged(pending)
        for text in {*range_texts(subnetwork), *range_texts(pending)}:
            parsed = parse_cidr(text)
            if parsed is not None:
                yield Claim(parsed, key, hybrid and parsed.version == 4)


def static_routes(project: Project, network: str) -> Collection[Json]:
    """The static routes of a network: those that are there and those that are being made."""
    return project.inventory.of_network("routes", network).values()


def refuse_overlap(project: Project, network: str, candidate: Network, field: str) -> None:
    """E2: a range may overlap no other range of the network, in whatever region."""
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
    """Ranges that are reserved for private service access."""
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
    """E3: without the overlap flag a new range may contain no static route's destination."""
    route = route_inside(project, network, candidate)
    if route is not None and enforced("subnetworks.routes-in-range"):
        why = (
            f"Invalid IPCidrRange: {candidate} conflicts with existing route '{route['name']}' ({route['destRange']})."
        )
        raise invalid(field, candidate, why)


def covering_claim(project: Project, network: str, destination: Network) -> Claim | None:
    """E4, E5: the range in which a static route to `destination` would lie."""
    return next((claim for claim in claims(project, network) if fits_within(destination, claim.network)), None)


def refuse_beyond_hybrid_limits(project: Project, network: str) -> None:
    """R16: what Google says a network with a hybrid subnet may hold; enforced only if a knob says so."""
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
