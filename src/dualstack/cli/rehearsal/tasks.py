"""Several things at once, of which the first that ends decides."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any


async def first_of(*awaitables: Any) -> None:
    """Wait until the first of the awaitables ends, and raise what it raised; those that we made are cancelled."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    ours = [task for task, awaitable in zip(tasks, awaitables, strict=True) if task is not awaitable]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(*coroutines: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The coroutines as tasks, which are cancelled when the block is left."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
