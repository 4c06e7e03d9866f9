"""The HTTP side: real paths, v1 and beta, JSON in and out, and a token endpoint."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from dualstack_sim.rules import enforced

from .backend import Compute
from .errors import ApiError, ConnectionCut, Json, not_found, unreadable
from .surface import locate

LARGEST_BODY = 4 * 1024 * 1024
_HEADERS = {"Server": "ESF", "Vary": "Origin, X-Origin, Referer", "X-Content-Type-Options": "nosniff"}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def create_app(compute: Compute) -> web.Application:
    """The application that serves `compute`. Any Authorization header is accepted, and none."""

    async def api(request: web.Request) -> web.StreamResponse:
        return await _answer(compute, request)

    async def close(_app: web.Application) -> None:
        await compute.close()

    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_documented_errors])
    app.router.add_post("/token", _token)
    app.router.add_route("*", "/{path:.*}", api)
    app.on_shutdown.append(close)
    return app


async def _answer(compute: Compute, request: web.Request) -> web.StreamResponse:
    try:
        address = locate(request.method, request.rel_url.raw_path)
        if not _is_project(compute, address.project):
            raise not_found(f"projects/{address.project}")
        body = await _body(request)
        document = await compute.answer(
            address.method,
            address.scope,
            address.name,
            query=request.query,
            body=body,
            caller=request.headers.get("User-Agent", ""),
        )
    except ConnectionCut:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    except ApiError as refused:
        return _json(refused.body(), refused.status)
    return _json(document, 200)


def _is_project(compute: Compute, text: str) -> bool:
    if text == compute.project.name:
        return True
    return text == compute.project.number and enforced("requests.project-number")


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body, {} if there is no body."""
    raw = await request.read() if request.can_read_body else b""
    if not raw:
        return {}
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(f"Invalid JSON payload received. {error}") from None
    if not isinstance(body, dict):
        raise unreadable("Invalid JSON payload received. Must be an object.")
    return body


async def _token(_request: web.Request) -> web.Response:
    """For clients that insist on fetching one (compute-api.md 9.1)."""
    return _json({"access_token": "ya29.simulated", "expires_in": 3600, "token_type": "Bearer"}, 200)


def _json(document: Json, status: int) -> web.Response:
    return web.Response(body=_encode(document), status=status, content_type="application/json", headers=_HEADERS)


@web.middleware
async def _documented_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """What the framework refuses by itself takes the documented shape too."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        return _json(ApiError(error.status, "badRequest", error.reason).body(), error.status)
    return response
