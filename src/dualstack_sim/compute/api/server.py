"""The HTTP server: the real paths of v1 and beta, batch requests, and a token endpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict
from yarl import URL

from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.batch import Answer, Part, answer_batch
from dualstack_sim.compute.api.errors import ApiError, ConnectionCut, Json, bad_request, not_found, unreadable
from dualstack_sim.compute.api.paths import locate
from dualstack_sim.compute.machines.images import PUBLIC as PUBLIC_IMAGES
from dualstack_sim.rules import enforced

LARGEST_BODY = 4 * 1024 * 1024
LONGEST_URL = 16 * 1024
_LONGEST_LINE = 64 * 1024
"""aiohttp refuses longer request lines and headers with its own error."""
_HEADERS = {"Server": "ESF", "Vary": "Origin, X-Origin, Referer", "X-Content-Type-Options": "nosniff"}
log = logging.getLogger(__name__)
_connections = logging.getLogger(f"{__name__}.connections")
_INTERNAL = ApiError(500, "backendError", "Internal error encountered.").body()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def create_app(compute: Compute) -> web.Application:
    """The application that serves `compute`. Authorization headers are ignored."""

    async def api(request: web.Request) -> web.StreamResponse:
        return await _answer(compute, request)

    async def batch(request: web.Request) -> web.StreamResponse:
        return await _batch(compute, request)

    async def close(_app: web.Application) -> None:
        await compute.close()

    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_documented_errors])
    app.router.add_post("/token", _token)
    app.router.add_post("/batch{path:.*}", batch)
    app.router.add_route("*", "/{path:.*}", api)
    app.on_shutdown.append(close)
    return app


def _is_server_fault(record: logging.LogRecord) -> bool:
    """False for malformed HTTP, which is the client's error and answered with 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_connections.addFilter(_is_server_fault)


def create_runner(application: web.Application) -> web.AppRunner:
    """The runner of an application with this API, with room for long filters in request lines."""
    return web.AppRunner(
        application,
        access_log=None,
        logger=_connections,
        shutdown_timeout=0.2,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )


async def _answer(compute: Compute, request: web.Request) -> web.StreamResponse:
    try:
        _check_length(request.raw_path)
        verb, query = request.method, request.query
        raw = await request.read() if request.can_read_body else b""
        if _is_method_override(request):
            verb, query, raw = "GET", MultiDict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)), b""
        caller = request.headers.get("User-Agent", "")
        document = await _carry_out(compute, verb, request.rel_url.raw_path, query, raw, caller)
    except ConnectionCut:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    except ApiError as refused:
        return _json(refused.body(), refused.status)
    return _json(document, 200)


def _check_length(path: str) -> None:
    if len(path) > LONGEST_URL:
        raise ApiError(414, "uriTooLong", f"The requested URL is longer than {LONGEST_URL} bytes.")


def _is_method_override(request: web.Request) -> bool:
    """Whether a POST stands for a GET with a long query (docs/reference/compute-engine.md#method-override)."""
    override = request.headers.get("X-HTTP-Method-Override", "")
    return request.method == "POST" and override.upper() == "GET" and enforced("requests.method-override")


async def _carry_out(compute: Compute, verb: str, path: str, query: Mapping[str, str], raw: bytes, caller: str) -> Json:
    address = locate(verb, path)
    public = address.method.startswith("images.") and address.project in PUBLIC_IMAGES
    if not public and not _is_project(compute, address.project):
        raise not_found(f"projects/{address.project}")
    return await compute.answer(
        address.method,
        address.scope,
        address.name,
        query=query,
        body=_body(raw),
        caller=caller,
        project=address.project,
    )


async def _batch(compute: Compute, request: web.Request) -> web.StreamResponse:
    """Several requests in one HTTP request (docs/reference/compute-engine.md#batch-requests)."""
    caller = request.headers.get("User-Agent", "")

    async def answer(part: Part) -> Answer:
        try:
            url = URL(part.target, encoded=True)
            document = await _carry_out(compute, part.verb, url.raw_path, url.query, part.body, caller)
        except ConnectionCut:
            return Answer(503, _encode(ApiError(503, "backendError", "Backend Error").body()))
        except ApiError as refused:
            return Answer(refused.status, _encode(refused.body()))
        except Exception:
            log.exception("bug in the simulator: a request in a batch failed")
            return Answer(500, _encode(_INTERNAL))
        return Answer(200, _encode(document))

    try:
        kind, body = await answer_batch(request.headers.get("Content-Type", ""), await request.read(), answer)
    except ApiError as refused:
        return _json(refused.body(), refused.status)
    return web.Response(body=body, headers={**_HEADERS, "Content-Type": kind})


def _is_project(compute: Compute, text: str) -> bool:
    if text == compute.project.name:
        return True
    return text == compute.project.number and enforced("requests.project-number")


def _body(raw: bytes) -> dict[str, Any]:
    """The JSON object of the body, {} without a body."""
    if not raw:
        return {}
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(f"Invalid JSON payload received. {error}") from None
    if body == "":  # the Node client sends this for a method without a body, such as operations.wait
        return {}
    if not isinstance(body, dict):
        raise unreadable("Invalid JSON payload received. Must be an object.")
    return body


async def _token(_request: web.Request) -> web.Response:
    """For clients that require an access token (docs/reference/compute-engine.md#access-tokens)."""
    return _json({"access_token": "ya29.simulated", "expires_in": 3600, "token_type": "Bearer"}, 200)


def _json(document: Json, status: int) -> web.Response:
    return web.Response(body=_encode(document), status=status, content_type="application/json", headers=_HEADERS)


@web.middleware
async def _documented_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Give errors of aiohttp and unexpected exceptions the documented shape."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.RequestPayloadError:
        # The rest of the body cannot be read either, so aiohttp must not try, and must close the connection.
        request.content.feed_eof()
        response = _json(
            bad_request("The body of the request cannot be read: it is not encoded as it says.").body(), 400
        )
        response.force_close()
    except ConnectionError:
        return web.Response()  # the client has closed the connection
    except web.HTTPException as error:
        return _json(ApiError(error.status, "badRequest", error.reason).body(), error.status)
    except Exception:
        log.exception("bug in the simulator: %s %s failed", request.method, request.rel_url.raw_path)
        return _json(_INTERNAL, 500)
    return response
