"""Worker pools over zones (docs/reference/gardener.md#machine-classes)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.gardener.model.pools import Pool, resolve, share

_POOL = {"name": "w", "minimum": 10, "maximum": 20, "maxSurge": 4, "maxUnavailable": 1, "zones": ["a", "b", "c"]}


@given(st.integers(0, 1000), st.integers(1, 9))
def test_shares_add_up_and_differ_by_one_at_most(total: int, count: int) -> None:
    parts = [share(total, index, count) for index in range(count)]

    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


def test_a_pool_is_spread_over_its_zones() -> None:
    parts = Pool.of(_POOL).parts

    assert [(part.zone, part.minimum, part.maximum, part.max_surge, part.max_unavailable) for part in parts] == [
        ("a", 4, 7, 2, 1),
        ("b", 3, 7, 1, 0),
        ("c", 3, 6, 1, 0),
    ]


@pytest.mark.parametrize(("setting", "up", "down"), [(2, 2, 2), ("25%", 3, 2), ("0%", 0, 0), ("100%", 10, 10)])
def test_percentages_of_ten(setting: int | str, up: int, down: int) -> None:
    assert resolve(setting, 10, round_up=True) == up
    assert resolve(setting, 10, round_up=False) == down


def test_percentages_are_handed_to_each_zone_as_they_are() -> None:
    pool = Pool.of({**_POOL, "maxSurge": "25%"})

    assert pool.max_surge == 3
    assert {part.max_surge for part in pool.parts} == {"25%"}
