"""Conflicts between a network and its peers (docs/reference/cut-over.md#r10)."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack_sim.compute.api.errors import ApiError, Json, bad_request, invalid
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.network.addresses import Network, fits_within, overlaps
from dualstack_sim.compute.network.range_conflicts import ClaimedRange, claims, route_inside
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced


def peering_lock(network: Key) -> Key:
    """The key that is busy during an operation on a peering of the network."""
    return Key("peerings", GLOBAL, network.name)


def refuse_during_peering(project: Project, network: Key) -> None:
    """Refuse a change of routes or peerings during a peering operation."""
    if project.operations.is_busy(peering_lock(network)) and enforced("peering.blocks-routes"):
        raise peering_in_progress()


def peering_in_progress() -> ApiError:
    return bad_request("There is a peering operation in progress on the local or peer network. Try again later.")


def active_peers(project: Project, network: str) -> Iterator[tuple[Json, str]]:
    """(peering, link of the peer) for every ACTIVE peering of the network with link `network`."""
    own = project.inventory.table("networks", GLOBAL).get(network.rpartition("/")[2])
    for peering in (own or {}).get("peerings", ()):
        if peering["state"] == "ACTIVE":
            yield peering, peering["network"]


def refuse_peer_ranges(project: Project, network: str, candidate: Network, field: str) -> None:
    """Refuse a new range that overlaps ranges of peers or their peers, or contains a peer's static route."""
    near = [peer for _, peer in active_peers(project, network)]
    far = [peer for link in near for _, peer in active_peers(project, link) if peer != network]
    for link in dict.fromkeys((*near, *far)):
        for claim in claims(project, link):
            if overlaps(claim.network, candidate) and enforced("peering.range-overlap"):
                raise invalid(field, candidate, _conflict(candidate, claim, link))
    for link in near:
        route = route_inside(project, link, candidate)
        if route is not None and "nextHopGateway" not in route and enforced("peering.routes-in-range"):
            why = (
                f"Invalid IPCidrRange: {candidate} conflicts with route '{route['name']}' ({route['destRange']}) of "
                f"peer network '{link.rpartition('/')[2]}'."
            )
            raise invalid(field, candidate, why)


def _conflict(candidate: Network, claim: ClaimedRange, link: str) -> str:
    region = claim.subnetwork.scope.partition("/")[2]
    return (
        f"Invalid IPCidrRange: {candidate} conflicts with existing subnetwork '{claim.subnetwork.name}' in region "
        f"'{region}' of peer network '{link.rpartition('/')[2]}'."
    )


def peer_range(project: Project, network: str, destination: Network) -> tuple[str, ClaimedRange] | None:
    """The name of the peering and the peer's range that contains `destination`, if any."""
    for peering, link in active_peers(project, network):
        for claim in claims(project, link):
            if fits_within(destination, claim.network):
                return peering["name"], claim
    return None


def refuse_overlapping_networks(project: Project, local: str, peer: str) -> None:
    """Refuse a peering of networks with overlapping ranges."""
    theirs = list(claims(project, peer))
    for mine in claims(project, local):
        for claim in theirs:
            if overlaps(mine.network, claim.network) and enforced("peering.disjoint-networks"):
                message = (
                    f"An IP range in the local network ({mine.network}) allocated by resource "
                    f"({project.links.partial(mine.subnetwork)}) overlaps with an IP range ({claim.network}) in the "
                    f"peer network allocated by resource ({project.links.partial(claim.subnetwork)})."
                )
                raise bad_request(message)
