"""A simulated Compute Engine with its control endpoint, in this process."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.compute_serve import ComputeOptions, start

NETWORKS = "/compute/v1/projects/proj-1/global/networks"


class Served:
    """Clients of both endpoints."""

    def __init__(self, facts: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self.facts = facts
        self._session = session

    async def control(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self._ask(verb, self.facts["controlEndpoint"] + path, body)

    async def good(self, verb: str, path: str, body: Any = None) -> Any:
        status, answer = await self.control(verb, path, body)
        assert status == 200, answer
        return answer

    async def compute(self, verb: str, path: str, body: Any = None, agent: str = "client/1") -> tuple[int, Any]:
        return await self._ask(verb, self.facts["computeEndpoint"] + path, body, agent)

    async def _ask(self, verb: str, url: str, body: Any, agent: str = "client/1") -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else None
        async with self._session.request(verb, url, data=data, headers={"User-Agent": agent}) as response:
            return response.status, await response.json()

    async def network(self, name: str) -> None:
        status, _ = await self.compute("POST", NETWORKS, {"name": name, "autoCreateSubnetworks": False})
        assert status == 200
        await self.good("POST", "/finish")


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Served]:
    """Serve with `ComputeOptions(**options)`; the clock stands still until it is stepped."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        _, facts = await start(ComputeOptions(SteppableClock(time.time(), 0.0), **options), stack)
        yield Served(facts, session)


def ask(url: str, body: Any = None) -> Any:
    """The JSON answer of a GET, or with `body` of a POST."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=10)
    connection.request(
        "POST" if body is not None else "GET", place.path, json.dumps(body) if body is not None else None
    )
    return json.load(connection.getresponse())
