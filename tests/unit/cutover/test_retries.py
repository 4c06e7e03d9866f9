"""Retries follow a reason, wait longer each time, and end."""

from __future__ import annotations

import pytest

from dualstack.cutover.retries import RetryBudget
from dualstack.gce.errors import Invalid, NotReady, StaleFingerprint
from dualstack.kube.interface import Conflict, NotFound, Unavailable
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases, SetOverlapFlag

SETTINGS = Settings(attempts=5, backoff=(2.0, 10.0))


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (StaleFingerprint("conditionNotMet", "stale"), [2.0, 4.0, 8.0, 10.0, None]),
        (NotReady("resourceNotReady", "busy"), [5.0, 5.0, 8.0, 10.0, None]),
        (Unavailable("503"), [2.0, 4.0, 8.0, 10.0, None]),
        (Conflict("409"), [2.0, 4.0, 8.0, 10.0, None]),
        (Invalid("invalid", "no"), [None]),
        (NotFound("404"), [None]),
    ],
)
def test_the_wait_follows_the_reason_and_grows(error: DualstackError, waits: list[float | None]) -> None:
    budget = RetryBudget(SETTINGS)
    assert [budget.wait_after(error) for _ in waits] == waits


def test_the_wait_for_an_effect_that_does_not_show_grows_too() -> None:
    budget = RetryBudget(SETTINGS)
    assert [budget.wait_for_effect() for _ in range(5)] == [2.0, 4.0, 8.0, 10.0, None]


def test_by_default_a_step_is_tried_eight_times_at_most_a_minute_apart() -> None:
    budget = RetryBudget(Settings())
    assert [budget.wait_for_effect() for _ in range(8)] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, None]


def test_success_resets_the_wait() -> None:
    budget = RetryBudget(SETTINGS)
    assert [budget.wait_for_effect(), budget.wait_for_effect()] == [2.0, 4.0]
    budget.succeeded(SetOverlapFlag())
    assert budget.wait_for_effect() == 2.0


def test_repetitions_of_a_step_are_limited_for_each_target() -> None:
    budget = RetryBudget(SETTINGS)
    for _ in range(SETTINGS.attempts):
        budget.begin(AddAliases(("node-0",)))
        budget.succeeded(AddAliases(("node-0",)))
    budget.begin(AddAliases(("node-1",)))
    budget.begin(SetOverlapFlag())
    with pytest.raises(GateFailed, match="add-aliases of node-0 was done 5 times and is needed again"):
        budget.begin(AddAliases(("node-1", "node-0")))
