"""JSON requests and responses of the control endpoint; errors are {"message"}."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
from aiohttp import web

from dualstack.model.errors import InvalidInput
from dualstack_sim.compute.api.errors import ApiError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlPart(Protocol):
    """Requests that the control endpoint of some worlds has."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add its handlers."""
        ...


class Refused(Exception):
    """A refused command, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def guarded(handler: Callable[[web.Request], Awaitable[Any]]) -> Handler:
    """Wrap `handler`: its result becomes the response, its exceptions become errors."""

    async def answering(request: web.Request) -> web.Response:
        try:
            return answer(await handler(request))
        except Refused as refused:
            return answer({"message": str(refused)}, refused.status)
        except InvalidInput as refused:
            return answer({"message": str(refused)}, 400)
        except ApiError as refused:
            return answer({"message": refused.message}, refused.status)

    return answering


@web.middleware
async def json_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of the framework, such as an unknown path, in the same format."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return answer({"message": f"{request.method} {request.path}: {error.reason}"}, error.status)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body. Refused with 400 if it is not a JSON object."""
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


def answer(body: Any, status: int = 200) -> web.Response:
    """`body` as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
