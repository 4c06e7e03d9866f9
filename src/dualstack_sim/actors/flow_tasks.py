"""Gardener's flow engine: tasks run as soon as the tasks that they depend on have succeeded
(docs/reference/gardener.md#flow-engine)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dualstack.clock import Clock
from dualstack.model.errors import DualstackError

Result = TypeVar("Result")

TIMEOUT = 300.0
"""Seconds that a task may take (docs/reference/gardener.md#reconcile-graph)."""


class FlowFailed(DualstackError):
    """The errors of all tasks that failed. `failures`: each with the name of its task."""

    def __init__(self, failures: Sequence[tuple[str, DualstackError]]) -> None:
        super().__init__("\n".join(f'failed to "{name}": {error}' for name, error in failures))
        self.failures = tuple(failures)


class TimedOut(DualstackError):
    """The time of a task or of a reconcile is over."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task. A task that is not `wanted` counts as done. `timeout`: seconds."""

    name: str
    act: Callable[[], Coroutine[Any, Any, None]]
    after: tuple[str, ...] = ()
    wanted: bool = True
    timeout: float = TIMEOUT


async def run_flow(tasks: Sequence[Task], clock: Clock, after_each: Callable[[], Awaitable[None]]) -> None:
    """Run all tasks; `after_each` follows every task, successful or not. Raises FlowFailed.

    After a failure, tasks that do not depend on it continue.
    """
    ended: dict[str, asyncio.Future[bool]] = {
        task.name: asyncio.get_running_loop().create_future() for task in tasks if task.wanted
    }
    failures: list[tuple[str, DualstackError]] = []

    async def run(task: Task) -> None:
        before = [await ended[name] for name in task.after if name in ended]
        succeeded = all(before)
        if succeeded:
            try:
                await within(clock, task.timeout, task.act())
            except DualstackError as error:
                failures.append((task.name, error))
                succeeded = False
            await after_each()
        ended[task.name].set_result(succeeded)

    await asyncio.gather(*(run(task) for task in tasks if task.wanted))
    if failures:
        raise FlowFailed(failures)


async def within(clock: Clock, seconds: float, act: Awaitable[Result]) -> Result:
    """The result of `act`; cancels it and raises TimedOut after `seconds`."""
    work, limit = asyncio.ensure_future(act), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((work, limit), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return await work
        raise TimedOut("context deadline exceeded")
    finally:
        for future in (work, limit):
            future.cancel()
        await asyncio.gather(work, limit, return_exceptions=True)
