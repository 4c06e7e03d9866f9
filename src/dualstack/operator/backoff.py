"""The delay after a failed reconcile, in seconds of the cluster's clock."""

from __future__ import annotations

from dualstack.kube.interface import Conflict, NotFound, Unavailable
from dualstack.model.errors import DualstackError, InvalidInput, Unsupported

FIRST = 5.0
LONGEST = 300.0
_AT_ONCE = 1.0
_NEEDS_USER = (InvalidInput, Unsupported)


def delay_after(error: BaseException, failures: int) -> float:
    """Seconds until the next try after `failures` failures in a row, this one included.

    A conflict is retried after 1 to 5 s. An error with `retry_after` (dualstack.gce.errors) waits that long. Everything
    else doubles from 5 s to 5 minutes: to 1 minute for an unavailable API or a missing object, and 5 minutes at once
    for an error that only a user can resolve.
    """
    if isinstance(error, Conflict):
        return min(_AT_ONCE * failures, FIRST)
    if isinstance(error, _NEEDS_USER) or isinstance(error.__cause__, _NEEDS_USER):
        return LONGEST
    doubled = min(FIRST * 2.0 ** min(failures - 1, 10), LONGEST)
    if isinstance(error, Unavailable | NotFound):
        return min(doubled, 60.0)
    named = getattr(error, "retry_after", None)
    return max(float(named), _AT_ONCE) if isinstance(named, int | float) else doubled


def reason_of(error: BaseException) -> str:
    """A word for logs and metrics: the error's class, or `Defect` for an unexpected exception."""
    return type(error).__name__ if isinstance(error, DualstackError) else "Defect"
