"""Waits for what another program, or the owner of the cluster, has to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dualstack.cli.live.change import Change
from dualstack.cli.words import duration
from dualstack.cutover.actuator import Redirection
from dualstack.cutover.interface import DirectionChanged
from dualstack.model.errors import GateFailed

WAIT_EVERY = 10.0
"""Seconds between two looks."""
REMIND_EVERY = 300.0
"""Seconds after which an unchanged wait is reported again."""


async def await_ready(
    change: Change, not_ready: Callable[[], Awaitable[str]], redirection: Redirection, *, wait: bool
) -> None:
    """Return once `not_ready` has no reason left, a clause. GateFailed with the reason at once unless `wait`.
    DirectionChanged when the command is interrupted."""
    clock = change.cluster.clock
    said, said_at, since = "", 0.0, clock.now()
    while reason := await not_ready():
        if not wait:
            raise GateFailed(reason)
        change.progress.wait("await-readiness", since, reason)
        if reason != said or clock.now() > said_at + REMIND_EVERY:
            change.progress.say(f"Waiting for {duration(clock.now() - since)}: {reason}.")
            said, said_at = reason, clock.now()
        if interruption := await redirection():
            raise DirectionChanged(interruption)
        await clock.sleep(WAIT_EVERY)
