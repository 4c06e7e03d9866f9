"""Compute requests with upstream's polling and error texts (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from dualstack.clock import Clock
from dualstack.model.errors import DualstackError
from dualstack_sim.actors.compute_api import ComputeApi, Resource, scope_of
from dualstack_sim.actors.refusals import ComputeRefusal

Answer = TypeVar("Answer")

POLL = 10.0
"""Seconds between two polls of an operation; the first poll is made at once."""


class RequestFailed(DualstackError):
    """A request or its operation failed. `code`: HTTP status, 0 for an operation."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class Requests:
    """The requests of one reconcile. Every method raises RequestFailed."""

    def __init__(self, compute: ComputeApi, clock: Clock) -> None:
        self._compute = compute
        self._clock = clock

    async def get(self, path: str) -> Resource | None:
        """The resource, or None on 404."""
        return await _told(lambda: self._compute.get(path))

    async def list(self, path: str, matching: str | None = None) -> list[Resource]:
        """All items, over all pages."""
        return await _told(lambda: self._compute.list(path, matching=matching))

    async def create(self, path: str, body: Resource) -> Resource:
        """POST, wait, then GET the new resource."""
        await self._finish(await _told(lambda: self._compute.insert(path, body)))
        return await self._existing(f"{path}/{body['name']}")

    async def expand(self, path: str, cidr: str) -> Resource:
        """Give a subnet a larger range, then GET it."""
        body = {"ipCidrRange": cidr}
        await self._finish(await _told(lambda: self._compute.insert(f"{path}/expandIpCidrRange", body)))
        return await self._existing(path)

    async def patch(self, path: str, body: Resource) -> Resource:
        """PATCH, wait, then GET the resource."""
        await self._finish(await _told(lambda: self._compute.patch(path, body)))
        return await self._existing(path)

    async def begin_patch(self, path: str, body: Resource, **query: str) -> None:
        """PATCH without waiting for the operation."""
        await _told(lambda: self._compute.patch(path, body, **query))

    async def delete(self, path: str, *, missing_is_success: bool = True) -> None:
        """DELETE, then wait. A missing route is an error (docs/reference/weaknesses.md#w21)."""
        try:
            operation = await _told(lambda: self._compute.delete(path))
        except RequestFailed as error:
            if error.code == 404 and missing_is_success:
                return
            raise
        await self._finish(operation)

    async def _existing(self, path: str) -> Resource:
        found = await self.get(path)
        if found is None:
            raise RequestFailed(f"{path} does not exist", 404)
        return found

    async def _finish(self, operation: Resource) -> None:
        """Poll by name, also an operation that is done already."""
        path = f"{scope_of(operation)}/operations/{operation['name']}"
        while (operation := await _told(lambda: self._compute.call("GET", path))).get("status") != "DONE":
            await self._clock.sleep(POLL)
        if errors := operation.get("error", {}).get("errors"):
            messages = ", ".join(str(error.get("message", "")) for error in errors)
            raise RequestFailed(f'operation "{operation["name"]}" failed with error(s): {messages}')


async def _told(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer; a refusal becomes the text of Google's Go client."""
    try:
        return await call()
    except ComputeRefusal as refusal:
        reason = f", {refusal.reason}" if refusal.reason else ""
        raise RequestFailed(f"googleapi: Error {refusal.code}: {refusal.message}{reason}", refusal.code) from refusal
