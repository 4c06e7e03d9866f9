"""Whether a state can be loaded: its fields and their types, where resources live, and what they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Network
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import GLOBAL, Key, Links
from dualstack_sim.compute.project.state_schema import (
    SHAPES,
    Access,
    Count,
    Digits,
    Firewall,
    Instance,
    Instant,
    Name,
    Resource,
    Route,
    Router,
    Shape,
    Subnetwork,
    parse,
)

Place = Annotated[str, Meta(pattern=r"^\S+ \S+ \S+\Z")]
"""A key as text: collection, scope and name."""


class Inventory(Shape):
    resources: dict[str, dict[str, dict[str, Any]]]
    revisions: dict[Place, Count]
    incarnations: dict[Place, Count]


class Failure(Struct):
    code: str
    message: str
    http_status: int
    http_message: str
    details: list[dict[str, Any]]


class Ended(Shape):
    key: tuple[Literal["operations"], str, str]
    id: Digits
    target: tuple[str, str, str]
    target_id: str
    kind: str
    method: str
    client_id: str
    inserted: Instant
    starts: Instant
    ended: Instant
    failure: Failure | None


class Operations(Shape):
    ended: list[Ended]
    replays: list[tuple[str, str, str, str, str]]
    ordinals: list[tuple[str, str, str, str, Count]]


class Pool(Shape):
    blocks: list[tuple[Count, Count, str]]
    six: dict[Digits, str]
    next_six: Count


class Ipv6Prefixes(Shape):
    given: dict[Place, tuple[Access, IPv6Network]]
    ordinals: dict[Place, Count]


class State(Shape):
    number: Digits
    regions: Annotated[dict[Name, Annotated[list[Name], Meta(min_length=1)]], Meta(min_length=1)]
    inventory: Inventory
    operations: Operations
    addresses: dict[Place, Pool]
    prefixes: Ipv6Prefixes


def check_state(links: Links, state: Json) -> None:
    """ValueError, saying where and what, unless `state` can be loaded into the project of these links."""
    try:
        shape = convert(state, State, dec_hook=parse)
    except ValidationError as error:
        raise ValueError(str(error)) from None
    unknown = {tuple(key) for _, _, *key in shape.operations.replays} - {each.key for each in shape.operations.ended}
    if unknown:
        raise ValueError(f"operations.replays: there is no {min(unknown)}")
    resources = shape.inventory.resources
    places = [GLOBAL, *(f"regions/{region}" for region in shape.regions)]
    places += [f"zones/{zone}" for zones in shape.regions.values() for zone in zones]
    for collection, rows in resources.items():
        if collection not in SHAPES:
            raise ValueError(f"{collection}: there is no such collection")
        for path, row in rows.items():
            try:
                _check(links, resources, places, collection, path, row)
            except ValueError as error:  # msgspec's are of this kind too
                raise ValueError(f"{collection} {path}: {error}") from None


def _check(links: Links, resources: Json, places: Sequence[str], collection: str, path: str, row: Json) -> None:
    shape, homes = SHAPES[collection]
    scope, _, name = path.rpartition("/")
    if scope not in places or scope.partition("/")[0] not in homes:
        raise ValueError("there is no such place for it")
    read = convert(row, shape, dec_hook=parse)
    if isinstance(read, Resource):
        link = links.full(Key(collection, scope, name))
        if (read.name, read.self_link) != (name, link):
            raise ValueError(f"its name and selfLink are not {name} and {link}")
    for interface in read.network_interfaces if isinstance(read, Instance) else ():
        _refer(links, resources, "subnetworks", interface.subnetwork)
        _refer(links, resources, "networks", interface.network)
    if isinstance(read, Subnetwork | Route | Firewall | Router):
        _refer(links, resources, "networks", read.network)
    if isinstance(read, Subnetwork):
        _check_stack(links, resources, read, row)


def _check_stack(links: Links, resources: Json, subnetwork: Subnetwork, row: Json) -> None:
    """A dual-stack subnetwork has its access type, and its prefix or the range that it will come from."""
    if subnetwork.stack_type != "IPV4_IPV6" or "ipv6CidrRange" in row:
        return
    network = _refer(links, resources, "networks", subnetwork.network)
    if "ipv6AccessType" not in row or (row["ipv6AccessType"] == "INTERNAL" and "internalIpv6Range" not in network):
        raise ValueError("it is dual-stack, but no prefix can be found for it")


def _refer(links: Links, resources: Json, collection: str, link: str) -> Json:
    key = links.read(link, collection, "")
    found: Json | None = resources.get(collection, {}).get(f"{key.scope}/{key.name}") if key is not None else None
    if key is None or found is None or links.full(key) != link:
        raise ValueError(f"{link!r} is none of the {collection}")
    return found
