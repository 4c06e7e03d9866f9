"""Address ranges: parsing, spelling, overlap and sub-ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_interface,
    ip_network,
)

Range = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

INTERNET = "0.0.0.0/0"
"""All IPv4 addresses."""

_PREFIX_OF_SERVICES = 108
"""kube-apiserver accepts at most 20 host bits (docs/reference/gardener.md#why-108)."""

_REMEMBERED = 16384
"""Size of the caches: each observation of a cluster parses the same texts."""


@lru_cache(maxsize=_REMEMBERED)
def parse(text: str) -> Range:
    """The range; ValueError if `text` is not a CIDR or has host bits set."""
    return ip_network(_with_prefix(text))


@lru_cache(maxsize=_REMEMBERED)
def parse_loosely(text: str) -> Range:
    """The range that contains the address in `text`, which may have host bits; ValueError if it is not a CIDR."""
    return ip_interface(_with_prefix(text)).network


def is_cidr(text: str | None) -> bool:
    """Whether `text` is a CIDR; host bits do not matter."""
    try:
        return bool(text) and bool(parse_loosely(str(text)))
    except ValueError:
        return False


def is_canonical(text: str) -> bool:
    """Whether no host bit is set. Spelling does not matter: `2600:0:0:0:0:0:0:0/64` is canonical."""
    return ip_interface(_with_prefix(text)).ip == parse_loosely(text).network_address


@lru_cache(maxsize=_REMEMBERED)
def canonical(text: str) -> str:
    """The shortest spelling of a range, e.g. `2600:1900::/64` for `2600:1900:0:0:0:0:0:0/64`."""
    return str(parse_loosely(text))


def uncompressed(text: str) -> str:
    """GCP's spelling of an IPv6 range: eight groups without leading zeros
    (docs/reference/gardener.md#gcp-ipv6-spelling)."""
    network = parse_loosely(text)
    if isinstance(network, IPv4Network):
        return str(network)
    return f"{uncompressed_address(network.network_address)}/{network.prefixlen}"


def uncompressed_address(address: IPv6Address) -> str:
    """GCP's spelling of an IPv6 address, e.g. `2600:1900:4010:1234:0:1:0:0`."""
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))


def same(left: str, right: str) -> bool:
    """Whether both texts are the same range."""
    return left == right or parse_loosely(left) == parse_loosely(right)


def family(text: str) -> str:
    """`IPv4` or `IPv6`, of a range or an address."""
    return "IPv6" if ":" in text else "IPv4"


def families(texts: Iterable[str]) -> tuple[str, ...]:
    """The family of each range, in order."""
    return tuple(family(text) for text in texts)


def contains(outer: str, inner: str) -> bool:
    """Whether `inner`, a range or an address, lies wholly inside `outer`."""
    large, small = parse_loosely(outer), parse_loosely(inner if "/" in inner else _host_range(inner))
    if isinstance(large, IPv4Network) and isinstance(small, IPv4Network):
        return small.subnet_of(large)
    if isinstance(large, IPv6Network) and isinstance(small, IPv6Network):
        return small.subnet_of(large)
    return False


def overlap(left: str, right: str) -> bool:
    """Whether the two ranges share an address; False across families."""
    return contains(left, right) or contains(right, left)


def overlaps(ranges: Sequence[str]) -> list[tuple[int, int]]:
    """All pairs of positions whose ranges overlap, by one sweep over the sorted ranges.

    CIDRs nest or are disjoint, so a stack of the ranges that contain the current start is enough.
    """
    parsed = [parse_loosely(text) for text in ranges]
    order = sorted(range(len(parsed)), key=lambda at: (parsed[at].version, _first(parsed[at]), parsed[at].prefixlen))
    open_ranges: list[int] = []
    found: list[tuple[int, int]] = []
    for at in order:
        current = parsed[at]
        while open_ranges and not _holds(parsed[open_ranges[-1]], current):
            open_ranges.pop()
        found.extend((min(outer, at), max(outer, at)) for outer in open_ranges)
        open_ranges.append(at)
    return sorted(found)


def services_range(prefix: str) -> str:
    """The IPv6 service range: the first /108 of the services subnet's /64
    (docs/reference/gardener.md#service-range-108)."""
    return _first_part(prefix, _PREFIX_OF_SERVICES)


def lies_in(outer: str, inner: str) -> bool:
    """Whether `inner` lies in `outer`; False when it is not a CIDR."""
    try:
        return contains(outer, inner)
    except ValueError:
        return False


def covered(wanted: str, ranges: Iterable[object]) -> bool:
    """Whether the IPv4 ranges among `ranges` together have every address of the IPv4 range `wanted`."""
    networks = []
    for text in ranges:
        try:
            network = ip_network(str(text), strict=False)
        except ValueError:
            continue
        if isinstance(network, IPv4Network):
            networks.append(network)
    return any(IPv4Network(wanted).subnet_of(each) for each in collapse_addresses(networks))


def at_offset(network: str, offset: int) -> str:
    """The address `offset` places after the first of the range; ValueError when it lies outside."""
    parsed = parse_loosely(network)
    if not 0 <= offset < parsed.num_addresses:
        raise ValueError(f"{network} has no address at offset {offset}")
    return str(parsed[offset])


def blocks(network: str, prefix: int) -> int:
    """How many ranges of length `prefix` fit into the range; 0 when it is smaller than one."""
    parsed = parse_loosely(network)
    return 0 if prefix < parsed.prefixlen else 2 ** (prefix - parsed.prefixlen)


def block(network: str, prefix: int, index: int) -> str:
    """The `index`-th range of length `prefix` inside the range, counted from 0; ValueError past the end."""
    if not 0 <= index < blocks(network, prefix):
        raise ValueError(f"{network} has no /{prefix} at index {index}")
    parsed = parse_loosely(network)
    start = int(parsed.network_address) + index * 2 ** (parsed.max_prefixlen - prefix)
    address: Address = IPv4Address(start) if parsed.version == 4 else IPv6Address(start)
    return f"{address}/{prefix}"


def _with_prefix(text: str) -> str:
    """`text` if it has the form ADDRESS/LENGTH; Python alone accepts netmasks and bare addresses too."""
    address, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or "%" in address:
        raise ValueError(f"invalid CIDR address: {text}")
    return text


def _host_range(address: str) -> str:
    return f"{address}/{ip_address(address).max_prefixlen}"


def _first_part(prefix: str, length: int) -> str:
    network = parse_loosely(prefix)
    if network.version != 6 or network.prefixlen > length:
        raise ValueError(f"{prefix} has no IPv6 /{length}")
    return f"{network.network_address}/{length}"


def _first(network: Range) -> int:
    return int(network.network_address)


def _holds(outer: Range, inner: Range) -> bool:
    return outer.version == inner.version and _first(inner) <= int(outer.broadcast_address)
