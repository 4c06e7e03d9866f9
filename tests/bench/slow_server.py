"""A Compute API that answers after some time."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dualstack.clock import Clock


def slow(application: web.Application, clock: Clock, seconds: float) -> web.Application:
    """The application, which answers each request after `seconds`; the request takes effect when it arrives."""

    @web.middleware
    async def wait(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        await clock.sleep(seconds)
        return response

    if seconds:
        application.middlewares.insert(0, wait)
    return application
