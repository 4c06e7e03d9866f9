"""A proxy between the product and an API of a world in another process, which sees only the product's calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import aiohttp
from aiohttp import web

from tests.support.loopback import on_loopback

HOP_BY_HOP = ("Host", "Connection", "Transfer-Encoding", "Content-Length", "Content-Encoding", "Accept-Encoding")
"""Headers of one connection, which each end negotiates for itself."""

LARGEST = 64 * 2**20


async def open_proxy(target: str, dress: Callable[[web.Application], None], stack: AsyncExitStack) -> str:
    """Pass every request on to `target` until `stack` closes. Returns the proxy's URL. `dress` may add middlewares."""
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(ssl=False),  # the certificate of a world is its own authority
        )
    )

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        body = await request.read()
        url = target.rstrip("/") + request.raw_path
        async with session.request(request.method, url, data=body, headers=headers, allow_redirects=False) as answer:
            response = web.StreamResponse(status=answer.status)
            response.headers.update({name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP})
            if request.query.get("watch") not in ("true", "1"):
                # Complete before it is sent: a kill after the call comes before the product has the answer.
                return web.Response(status=answer.status, headers=response.headers, body=await answer.read())
            stack.callback(answer.close)  # nothing else ends an idle watch whose client is gone
            with suppress(aiohttp.ClientConnectionError, ConnectionResetError):
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            return response

    application = web.Application(client_max_size=LARGEST)
    application.router.add_route("*", "/{path:.*}", pass_on)
    dress(application)
    return await stack.enter_async_context(on_loopback(application))
