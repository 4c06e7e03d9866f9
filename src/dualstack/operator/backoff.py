"""How long to wait before a failed reconcile is tried again: by the reason, in seconds of the cluster's clock."""

from __future__ import annotations

from dualstack.kube.interface import Conflict, NotFound, Unavailable
from dualstack.model.errors import DualstackError, InvalidInput, Unsupported

FIRST = 5.0
LONGEST = 300.0
_AT_ONCE = 1.0
_FOR_A_PERSON = (InvalidInput, Unsupported)


def delay_after(error: BaseException, failures: int) -> float:
    """Seconds until the next try after `failures` failures in a row, this one included.

    A stale object is read again at once. What the cloud names a time for gets that time. Everything else doubles from
    five seconds to five minutes; what only a person can change waits the longest.
    """
    if isinstance(error, Conflict):
        return min(_AT_ONCE * failures, FIRST)
    if isinstance(error, _FOR_A_PERSON) or isinstance(error.__cause__, _FOR_A_PERSON):
        return LONGEST
    doubled = min(FIRST * 2.0 ** min(failures - 1, 10), LONGEST)
    if isinstance(error, Unavailable | NotFound):
        return min(doubled, 60.0)
    named = getattr(error, "retry_after", None)
    return max(float(named), _AT_ONCE) if isinstance(named, int | float) else doubled


def reason_of(error: BaseException) -> str:
    """A word for logs and metrics: the error's class, or `Defect` for what was not raised on purpose."""
    return type(error).__name__ if isinstance(error, DualstackError) else "Defect"
