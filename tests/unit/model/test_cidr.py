"""Address ranges: what is parsed, what overlaps, what is derived."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model import cidr


@st.composite
def ranges(draw: st.DrawFn) -> str:
    """Ranges in a small part of the address space, so that many of them overlap."""
    if draw(st.booleans()):
        length = draw(st.integers(20, 32))
        return str(ip_network((0x0A000000 + draw(st.integers(0, 4095)), length), strict=False))
    length = draw(st.integers(112, 128))
    return str(ip_network(((0xFD << 120) + draw(st.integers(0, 65535)), length), strict=False))


@given(st.lists(ranges(), max_size=12))
def test_the_sweep_finds_exactly_the_overlapping_pairs(texts: list[str]) -> None:
    parsed = [ip_network(text) for text in texts]
    expected = [
        (left, right)
        for left, right in combinations(range(len(texts)), 2)
        if parsed[left].version == parsed[right].version and parsed[left].overlaps(parsed[right])
    ]

    assert cidr.overlaps(texts) == expected


@given(ranges(), ranges())
def test_overlap_is_symmetric_and_agrees_with_the_sweep(left: str, right: str) -> None:
    assert cidr.overlap(left, right) == cidr.overlap(right, left) == bool(cidr.overlaps([left, right]))


@given(st.integers(0, 2**64 - 1))
def test_gcp_spelling_and_the_canonical_one_name_the_same_range(upper: int) -> None:
    canonical = str(ip_network((upper << 64, 64)))

    spelled = cidr.uncompressed(canonical)

    assert spelled.count(":") == 7
    assert cidr.canonical(spelled) == canonical
    assert cidr.same(spelled, canonical)


def test_gcp_spelling_of_the_golden_scenario() -> None:
    assert cidr.uncompressed("2600:1900:4010:1234::/64") == "2600:1900:4010:1234:0:0:0:0/64"
    assert cidr.uncompressed("10.250.0.0/16") == "10.250.0.0/16"


def test_derived_ranges_of_the_golden_scenario() -> None:
    assert cidr.services_range("2600:1900:4010:5678:0:0:0:0/64") == "2600:1900:4010:5678::/108"


@pytest.mark.parametrize("prefix", ["10.0.0.0/8", "2600:1900::/120"])
def test_no_services_range_in_ipv4_or_in_a_smaller_range(prefix: str) -> None:
    with pytest.raises(ValueError, match="has no IPv6 /108"):
        cidr.services_range(prefix)


@pytest.mark.parametrize(
    ("network", "offset", "address"),
    [
        ("100.64.0.0/13", 1, "100.64.0.1"),
        ("100.64.0.0/13", 10, "100.64.0.10"),
        ("2600:1900:4010:5678::/108", 10, "2600:1900:4010:5678::a"),
    ],
)
def test_cluster_addresses_stand_at_an_offset(network: str, offset: int, address: str) -> None:
    assert cidr.at_offset(network, offset) == address
    assert ip_address(address) in ip_network(network)


def test_an_offset_outside_the_range_is_an_error() -> None:
    with pytest.raises(ValueError, match="no address at offset 8"):
        cidr.at_offset("10.0.0.0/29", 8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0.0/255.255.0.0",
        "10.0.0/8",
        "::/129",
        "fe80::1%eth0/64",
        "a/8",
        "10.0.0.0/-1",
    ],
)
def test_what_is_no_cidr_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        cidr.parse_loosely(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.250.0.0/16", True), ("10.250.0.1/16", False), ("2600:0:0:0:0:0:0:0/64", True), ("2600::1/64", False)],
)
def test_canonical_means_no_host_bits_whatever_the_spelling(text: str, expected: bool) -> None:
    assert cidr.is_canonical(text) is expected


def test_parse_refuses_host_bits() -> None:
    with pytest.raises(ValueError, match="host bits"):
        cidr.parse("10.0.0.1/8")


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("10.0.0.0/8", "2600::/64", False),
        ("2600::/64", "2600::1", True),
    ],
)
def test_containment(outer: str, inner: str, expected: bool) -> None:
    assert cidr.contains(outer, inner) is expected


def test_blocks_of_a_range() -> None:
    assert cidr.blocks("100.96.0.0/11", 24) == 8192
    assert cidr.blocks("100.96.0.0/25", 24) == 0
    assert cidr.block("100.96.0.0/11", 24, 258) == "100.97.2.0/24"
    with pytest.raises(ValueError, match="at index 2"):
        cidr.block("100.96.0.0/23", 24, 2)


def test_families_in_order() -> None:
    assert cidr.families(["100.96.0.0/24", "2600::/112"]) == ("IPv4", "IPv6")
