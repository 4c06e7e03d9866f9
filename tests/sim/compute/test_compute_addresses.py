"""Address allocation, compared with a naive model."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack_sim.compute.network.addresses import (
    AddressPool,
    Block,
    block_of,
    fits_within,
    overlaps,
    parse_cidr,
    uncompressed_prefix,
    usable_primary,
    vm_prefix,
    vm_prefix_number,
)

SPAN = 64
STEPS = st.lists(st.tuples(st.sampled_from([1, 2, 4, 8, 0]), st.integers(0, 100)), max_size=60)


@given(STEPS)
def test_lowest_free_is_the_lowest_free(steps: list[tuple[int, int]]) -> None:
    """Size 0 releases some block; everything else takes the lowest aligned free run."""
    pool = AddressPool()
    held: list[Block] = []
    for size, pick in steps:
        if size == 0:
            if held:
                pool.release(held.pop(pick % len(held)))
            continue
        taken = {address for block in held for address in range(block.first, block.last + 1)}
        expected = next((start for start in range(0, SPAN, size) if not taken & set(range(start, start + size))), None)
        assert pool.lowest_free(0, SPAN - 1, size) == expected
        if expected is not None:
            block = Block(expected, expected + size - 1, f"holder {expected}")
            pool.hold(block)
            held.append(block)
    assert set(pool.blocks()) == set(held)
    for address in range(SPAN):
        holder = pool.holder(address, address)
        assert (holder is not None) is any(block.first <= address <= block.last for block in held)


def test_unaligned_floor_stays_aligned() -> None:
    pool = AddressPool()
    first, last = usable_primary(IPv4Network("10.0.0.0/24"))
    start = pool.lowest_free(first, last, 16)
    assert start == int(IPv4Network("10.0.0.16/28").network_address)
    pool.hold(Block(start, start + 15, "a"))
    pool.release(Block(start, start + 15, "a"))
    assert pool.lowest_free(first, last, 16) == start


def test_only_the_holder_releases() -> None:
    pool = AddressPool()
    block = block_of(IPv4Network("10.0.0.0/24"), "a")
    pool.hold(block)
    pool.release(block_of(IPv4Network("10.0.0.0/24"), "b"))
    pool.release(block_of(IPv4Network("10.0.0.0/25"), "a"))
    assert pool.blocks() == (block,)


def test_each_vm_gets_the_next_96_and_never_the_first() -> None:
    pool = AddressPool()
    prefix = IPv6Network("2600:1900:4010:1234::/64")
    numbers = [pool.allocate_ipv6(f"vm{index}") for index in range(3)]
    assert numbers == [1, 2, 3]
    third = vm_prefix(prefix, 3)
    assert str(third) == "2600:1900:4010:1234:0:3::/96"
    assert uncompressed_prefix(third) == "2600:1900:4010:1234:0:3:0:0/96"
    assert vm_prefix_number("2600:1900:4010:1234:0:3:0:0") == 3
    pool.release_ipv6(2)
    assert pool.allocate_ipv6("vm4") == 4


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "x/24", "", "/24", "10.0.0.0/24/1"])
def test_malformed_cidrs_are_none(text: str) -> None:
    assert parse_cidr(text) is None


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_containment_agrees_with_the_standard_library(one: int, length: int, other: int, width: int) -> None:
    left = IPv4Network((one, length), strict=False)
    right = IPv4Network((other, width), strict=False)
    assert fits_within(left, right) == left.subnet_of(right)
    assert overlaps(left, right) == left.overlaps(right)


def test_address_families_never_overlap() -> None:
    assert not overlaps(IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
