"""What stands between the product and a world ends with the trial."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.crash.front import open_front


async def test_a_watch_ends_when_its_client_was_killed() -> None:
    over, problems = asyncio.Event(), list[dict[str, Any]]()

    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await over.wait()
        return response

    application = web.Application()
    application.router.add_get("/pods", watch)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with TestServer(application) as world:
        async with AsyncExitStack() as stack:
            front = await open_front(str(world.make_url("/")), lambda _: None, stack)
            async with aiohttp.ClientSession() as watcher:
                answer = await watcher.get(f"{front}/pods?watch=1")
                assert await answer.content.readline() == b"{}\n"
            await asyncio.sleep(0.05)  # until the front has seen that nobody listens
        gc.collect()  # asyncio complains of a task that nobody awaits when it is collected
        over.set()
    assert problems == []
