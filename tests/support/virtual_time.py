"""An event loop whose time jumps to the next timer as soon as no task can run.

Computation, threads of an executor and traffic over loopback take no time in it, only waiting does. So a benchmark
measures the plan and the cloud instead of this machine, hours take seconds, and no test depends on the load.
Everything that must agree on the time runs in this loop: it does not wait for other processes.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

GRACE = 0.0003
"""Wall seconds for bytes that are still on their way through the kernel."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

EPOCH = 1_790_000_000.0


class JumpingSelector(selectors.DefaultSelector):
    """Returns the sockets that are ready, and skips the time until the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        self.grace = GRACE
        self.in_threads = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or (timeout > 0 and self.in_threads):
            return super().select(None)  # the end of a thread wakes the loop
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

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        def ended(_: object) -> None:
            self.jumping.in_threads -= 1

        self.jumping.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(ended)
        return future


class VirtualClock:
    """The clock of such a loop (`dualstack.clock.Clock`)."""

    def now(self) -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "the clock of a virtual loop is used in another loop"
        return EPOCH + loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
