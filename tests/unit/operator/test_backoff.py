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
