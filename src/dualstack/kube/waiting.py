"""Waits for a state: repeats a check until it finds nothing missing, and says meanwhile what it waits for.

Design rule: docs/reference/design-rules.md#never-silent
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dualstack.clock import Clock
from dualstack.model.errors import DualstackError

Check = Callable[[], Awaitable[str | None]]
"""Returns what is still missing, in words, or None. May raise to give up at once."""

Diagnose = Callable[[], Awaitable[str]]
"""Names the objects that the wait depends on: which, since when, and why; empty when nothing is known."""

Tell = Callable[[str], Awaitable[None]]
"""Takes what a wait waits for, at each look. Must not raise."""

DIAGNOSE_EVERY = 60.0
"""Seconds between two diagnoses of one wait, which read more objects than a check."""


class WaitTimeout(DualstackError):
    """A state was not reached in time; the same wait may succeed later. `why` is the last diagnosis."""

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(f"{message}; {why}" if why else message)
        self.why = why


async def ignore(_: str) -> None:
    """A `Tell` without effect."""


async def wait_until(
    check: Check,
    clock: Clock,
    *,
    what: str,
    interval: float = 10.0,
    timeout: float = 600.0,
    extend: bool = False,
    diagnose: Diagnose | None = None,
    tell: Tell = ignore,
) -> None:
    """Return when `check` finds nothing missing; WaitTimeout after `timeout` seconds.

    With `extend` the time starts again when `check` returns words that this wait has not seen yet, so that slow
    progress is not a failure. Words that come back are repetition, not progress.
    """
    deadline = clock.now() + timeout
    seen: set[str] = set()
    why, diagnosed = "", clock.now()
    while (missing := await check()) is not None:
        if extend and missing not in seen:
            deadline = clock.now() + timeout
        seen.add(missing)
        overdue = clock.now() >= deadline
        if diagnose is not None and (overdue or clock.now() - diagnosed >= DIAGNOSE_EVERY):
            why, diagnosed = await diagnose(), clock.now()
        if overdue:
            raise WaitTimeout(f"{what}: {missing}, after waiting for {timeout:.0f} s", why)
        await tell(f"{what}: {missing}" + (f"; {why}" if why else ""))
        await clock.sleep(interval)
