"""A server with scripted answers that records its requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.support.loopback import on_loopback

from dualstack.clock import ScaledClock
from dualstack.gce import ComputeClient

Answer = tuple[int, Any]
"""HTTP status and JSON body; bytes are sent as they are."""


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class Server:
    """Answers each request with the next entry of its script for that method and path; the last one repeats."""

    url: str = ""
    script: dict[tuple[str, str], list[Answer | None]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    hook: Callable[[Asked], Answer | None] | None = None

    def on(self, method: str, path: str, *answers: Answer | None) -> None:
        """Script the answers below `/compute/v1/projects/proj-1/`; None cuts the connection."""
        self.script[method, path] = list(answers)

    def calls(self, method: str, path: str) -> list[Asked]:
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        path = request.path.removeprefix("/compute/v1/projects/proj-1").strip("/")
        body = json.loads(raw) if raw and request.content_type == "application/json" else raw
        asked = Asked(request.method, path, dict(request.query), body, dict(request.headers))
        self.asked.append(asked)
        answer = self.hook(asked) if self.hook else None
        if answer is None:
            answers = self.script.get((asked.method, path))
            if answers is None:
                return web.json_response(not_found(path), status=404)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(answer[1], bytes):
            return web.Response(body=answer[1], status=answer[0], content_type="application/json")
        return web.json_response(answer[1], status=answer[0])


def not_found(path: str) -> Any:
    return refused(404, "notFound", f"The resource 'projects/proj-1/{path}' was not found")


def refused(code: int, reason: str, message: str) -> Any:
    """An error body as Compute writes it (docs/reference/compute-engine.md#request-error-shape)."""
    first = {"message": message, "domain": "global", "reason": reason}
    return {"error": {"code": code, "message": message, "errors": [first]}}


def operation(name: str, status: str = "DONE", **fields: Any) -> Any:
    return {"kind": "compute#operation", "name": name, "status": status, **fields}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    stand = Server()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", stand.handle)
    async with on_loopback(application) as stand.url:
        yield stand


@pytest.fixture
def clock() -> ScaledClock:
    """A thousand seconds in one."""
    return ScaledClock(speed=1000)


@pytest.fixture
async def connect(server: Server, clock: ScaledClock) -> AsyncIterator[Callable[[], Awaitable[ComputeClient]]]:
    clients: list[ComputeClient] = []

    async def make() -> ComputeClient:
        clients.append(ComputeClient("proj-1", clock, endpoint=server.url))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def client(connect: Callable[[], Awaitable[ComputeClient]]) -> ComputeClient:
    return await connect()
