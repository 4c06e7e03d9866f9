"""Concurrent requests that all finish, even if one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from dualstack.model.errors import DualstackError

Result = TypeVar("Result")


async def gather_all(*requests: Awaitable[Result]) -> list[Result]:
    """All results in order. Every request runs to its end; then the first error, in their order, is raised."""
    answers = await asyncio.gather(*requests, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, DualstackError):
            raise answer
    results: list[Result] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        results.append(answer)
    return results


async def all_or_none(*parts: Coroutine[Any, Any, None]) -> None:
    """Perform all parts at the same time; the first error ends the others, and is raised once they have ended."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def at_most(width: int, *requests: Awaitable[Result]) -> list[Result]:
    """As `gather_all`, with `width` of them running at a time."""
    gate = asyncio.Semaphore(width)

    async def one(request: Awaitable[Result]) -> Result:
        async with gate:
            return await request

    return await gather_all(*(one(request) for request in requests))
