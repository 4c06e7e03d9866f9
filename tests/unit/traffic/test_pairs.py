"""Which pairs are probed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.model.errors import InvalidInput
from dualstack.traffic.coordinator import TrafficSettings
from dualstack.traffic.pairs import (
    ALL_PAIRS_UP_TO,
    SAMPLED_TARGETS,
    ProbePlan,
    ProberAddress,
    endpoint_of,
    plan_manifest,
    read_plan,
    shared_addresses,
    targets,
)


def cluster(count: int, zones: int = 3) -> list[ProberAddress]:
    return [
        ProberAddress(f"node-{index}", (f"10.0.{index // 250}.2",), f"zone-{index % zones}") for index in range(count)
    ]


def test_up_to_a_hundred_nodes_all_ordered_pairs_are_probed() -> None:
    members = cluster(ALL_PAIRS_UP_TO)
    for each in members:
        assert {other.node for other in targets(each.node, members)} == {other.node for other in members} - {each.node}


@settings(max_examples=10)
@given(count=st.integers(ALL_PAIRS_UP_TO + 1, 300), zones=st.integers(1, 5))
def test_above_it_each_node_is_source_and_destination_of_as_many_and_reaches_each_zone(count: int, zones: int) -> None:
    members = cluster(count, zones)
    sources, destinations = Counter[str](), Counter[str]()
    for each in members:
        chosen = targets(each.node, members)
        assert each not in chosen
        assert len({other.node for other in chosen}) == len(chosen) <= SAMPLED_TARGETS + zones
        assert {other.zone for other in chosen} == {other.zone for other in members}
        sources[each.node] += len(chosen)
        destinations.update(other.node for other in chosen)
    assert min(sources.values()) >= SAMPLED_TARGETS
    assert min(destinations[each.node] for each in members) >= SAMPLED_TARGETS


def test_a_zone_with_one_node_is_reached_by_all() -> None:
    members = [*cluster(200, 2), ProberAddress("alone", ("10.9.0.2",), "zone-9")]
    assert all("alone" in {other.node for other in targets(each.node, members)} for each in members[:-1])


def test_a_node_that_joins_changes_few_pairs() -> None:
    members = cluster(200)
    larger = [*members, ProberAddress("new", ("10.9.0.2",), "zone-1")]
    changed = [each.node for each in members if targets(each.node, members) != targets(each.node, larger)]
    assert len(changed) <= SAMPLED_TARGETS


def test_a_node_without_a_prober_probes_nothing() -> None:
    assert targets("other", cluster(5)) == ()


def test_families_that_both_have_are_probed() -> None:
    both, ipv4 = ProberAddress("a", ("10.0.0.2", "fd00::2")), ProberAddress("b", ("10.0.1.2",))
    assert shared_addresses(both, ipv4) == ("10.0.1.2",)
    assert shared_addresses(ipv4, both) == ("10.0.0.2",)
    assert shared_addresses(both, both) == both.addresses


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = ProbePlan(7, tuple(cluster(3)), ("10.1.0.9", "fd00::9"), ("192.0.2.1:443",))
    assert read_plan(plan_manifest(plan, "somewhere")) == plan
    assert read_plan(None) is None
    assert read_plan({"data": {"plan.json": "{"}}) is None


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "192.0.2.1:0", "192.0.2.1:x", "2001:db8::1:443", "[192.0.2.1]:443", "a:443"]
)
def test_a_target_on_the_internet_is_an_address_and_a_port(text: str) -> None:
    assert endpoint_of("192.0.2.1:443") == ("192.0.2.1", 443)
    assert endpoint_of("[2001:db8::1]:443") == ("2001:db8::1", 443)
    with pytest.raises(ValueError):
        endpoint_of(text)
    with pytest.raises(InvalidInput, match="not ADDRESS:PORT"):
        TrafficSettings("image", internet=(text,))


def test_the_plan_of_the_largest_cluster_fits_into_a_config_map() -> None:
    members = tuple(
        ProberAddress(
            f"shoot--project--name-pool-z{index % 3}-abcde-{index:05}",
            ("100.100.100.100", "2600:1900:4000:1234:5678:9abc:def0:1234"),
            "europe-west1-b",
        )
        for index in range(5000)
    )
    text = plan_manifest(ProbePlan(1, members), "dualstack-traffic")["data"]["plan.json"]
    assert len(text) < 1_000_000
