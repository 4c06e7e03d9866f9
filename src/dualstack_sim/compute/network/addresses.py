"""CIDRs, and the allocation of the addresses of a subnetwork."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from itertools import chain
from typing import Any

from dualstack_sim.rules import enforced

Network = IPv4Network | IPv6Network

VM_PREFIX = 96
"""The prefix length of the IPv6 range that each VM gets (docs/reference/compute-engine.md#vm-prefixes)."""


@lru_cache(maxsize=65536)
def parse_cidr(text: str) -> Network | None:
    """The network written in `text`; None without a prefix length or with host bits."""
    if "/" not in text:
        return None
    try:
        return ip_network(text)
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def parse_ipv4(text: str) -> IPv4Network | None:
    """Like `parse_cidr`, IPv4 only."""
    network = parse_cidr(text)
    return network if isinstance(network, IPv4Network) else None


def fits_within(inner: Network, outer: Network) -> bool:
    """Whether `inner` equals or lies inside `outer`; False across address families."""
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and int(inner.network_address) >> (outer.max_prefixlen - outer.prefixlen)
        == int(outer.network_address) >> (outer.max_prefixlen - outer.prefixlen)
    )


def overlaps(one: Network, other: Network) -> bool:
    return fits_within(one, other) or fits_within(other, one)


def uncompressed(address: IPv6Address) -> str:
    """Eight groups without leading zeros (docs/reference/compute-engine.md#uncompressed-ipv6)."""
    if not enforced("requests.uncompressed-ipv6"):
        return str(address)
    number = int(address)
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -16, -16))


def uncompressed_prefix(network: IPv6Network) -> str:
    return f"{uncompressed(network.network_address)}/{network.prefixlen}"


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """Addresses `first` to `last` (integers, inclusive) and the resource that holds them."""

    first: int
    last: int
    holder: str = field(compare=False)


def block_of(network: Network, holder: str) -> Block:
    return Block(int(network.network_address), int(network.broadcast_address), holder)


def usable_primary(network: IPv4Network) -> tuple[int, int]:
    """First and last usable address of a primary range, without the reserved ones."""
    reserved = 2 if enforced("subnetworks.reserved-addresses") else 0
    return int(network.network_address) + reserved, int(network.broadcast_address) - reserved


def _aligned(address: int, size: int) -> int:
    """The first multiple of `size` from `address` on."""
    return -(-address // size) * size


class AddressPool:
    """The allocated IPv4 blocks and /96s of one subnetwork, each with its holder.

    An allocation starts when a request is accepted and ends when the operation that releases it is DONE. Static routes
    reserve nothing (docs/reference/cut-over.md#e8).
    """

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._floors: dict[tuple[int, int, int], int] = {}
        self._ipv6: dict[int, str] = {}
        self._next_ipv6 = 0

    def holder(self, first: int, last: int) -> Block | None:
        """A block that contains an address of `first`..`last`, if any."""
        index = bisect_right(self._blocks, Block(last, 1 << 33, ""))
        if index and self._blocks[index - 1].last >= first:
            return self._blocks[index - 1]
        return None

    def holder_within(self, network: Network) -> Block | None:
        return self.holder(int(network.network_address), int(network.broadcast_address))

    def hold(self, block: Block) -> None:
        """Allocate a free block."""
        insort(self._blocks, block)

    def release(self, block: Block) -> None:
        """Release a block; without effect unless `block.holder` holds exactly this block."""
        index = bisect_left(self._blocks, block)
        if index < len(self._blocks) and self._blocks[index] == block and self._blocks[index].holder == block.holder:
            del self._blocks[index]
            self._floors = {
                where: min(floor, max(_aligned(where[0], where[2]), block.first & -where[2]))
                for where, floor in self._floors.items()
            }

    def lowest_free(self, first: int, last: int, size: int) -> int | None:
        """The lowest aligned run of `size` (a power of two) free addresses in `first`..`last`, or None."""
        where = (first, last, size)
        candidate = self._floors.get(where, _aligned(first, size))
        index = bisect_right(self._blocks, Block(candidate, 1 << 33, ""))
        if index and self._blocks[index - 1].last >= candidate:
            index -= 1
        while candidate + size - 1 <= last:
            if index >= len(self._blocks) or self._blocks[index].first > candidate + size - 1:
                self._floors[where] = candidate
                return candidate
            if self._blocks[index].last >= candidate:
                candidate = (self._blocks[index].last // size + 1) * size
            index += 1
        self._floors[where] = candidate
        return None

    def blocks(self) -> tuple[Block, ...]:
        return tuple(self._blocks)

    def first_holder(self) -> str:
        """The holder of the lowest IPv4 block, or else of the lowest /96; "" if nothing is allocated."""
        holders = chain((block.holder for block in self._blocks), (self._ipv6[number] for number in sorted(self._ipv6)))
        return next(holders, "")

    def dump(self) -> dict[str, Any]:
        """As JSON; `load` is the inverse."""
        return {
            "blocks": [[block.first, block.last, block.holder] for block in self._blocks],
            "six": {str(number): holder for number, holder in sorted(self._ipv6.items())},
            "nextSix": self._next_ipv6,
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> AddressPool:
        pool = cls()
        pool._blocks = sorted(Block(int(first), int(last), str(holder)) for first, last, holder in state["blocks"])
        pool._ipv6 = {int(number): str(holder) for number, holder in state["six"].items()}
        pool._next_ipv6 = int(state["nextSix"])
        return pool

    def is_untouched(self) -> bool:
        """Whether nothing is allocated and the next /96 is the first."""
        return self.is_empty() and self._next_ipv6 == 0

    def is_empty(self) -> bool:
        """Whether nothing is allocated."""
        return not self._blocks and not self._ipv6

    # -- IPv6: the n-th /96 of the subnetwork's /64

    def allocate_ipv6(self, holder: str, *, balancer: bool = False) -> int | None:
        """Allocate a free /96 and return its number: the next of the first /65, for a load balancer of the second.

        The first /96 stays free (docs/reference/compute-engine.md#vm-prefixes).
        """
        half = 1 << (VM_PREFIX - 65)
        if balancer and enforced("balancing.second-half"):
            number = next((number for number in range(half, 2 * half) if number not in self._ipv6), None)
        else:
            first = 1 if enforced("interfaces.first-prefix-skipped") else 0
            numbers = chain(range(max(first, self._next_ipv6), half), range(first, self._next_ipv6))
            number = next((number for number in numbers if number not in self._ipv6), None)
            self._next_ipv6 = number + 1 if number is not None else self._next_ipv6
        if number is not None:
            self._ipv6[number] = holder
        return number

    def hold_ipv6(self, number: int, holder: str) -> str:
        """Allocate this /96 if it is free, and return who holds it then."""
        return self._ipv6.setdefault(number, holder)

    def allocated_ipv6(self) -> int:
        """The number of allocated /96s."""
        return len(self._ipv6)

    def release_ipv6(self, number: int, holder: str = "") -> None:
        """Release a /96; without effect if another resource than `holder` has it."""
        if self._ipv6.get(number) == (holder or self._ipv6.get(number)):
            self._ipv6.pop(number, None)


def vm_prefix(subnetwork: IPv6Network, number: int) -> IPv6Network:
    """The `number`-th /96 of a /64."""
    return IPv6Network((int(subnetwork.network_address) + (number << (128 - VM_PREFIX)), VM_PREFIX))


def vm_prefix_number(address: str) -> int:
    """The inverse of `vm_prefix` for an address as the API prints it."""
    return int(IPv6Address(address)) >> (128 - VM_PREFIX) & 0xFFFFFFFF


def dotted(address: int) -> str:
    return str(IPv4Address(address))
