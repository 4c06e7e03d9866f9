"""Passes requests on to a real API server and translates its time stamps to the time of the world.

An API server stamps objects with the wall clock. Controllers compare these stamps with their own clock, which in a
world runs at another speed. Bodies are otherwise passed on unchanged.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator

import httpx2
from aiohttp import web
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import SingleConfig

from dualstack.clock import ScaledClock, parse_rfc3339, rfc3339
from dualstack.model.errors import InvalidInput
from dualstack.model.urls import is_loopback
from dualstack_sim.kube.status import StatusError
from dualstack_sim.steppable_clock import SteppableClock

_CONNECT_SECONDS = 10.0
_LARGEST_BODY = 4 << 20

_STAMP = re.compile(
    rb'"(creationTimestamp|deletionTimestamp)":\s*"([^"\\]+)"(?P<grace>,\s*"deletionGracePeriodSeconds":\s*(\d+))?'
)
_HOP_BY_HOP = {
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_PROTOBUF = "application/vnd.kubernetes.protobuf"


class TimeProxy:
    """A proxy to one API server. Requests without credentials of their own get those of `connection`, as with
    `kubectl proxy`."""

    def __init__(self, connection: SingleConfig, clock: ScaledClock | SteppableClock) -> None:
        """InvalidInput for certificates that cannot be loaded."""
        self._clock = clock
        server = connection.cluster.server
        parameters = ConnectionParams(
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS), trust_env=not is_loopback(server)
        )
        try:
            self._client = AsyncClient(connection, parameters)
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInput(f"--kubernetes {server}: certificates cannot be used: {error}") from error
        self.application = web.Application(client_max_size=_LARGEST_BODY)
        self.application.router.add_route("*", "/{path:.*}", self._pass_on)

    async def close(self) -> None:
        """Close all connections to the server."""
        await self._client.aclose()

    async def _pass_on(self, http: web.Request) -> web.StreamResponse:
        own = (*_HOP_BY_HOP, "accept-encoding", "host")
        headers = [(name, value) for name, value in http.headers.items() if name.lower() not in own]
        headers = [(name, _readable(value) if name.lower() == "accept" else value) for name, value in headers]
        headers.append(("Accept-Encoding", "identity"))
        body = without_stamps(await http.read())
        request = self._client.build_request(http.method, http.raw_path, headers=headers, content=body or None)
        auth = None if "Authorization" in http.headers else httpx2.USE_CLIENT_DEFAULT
        try:
            answer = await self._client.send(request, stream=True, auth=auth)
        except httpx2.HTTPError as error:
            return _unavailable(error)
        try:
            return await self._answer(http, answer)
        finally:
            await answer.aclose()

    async def _answer(self, http: web.Request, answer: httpx2.Response) -> web.StreamResponse:
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status_code)
        response.headers.extend(headers)
        await response.prepare(http)
        try:
            async for line in _lines(answer.aiter_raw()):
                await response.write(self._translated(line))
        except httpx2.HTTPError:
            if http.transport is not None:
                http.transport.abort()  # the client must not take the part that arrived for the whole answer
            return response
        await response.write_eof()
        return response

    def _translated(self, line: bytes) -> bytes:
        if b"Timestamp" not in line:
            return line
        wall, now, speed = time.time(), self._clock.now(), self._clock.speed

        def translate(found: re.Match[bytes]) -> bytes:
            stamp, grace = parse_rfc3339(found[2].decode()), float(found[4] or 0)
            at = now - (wall - stamp + grace) * speed + grace
            return b'"%s":"%s"%s' % (found[1], rfc3339(at).encode(), found["grace"] or b"")

        return _STAMP.sub(translate, line)


def without_stamps(body: bytes) -> bytes:
    """The body of a request without the translated stamps, which the server sets and refuses to change."""
    return _STAMP.sub(lambda found: b'"%s":null%s' % (found[1], found["grace"] or b""), body)


def _readable(accept: str) -> str:
    kept = [part for part in accept.split(",") if not part.strip().startswith(_PROTOBUF)]
    return ",".join(kept) or "application/json"


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines, and what follows the last of them."""
    parts: list[bytes] = []
    async for chunk in chunks:
        head, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join(parts) + head + newline
            parts = []
        parts.append(rest)
    if rest := b"".join(parts):
        yield rest


def _unavailable(error: Exception) -> web.Response:
    reason = " ".join(str(error).split()) or type(error).__name__
    refusal = StatusError(503, "ServiceUnavailable", f"the API server does not answer: {reason}")
    return web.json_response(refusal.document(), status=refusal.code)
