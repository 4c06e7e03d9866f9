"""The proxy ends with the trial."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.crash.proxy import open_proxy


async def test_a_watch_ends_when_its_client_was_killed() -> None:
    over, reports = asyncio.Event(), list[dict[str, Any]]()

    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await over.wait()
        return response

    application = web.Application()
    application.router.add_get("/pods", watch)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    async with TestServer(application) as world:
        async with AsyncExitStack() as stack:
            proxy = await open_proxy(str(world.make_url("/")), lambda _: None, stack)
            async with aiohttp.ClientSession() as watcher:
                answer = await watcher.get(f"{proxy}/pods?watch=1")
                assert await answer.content.readline() == b"{}\n"
            await asyncio.sleep(0.05)  # until the proxy has noticed that its client is gone
        gc.collect()  # asyncio reports a task that was never awaited when it is collected
        over.set()
    assert reports == []
