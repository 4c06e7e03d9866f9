"""The shortest time of a step, from its operations."""

from __future__ import annotations

import pytest

from tests.bench.timing import Operation, Step, shortest

MINUTE = 6000.0
NO_WAITS: dict[str, float] = {}
AT_ONCE: dict[str, float] = {}
ANSWERS = {"operation": 0.2, "list": 0.4}


def operation(kind: str, target: str, began: float, seconds: float, quota: str = "global") -> Operation:
    return Operation(kind, target, quota, MINUTE + began, seconds)


def step(name: str, began: float, ended: float) -> Step:
    return Step(name, MINUTE + began, MINUTE + ended)


def test_operations_of_a_step_run_side_by_side() -> None:
    both = [operation("routes.delete", "a", 0.0, 4.0), operation("routes.delete", "b", 0.0, 9.0)]
    deletion = step("delete-routes", 0.0, 20.0)
    assert shortest(deletion, both, NO_WAITS, 100, AT_ONCE) == pytest.approx(9.0)
    assert shortest(deletion, both, NO_WAITS, 100, ANSWERS) == pytest.approx(9.6)


def test_the_trial_of_headroom_runs_in_order() -> None:
    trial = [
        operation("routes.insert", "drill", 0.0, 4.0),
        operation("routes.delete", "drill", 5.0, 3.0),
        operation("subnetworks.patch", "nodes", 9.0, 8.0, "regional"),
        *(operation("instances.updateNetworkInterface", vm, 18.0, 5.0 + int(vm), "regional") for vm in "01"),
        *(operation("instances.updateNetworkInterface", vm, 25.0, 2.0, "regional") for vm in "01"),
        operation("subnetworks.patch", "nodes", 30.0, 7.0, "regional"),
    ]
    step_of_trial = step("prove-headroom", 0.0, 50.0)
    assert shortest(step_of_trial, trial, NO_WAITS, 100, ANSWERS) == pytest.approx(30 + 6 * 0.2 + 0.4)
    assert shortest(step_of_trial, trial, NO_WAITS, 100, AT_ONCE) == pytest.approx(4 + 3 + 8 + 6 + 2 + 7)


def test_what_an_earlier_step_began_in_the_same_window_counts() -> None:
    earlier = operation("routes.insert", "drill", 1.0, 4.0)
    deleted = [operation("routes.delete", name, began, 4.0) for name, began in (("a", 10.0), ("b", 60.0))]
    assert shortest(step("delete-routes", 10.0, 70.0), deleted, NO_WAITS, 2, AT_ONCE) == pytest.approx(4.0)
    assert shortest(step("delete-routes", 10.0, 70.0), [earlier, *deleted], NO_WAITS, 2, AT_ONCE) == pytest.approx(54.0)


def test_operations_of_another_quota_do_not_count() -> None:
    earlier = operation("subnetworks.patch", "nodes", 1.0, 4.0, "regional")
    deleted = [operation("routes.delete", name, 10.0, 4.0) for name in "ab"]
    assert shortest(step("delete-routes", 10.0, 70.0), [earlier, *deleted], NO_WAITS, 2, AT_ONCE) == pytest.approx(4.0)


def test_a_step_without_wait_and_operations_takes_no_time() -> None:
    assert shortest(step("gate-ready", 0.0, 5.0), [], NO_WAITS, 2, ANSWERS) == 0.0


def test_a_barrier_takes_its_wait_and_no_longer_than_it_took() -> None:
    waits = {"barrier-flag": 120.0}
    assert shortest(step("barrier-flag", 0.0, 130.0), [], waits, 2, AT_ONCE) == pytest.approx(120.0)
    assert shortest(step("barrier-flag", 0.0, 30.0), [], waits, 2, AT_ONCE) == pytest.approx(30.0)
