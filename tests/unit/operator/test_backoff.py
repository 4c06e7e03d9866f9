"""An error that only a person can resolve waits the longest, also when another error wraps it."""

from __future__ import annotations

import pytest

from dualstack.kube.interface import Conflict
from dualstack.model.errors import DualstackError, GateFailed, InvalidInput, Unsupported
from dualstack.operator.queue import FIRST, LONGEST, delay_after


def wrapped(cause: Exception | None) -> DualstackError:
    """An error as `raise ... from cause` leaves it."""
    error = GateFailed("failed to ensure the subnet")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "seconds"),
    [
        (InvalidInput("x"), LONGEST),
        (Unsupported("x", because="y"), LONGEST),
        (Conflict("x"), FIRST),
        (KeyError("x"), FIRST),
        (None, FIRST),
    ],
)
def test_the_cause_of_an_error_decides_how_long_the_retry_waits(cause: Exception | None, seconds: float) -> None:
    assert delay_after(wrapped(cause), 1) == seconds


@pytest.mark.parametrize(
    ("named", "delays"),
    [
        (5.0, [5, 10, 20, 40, 80, 160, 300, 300]),
        (60.0, [60, 120, 240, 300, 300]),
        (LONGEST, [300, 300]),
        (600.0, [600, 600]),
    ],
)
def test_p33_the_retries_of_an_error_that_names_its_delay_become_rarer_too(named: float, delays: list[float]) -> None:
    error = GateFailed("refused")
    error.retry_after = named
    assert [delay_after(error, failures) for failures in range(1, len(delays) + 1)] == delays
