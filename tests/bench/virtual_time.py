"""An event loop whose time jumps to the next timer as soon as no task can run.

Computation and traffic over loopback take no time in it, only waiting does. So a benchmark measures the plan and the
cloud instead of this machine, and hours take seconds.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

GRACE = 0.0003
"""Wall seconds for bytes that are still on their way through the kernel."""

EPOCH = 1_790_000_000.0


class JumpingSelector(selectors.DefaultSelector):
    """Returns the sockets that are ready, and skips the time until the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        self.grace = GRACE

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        ready = super().select(0) or (super().select(self.grace) if timeout > 0 and self.grace else [])
        if not ready:
            self.skipped += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is the sum of all waiting."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        # Slightly more than was skipped, so that rounding never makes a timer late.
        return self.jumping.skipped + 1e-6


class VirtualClock:
    """The clock of such a loop (`dualstack.clock.Clock`)."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
