"""Validates a saved state: fields and types, scopes, and references between resources."""

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
    FirewallPolicy,
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

KeyText = Annotated[str, Meta(pattern=r"^\S+ \S+ \S+\Z")]
"""A key as text: collection, scope and name, separated by spaces."""


class Inventory(Shape):
    resources: dict[str, dict[str, dict[str, Any]]]
    revisions: dict[KeyText, Count]
    incarnations: dict[KeyText, Count]


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
    given: dict[KeyText, tuple[Access, IPv6Network]]
    ordinals: dict[KeyText, Count]


class State(Shape):
    number: Digits
    regions: Annotated[dict[Name, Annotated[list[Name], Meta(min_length=1)]], Meta(min_length=1)]
    inventory: Inventory
    operations: Operations
    addresses: dict[KeyText, Pool]
    prefixes: Ipv6Prefixes


def check_state(links: Links, state: Json) -> None:
    """Raises ValueError, with place and reason, if `state` cannot be loaded into the project of these links."""
    try:
        shape = convert(state, State, dec_hook=parse)
    except ValidationError as error:
        raise ValueError(str(error)) from None
    unknown = {tuple(key) for _, _, *key in shape.operations.replays} - {each.key for each in shape.operations.ended}
    if unknown:
        raise ValueError(f"operations.replays: unknown operation {min(unknown)}")
    resources = shape.inventory.resources
    scopes = [GLOBAL, *(f"regions/{region}" for region in shape.regions)]
    scopes += [f"zones/{zone}" for zones in shape.regions.values() for zone in zones]
    for collection, rows in resources.items():
        if collection not in SHAPES:
            raise ValueError(f"{collection}: unknown collection")
        for path, row in rows.items():
            try:
                _check(links, resources, scopes, collection, path, row)
            except ValueError as error:  # includes msgspec.ValidationError
                raise ValueError(f"{collection} {path}: {error}") from None


def _check(links: Links, resources: Json, scopes: Sequence[str], collection: str, path: str, row: Json) -> None:
    shape, scope_kinds = SHAPES[collection]
    scope, _, name = path.rpartition("/")
    if scope not in scopes or scope.partition("/")[0] not in scope_kinds:
        raise ValueError("no such resource can exist in this scope")
    read = convert(row, shape, dec_hook=parse)
    if isinstance(read, Resource):
        link = links.full(Key(collection, scope, name))
        if (read.name, read.self_link) != (name, link):
            raise ValueError(f"its name must be {name} and its selfLink {link}")
    for interface in read.network_interfaces if isinstance(read, Instance) else ():
        _require_reference(links, resources, "subnetworks", interface.subnetwork)
        _require_reference(links, resources, "networks", interface.network)
    if isinstance(read, Subnetwork | Route | Firewall | FirewallPolicy | Router):
        _require_reference(links, resources, "networks", read.network)
    if isinstance(read, Subnetwork):
        _check_stack(links, resources, read, row)


def _check_stack(links: Links, resources: Json, subnetwork: Subnetwork, row: Json) -> None:
    """Check that a dual-stack subnetwork has an access type, and a prefix or a range for one."""
    if subnetwork.stack_type != "IPV4_IPV6" or "ipv6CidrRange" in row:
        return
    network = _require_reference(links, resources, "networks", subnetwork.network)
    if "ipv6AccessType" not in row or (row["ipv6AccessType"] == "INTERNAL" and "internalIpv6Range" not in network):
        raise ValueError("it is dual-stack but has no IPv6 prefix, and none can be assigned")


def _require_reference(links: Links, resources: Json, collection: str, link: str) -> Json:
    key = links.read(link, collection, "")
    found: Json | None = resources.get(collection, {}).get(f"{key.scope}/{key.name}") if key is not None else None
    if key is None or found is None or links.full(key) != link:
        raise ValueError(f"{link!r} does not exist in {collection}")
    return found
