"""Waits for a state: repeats a check until it finds nothing missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dualstack.clock import Clock
from dualstack.model.errors import DualstackError

Check = Callable[[], Awaitable[str | None]]
"""Returns what is still missing, in words, or None. May raise to give up at once."""


class WaitTimeout(DualstackError):
    """A state was not reached in time; the same wait may succeed later."""


async def wait_until(
    check: Check, clock: Clock, *, what: str, interval: float = 10.0, timeout: float = 600.0, extend: bool = False
) -> None:
    """Return when `check` finds nothing missing; WaitTimeout after `timeout` seconds.

    With `extend` the time starts again whenever the words of `check` change, so that slow progress is not a failure.
    """
    deadline = clock.now() + timeout
    last: str | None = None
    while (missing := await check()) is not None:
        if extend and missing != last:
            deadline = clock.now() + timeout
        last = missing
        if clock.now() >= deadline:
            raise WaitTimeout(f"{what}: {missing}, after waiting for {timeout:.0f} s")
        await clock.sleep(interval)
