"""Counts the product's calls where they arrive, and kills the product at one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Side = Literal["before", "after"]
"""Before the call is executed, or after it but before its answer is sent."""

SIDES: tuple[Side, ...] = ("before", "after")

Kind = Literal["change", "read"]


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The `number`-th call of its kind to both APIs together, counted from 1.

    Changes are counted apart from reads: the number of reads depends on time, that of changes does not.
    """

    kind: Kind
    number: int
    side: Side

    def __str__(self) -> str:
        return f"{self.kind} {self.number} {self.side}"


def kind_of(call: str) -> Kind:
    """The kind of a call given as method and path. Renewals of a Lease come by time, and change nothing else."""
    return "read" if call.startswith("GET ") or "/leases/" in call else "change"


@dataclass
class Tripwire:
    """A middleware of both servers. Watches are not counted: nothing depends on how they end."""

    point: Point | None = None
    kill: Callable[[], Awaitable[None]] | None = None
    calls: list[str] = field(default_factory=list)
    """Method and path of each call in the order of arrival."""
    armed: bool = True
    """Whether calls are counted."""
    hit: str = ""
    """The call at which the product was killed."""
    _counts: Counter[Kind] = field(default_factory=Counter)

    def install(self, application: web.Application) -> None:
        """Watch the calls of an application that does not serve yet."""

        @web.middleware
        async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._pass(request, handler)

        application.middlewares.insert(0, watch)

    async def _pass(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not self.armed or request.query.get("watch") in ("true", "1"):
            return await self._answer(request, handler)
        call = f"{request.method} {_short(request.path)}"
        self.calls.append(call)
        kind = kind_of(call)
        self._counts[kind] += 1
        if self.point is None or (self.point.kind, self.point.number) != (kind, self._counts[kind]):
            return await self._answer(request, handler)
        self.hit = self.calls[-1]
        if self.point.side == "before":
            await self._strike()
            return web.Response(status=503)
        response = await self._answer(request, handler)
        await self._strike()
        return response

    @staticmethod
    async def _answer(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        return response

    async def _strike(self) -> None:
        assert self.kill is not None
        await self.kill()


def _short(path: str) -> str:
    """The path without the prefix that all paths of an API share."""
    for start in ("/compute/v1/projects/proj-1/", "/apis/", "/api/v1/"):
        path = path.removeprefix(start)
    head, operations, _ = path.partition("/operations/")
    return f"{head}/operations/..." if operations else path
