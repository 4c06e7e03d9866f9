"""Compute Engine in memory, with the methods of `ComputeClient`: for tests that need neither HTTP nor operations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.client import Resources
from dualstack.gce.errors import AlreadyExists, ComputeRefusal, NotFound
from dualstack.gce.resources import first_interface


@dataclass
class MemoryCompute:
    """resources: by path. refusals: of the next calls, by `<method> <path>`, in order. calls: `<method> <path>` of
    each. bodies: of the changes, in order. queries: path and query of each list. most: how many changes ran at the
    same time.
    """

    resources: dict[str, Resource]
    refusals: dict[str, list[ComputeRefusal]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    queries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    most: int = 0
    _running: int = 0

    @property
    def client(self) -> ComputeClient:
        """Itself, as the product takes it."""
        return cast(ComputeClient, self)

    @property
    def changes(self) -> list[str]:
        """The calls that are no reads."""
        return [call for call in self.calls if not call.startswith("GET ") and not call.endswith("/testIamPermissions")]

    def urgent(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def get(self, path: str, **_: Any) -> Resource:
        self._begin("GET", path)
        return self._at(path)

    async def find(self, path: str, **_: Any) -> Resource | None:
        try:
            return await self.get(path)
        except NotFound:
            return None

    async def list(self, path: str, **query: Any) -> Resources:
        self._begin("GET", path)
        self.queries.append((path, query))
        return [found for at, found in self.resources.items() if at.rpartition("/")[0] == path]

    async def aggregated(self, collection: str, **_: Any) -> Resources:
        self._begin("GET", f"aggregated/{collection}")
        return [found for at, found in self.resources.items() if at.split("/")[-2:-1] == [collection]]

    async def granted(self, path: str, permissions: Iterable[str]) -> frozenset[str]:
        self._begin("POST", f"{path}/testIamPermissions")
        return frozenset(permissions)

    async def post(self, path: str, body: Mapping[str, Any]) -> Resource:
        await self._change("POST", path, body)
        at = f"{path}/{body['name']}"
        if at in self.resources:
            raise AlreadyExists("alreadyExists", f"{at} already exists")
        self.resources[at] = dict(body)
        return {}

    async def patch(self, path: str, body: Mapping[str, Any], **_: str) -> Resource:
        await self._change("PATCH", path, body)
        of, _found, method = path.rpartition("/updateNetworkInterface")
        target = self._at(of or method)
        changed = {key: value for key, value in body.items() if key != "fingerprint"}
        if of:
            target["networkInterfaces"] = [{**first_interface(target), **changed}]
        else:
            target.update(changed)
        return {}

    async def delete(self, path: str) -> bool:
        await self._change("DELETE", path, {})
        return self.resources.pop(path, None) is not None

    def _at(self, path: str) -> Resource:
        if path not in self.resources:
            raise NotFound("notFound", f"{path} was not found")
        return self.resources[path]

    async def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            await asyncio.sleep(0)
        finally:
            self._running -= 1
        self._begin(method, path)
        self.bodies.append(dict(body))

    def _begin(self, method: str, path: str) -> None:
        call = f"{method} {path}"
        self.calls.append(call)
        if waiting := self.refusals.get(call):
            raise waiting.pop(0)
