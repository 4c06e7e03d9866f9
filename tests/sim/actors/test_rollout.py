"""The arithmetic of a rolling update."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack_sim.actors.rollout import Budget, Scale, budget, next_scales, share


@pytest.mark.parametrize(
    ("value", "total", "up", "expected"),
    [
        (None, 10, True, 0),
        (3, 10, True, 3),
        ("3", 10, False, 3),
        ("25%", 10, True, 3),
        ("25%", 10, False, 2),
        ("0%", 7, True, 0),
    ],
)
def test_shares_of_a_total(value: int | str | None, total: int, up: bool, expected: int) -> None:
    assert share(value, total, round_up=up) == expected


def test_other_values_are_refused() -> None:
    with pytest.raises(ValueError):
        share("a lot", 3, round_up=True)


def test_defaults_are_a_quarter_each_and_both_zero_allow_one_unavailable() -> None:
    assert budget(None, 10) == Budget(3, 2)
    assert budget({"maxSurge": 0, "maxUnavailable": "10%"}, 3) == Budget(0, 1)


def test_a_surge_of_one_replaces_one_replica_at_a_time() -> None:
    limits = Budget(surge=1, unavailable=0)
    assert next_scales(3, limits, Scale("new", 0, 0), [Scale("old", 3, 3)]) == {"new": 1}
    assert next_scales(3, limits, Scale("new", 1, 0), [Scale("old", 3, 3)]) == {}
    assert next_scales(3, limits, Scale("new", 1, 1), [Scale("old", 3, 3)]) == {"old": 2}
    assert next_scales(3, limits, Scale("new", 3, 3), [Scale("old", 1, 1)]) == {"old": 0}


def test_unavailable_old_replicas_are_deleted_first() -> None:
    limits = Budget(surge=0, unavailable=1)
    assert next_scales(3, limits, Scale("new", 0, 0), [Scale("old", 3, 2)]) == {"old": 2}


def test_scaling_to_zero_deletes_new_and_old() -> None:
    changes = next_scales(0, Budget(1, 0), Scale("new", 2, 2), [Scale("old", 1, 1)])
    assert changes == {"new": 0, "old": 0}


@given(
    wanted=st.integers(0, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    old=st.lists(st.integers(0, 8), max_size=3),
    flaky=st.randoms(use_true_random=False),
)
def test_every_rollout_ends_and_keeps_its_limits(
    wanted: int, surge: int, unavailable: int, old: list[int], flaky: Random
) -> None:
    limits = Budget(surge, max(unavailable, 0 if surge else 1))
    replicas = {"new": 0, **{f"old-{index}": count for index, count in enumerate(old)}}
    available = dict(replicas)
    for _ in range(200):
        scales = [Scale(name, count, min(count, available[name])) for name, count in replicas.items()]
        before = sum(each.available for each in scales)
        changes = next_scales(wanted, limits, scales[0], scales[1:])
        replicas.update(changes)
        total, ceiling = sum(replicas.values()), wanted + limits.surge
        assert total <= max(ceiling, sum(each.replicas for each in scales))
        available = {name: min(available[name], count) for name, count in replicas.items()}
        # A scale-down never leaves fewer available replicas than the limit, unless there were fewer before.
        assert sum(available.values()) >= min(before, wanted - limits.unavailable) or replicas["new"] == wanted
        for name, count in replicas.items():
            if available[name] < count and flaky.random() < 0.7:
                available[name] += 1
        if replicas == {**dict.fromkeys(replicas, 0), "new": wanted} and available == replicas:
            return
    pytest.fail(f"no end: {replicas}")
