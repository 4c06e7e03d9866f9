"""Anonymised ranges keep what matters: size, family, overlap, containment, and offsets from the start of a range."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dualstack.snapshot.anonymise import anonymised
from dualstack.snapshot.document import Snapshot

KEY = b"0" * 32
PRIVATE = [IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


def networks() -> st.SearchStrategy[IPv4Network]:
    return st.builds(
        lambda bits, length: IPv4Network((bits >> (32 - length) << (32 - length), length)),
        st.integers(min_value=0, max_value=2**32 - 1),
        st.integers(min_value=8, max_value=28),
    )


def mapped(texts: list[str], key: bytes = KEY) -> list[str]:
    resource: dict[str, Any] = {"name": "r", "ranges": texts}
    found = anonymised(Snapshot(project="proj-1", compute={"global/routes/r": resource}), key)
    return list(found.compute["global/routes/r"]["ranges"])


@given(st.lists(networks(), min_size=2, max_size=6), st.binary(min_size=16, max_size=16))
def test_ranges_overlap_as_before(ranges: list[IPv4Network], key: bytes) -> None:
    after = [IPv4Network(text) for text in mapped([str(each) for each in ranges], key)]
    for number, first in enumerate(ranges):
        assert after[number].prefixlen == first.prefixlen
        for known in PRIVATE:
            assert first.subnet_of(known) == after[number].subnet_of(known)
        for other, second in enumerate(ranges):
            assert first.overlaps(second) == after[number].overlaps(after[other])
            assert first.subnet_of(second) == after[number].subnet_of(after[other])


@given(networks(), st.integers(min_value=1, max_value=250))
def test_an_address_keeps_its_offset_in_its_range(found: IPv4Network, offset: int) -> None:
    offset %= found.num_addresses
    address = found.network_address + offset
    after_range, after_address = mapped([str(found), str(address)])
    assert int(ip_address(after_address)) - int(ip_network(after_range).network_address) == offset


def test_names_are_replaced_everywhere_and_the_same() -> None:
    snapshot = Snapshot(
        project="acme-prod",
        compute={
            "global/networks/acme": {"name": "acme", "selfLink": "https://x/projects/acme-prod/global/networks/acme"},
            "global/routes/k": {"name": "k", "network": "https://x/projects/acme-prod/global/networks/acme"},
        },
        kubernetes={
            "v1/Service": [
                {"metadata": {"name": "billing", "namespace": "shop", "labels": {"team": "x", "k8s-app": "kube-dns"}}}
            ],
            "v1/Namespace": [{"metadata": {"name": "shop"}}],
        },
    )
    text = anonymised(snapshot, KEY).as_json()
    for name in ("acme", "billing", "shop", "team"):
        assert name not in text
    found = msgspec.json.decode(text)
    (network,) = [each for path, each in found["compute"].items() if "networks" in path]
    (route,) = [each for path, each in found["compute"].items() if "routes" in path]
    assert route["network"] == network["selfLink"]
    assert found["kubernetes"]["v1/Service"][0]["metadata"]["labels"]["k8s-app"] == "kube-dns"
    assert found["anonymised"] is True


def test_two_documents_have_different_names() -> None:
    snapshot = Snapshot(project="acme-prod", compute={"": {"name": "acme-prod"}})
    assert anonymised(snapshot).as_json() != anonymised(snapshot).as_json()
