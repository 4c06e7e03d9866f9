"""A served world behind proxies that record every request, and commands for a live cluster run against them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.crash.proxy import open_proxy
from tests.sim.rehearsal.command import Outcome

Answer = Callable[[web.Request, bytes], web.Response | None]
"""Answers a request in place of the API, or returns None to pass it on."""


@dataclass
class Doors:
    """The options that lead a command through the proxies.

    requests: `<method> <path>` of each, by API. refused: those that got 403.
    """

    options: list[str]
    requests: dict[str, list[str]] = field(default_factory=lambda: {"kubernetes": [], "compute": []})
    refused: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        """The requests that may store something: neither reads nor questions about rights."""
        return [
            request
            for requests in self.requests.values()
            for request in requests
            if not request.startswith("GET ")
            and not request.endswith(("/testIamPermissions", "/selfsubjectaccessreviews"))
        ]

    @property
    def questions(self) -> list[str]:
        """The requests that ask for rights."""
        ends = ("/testIamPermissions", "/selfsubjectaccessreviews")
        return [each for requests in self.requests.values() for each in requests if each.endswith(ends)]

    async def run(self, *arguments: str) -> Outcome:
        """Run `dualstack` with these arguments and the options of the cluster."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dualstack", *arguments, *self.options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 100)
        return Outcome(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def doors(
    world: dict[str, Any], folder: Path, answer: Answer | None = None, token: str | None = None
) -> AsyncIterator[Doors]:
    """The doors of a world that `dualstack sim serve` serves. `answer` may stand in for either API.

    token: of the user in the cluster; the administrator's by default.
    """
    found = Doors([])

    def recorder(name: str) -> Callable[[web.Application], None]:
        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            found.requests[name].append(f"{request.method} {request.path}")
            given = answer(request, await request.read()) if answer else None
            response = given if given is not None else await handler(request)
            if response.status == 403:
                found.refused.append(f"{request.method} {request.path}")
            return response

        return lambda application: application.middlewares.append(record)

    async with AsyncExitStack() as stack:
        config = _read(Path(world["kubeconfig"]))
        cluster = config["clusters"][0]["cluster"]
        if token is not None:
            config["users"][0]["user"]["token"] = token
        cluster["server"] = await open_proxy(cluster["server"], recorder("kubernetes"), stack)
        compute = await open_proxy(world["computeEndpoint"], recorder("compute"), stack)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        clock = world["clock"]
        found.options += ["--kubeconfig", str(kubeconfig), "--compute-endpoint", compute]
        found.options += ["--clock-origin", str(clock["origin"]), "--clock-speed", str(clock["speed"])]
        yield found


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
