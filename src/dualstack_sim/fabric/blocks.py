"""Address blocks as integers, and an index that finds the blocks that contain an address.

A rehearsal makes millions of forwarding decisions; comparing shifted integers keeps them fast.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

Address = tuple[int, int]
"""(IP version, the address as an integer)."""

K = TypeVar("K")

_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Block:
    """A CIDR. `shift` is the number of host bits, `prefix` the address shifted right by them."""

    version: int
    prefix: int
    shift: int

    @property
    def length(self) -> int:
        return _BITS[self.version] - self.shift

    def contains(self, address: Address) -> bool:
        return address[0] == self.version and address[1] >> self.shift == self.prefix

    def covers(self, other: Block) -> bool:
        """Whether this block contains `other` or equals it."""
        return self.version == other.version and other.shift <= self.shift and self.contains(other.address())

    def address(self, offset: int = 0) -> Address:
        """The address at `offset`; the last address if the block is smaller."""
        return (self.version, (self.prefix << self.shift) + min(offset, (1 << self.shift) - 1))

    def __str__(self) -> str:
        return f"{format_address(self.address())}/{self.length}"


@lru_cache(maxsize=8192)
def parse_block(text: str) -> Block:
    """The block of a CIDR (without host bits) or of a single address; ValueError if `text` is neither."""
    network = ipaddress.ip_network(text, strict=False)
    shift = network.max_prefixlen - network.prefixlen
    return Block(network.version, int(network.network_address) >> shift, shift)


@lru_cache(maxsize=8192)
def parse_address(text: str) -> Address:
    """The address in `text`; ValueError if it is not one."""
    address = ipaddress.ip_address(text)
    return (address.version, int(address))


def format_address(address: Address) -> str:
    version, value = address
    return str(ipaddress.IPv4Address(value) if version == 4 else ipaddress.IPv6Address(value))


class BlockIndex(Generic[K]):
    """Keys by block; finds the keys whose block contains an address or overlaps another block."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], dict[int, set[K]]] = {}

    def add(self, block: Block, key: K) -> None:
        table = self._tables.setdefault((block.version, block.shift), {})
        table.setdefault(block.prefix, set()).add(key)

    def discard(self, block: Block, key: K) -> None:
        table = self._tables.get((block.version, block.shift), {})
        keys = table.get(block.prefix, set())
        keys.discard(key)
        if not keys:
            table.pop(block.prefix, None)
        if not table:
            self._tables.pop((block.version, block.shift), None)

    def containing(self, address: Address) -> Iterator[K]:
        """Keys of the blocks that contain `address`."""
        version, value = address
        for (table_version, shift), table in self._tables.items():
            if table_version == version:
                yield from table.get(value >> shift, ())

    def overlapping(self, block: Block) -> Iterator[K]:
        """Keys of the blocks that overlap `block`."""
        value = block.prefix << block.shift
        for (version, shift), table in self._tables.items():
            if version != block.version:
                continue
            if shift >= block.shift:
                yield from table.get(value >> shift, ())
            else:
                down = block.shift - shift
                for prefix, keys in table.items():
                    if prefix >> down == block.prefix:
                        yield from keys
