"""The number, zones and names of nodes."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.model.cidr import contains, overlaps
from dualstack.model.kinds import Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.world.gardener.node_placements import apportion, node_placements, with_node_count
from tests.unit.model import golden

_LARGE = load_shoot((golden.EXAMPLES / "shoot-large.yaml").read_text(encoding="utf-8"))


def _counts(shoot: Manifest) -> dict[str, int]:
    return {pool["name"]: pool["minimum"] for pool in shoot["spec"]["provider"]["workers"]}


@given(st.integers(0, 500), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_shares_add_up_and_each_is_at_least_one(total: int, weights: list[int]) -> None:
    counts = apportion(total, weights)

    assert sum(counts) == max(total, len(weights))
    assert min(counts) >= 1
    heavier = sorted(zip(weights, counts, strict=True))
    assert [count for _, count in heavier] == sorted(count for _, count in heavier) or len(set(weights)) < len(weights)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (None, {"general": 30, "memory": 10}),
        (8, {"general": 6, "memory": 2}),
        (100, {"general": 75, "memory": 25}),
        (1, {"general": 1, "memory": 1}),
    ],
)
def test_nodes_are_spread_in_proportion(nodes: int | None, expected: dict[str, int]) -> None:
    shoot = with_node_count(_LARGE, nodes)

    assert _counts(shoot) == expected
    for pool in shoot["spec"]["provider"]["workers"]:
        assert pool["maximum"] >= pool["minimum"]


def test_without_a_number_the_shoot_is_not_changed() -> None:
    assert with_node_count(_LARGE, None) == with_defaults(_LARGE)


@pytest.mark.parametrize("nodes", [2, 7, 40, 90])
def test_every_node_has_its_own_name_and_range(nodes: int) -> None:
    view = ShootView.of(with_node_count(_LARGE, nodes))

    placements = node_placements(view, Chance(3))

    assert len(placements) == nodes == len({placement.name for placement in placements})
    ranges = [placement.pod_cidr for placement in placements]
    assert overlaps(ranges) == []
    assert all(contains(view.pods, cidr) and cidr.endswith("/24") for cidr in ranges)
    assert all(len(placement.name) <= 63 for placement in placements)


def test_zones_of_a_pool_differ_by_one_node_at_most() -> None:
    placements = node_placements(ShootView.of(with_node_count(_LARGE, 17)), Chance(3))

    for pool in ("general", "memory"):
        zones = [placement.zone for placement in placements if placement.pool_zone.pool.name == pool]
        counts = [zones.count(zone) for zone in sorted(set(zones))]
        assert max(counts) - min(counts) <= 1


def test_names_follow_the_seed() -> None:
    view = ShootView.of(with_node_count(_LARGE, None))

    first, again, other = ([placement.name for placement in node_placements(view, Chance(seed))] for seed in (1, 1, 2))

    assert first == again
    assert not set(first) & set(other)


def test_a_world_without_nodes_is_possible() -> None:
    shoot = deepcopy(golden.shoot_file())
    shoot["spec"]["provider"]["workers"][0]["minimum"] = 0

    assert node_placements(ShootView.of(with_node_count(shoot, None)), Chance(1)) == []
