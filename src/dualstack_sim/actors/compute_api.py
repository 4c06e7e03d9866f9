"""A small Compute Engine client for the actors, with typed errors."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec

from dualstack_sim.actors.refusals import ComputeNotFound, ComputeRefusal, OperationFailed, compute_refusal

Resource = dict[str, Any]
"""A Compute resource or operation as JSON."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ComputeApi:
    """One project at `base_url` (with or without `/compute/v1`), over a shared session.

    Paths are relative to the project: `zones/europe-west1-b/instances/x`, `global/routes`.
    Methods raise only `ComputeRefusal` and, in `wait`, `OperationFailed`.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession, project: str, *, user_agent: str = "actor"
    ) -> None:
        root = base_url.rstrip("/").removesuffix("/compute/v1")
        self.project = project
        self._endpoint = root
        self._base = f"{root}/compute/v1/projects/{project}/"
        self._session = session
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}

    def named(self, user_agent: str) -> ComputeApi:
        """The same project and session with another User-Agent."""
        return ComputeApi(self._endpoint, self._session, self.project, user_agent=user_agent)

    async def get(self, path: str, *, fields: str | None = None) -> Resource | None:
        """The resource, or None on 404."""
        try:
            return await self.call("GET", path, fields=fields)
        except ComputeNotFound:
            return None

    async def aggregated(
        self, collection: str, *, matching: str | None = None, fields: str | None = None
    ) -> list[Resource]:
        """The items of `collection` (e.g. `instances`) in all zones or regions, over all pages."""
        items: list[Resource] = []
        page: str | None = None
        while True:
            answer = await self.call("GET", f"aggregated/{collection}", filter=matching, fields=fields, pageToken=page)
            for scope in answer.get("items", {}).values():
                items.extend(scope.get(collection, ()))
            page = answer.get("nextPageToken")
            if not page:
                return items

    async def insert(self, path: str, body: Resource, **params: str | None) -> Resource:
        """POST to a collection or a custom method; returns the operation."""
        return await self.call("POST", path, body, **params)

    async def patch(self, path: str, body: Resource, **params: str | None) -> Resource:
        """PATCH; returns the operation."""
        return await self.call("PATCH", path, body, **params)

    async def delete(self, path: str) -> Resource:
        """DELETE; returns the operation. ComputeNotFound if the resource is missing."""
        return await self.call("DELETE", path)

    async def wait(self, operation: Resource) -> Resource:
        """Wait until the operation is DONE and return it. OperationFailed if it failed."""
        path = f"{scope_of(operation)}/operations/{operation['name']}"
        while operation.get("status") != "DONE":
            operation = await self.call("POST", f"{path}/wait")
        errors = operation.get("error", {}).get("errors", ())
        if errors:
            raise OperationFailed(str(errors[0].get("code", "")), str(errors[0].get("message", "")))
        return operation

    async def call(self, method: str, path: str, body: Resource | None = None, **params: str | None) -> Resource:
        """One request. `params` that are None are omitted."""
        query = {name: value for name, value in params.items() if value is not None}
        headers, data = self._headers, None
        if body is not None:
            headers, data = {**headers, "Content-Type": "application/json"}, _encode(body)
        try:
            async with self._session.request(
                method, self._base + path, data=data, headers=headers, params=query
            ) as response:
                raw = await response.read()
                answer: Any = _decode(raw) if raw else {}
                if response.status >= 400:
                    raise compute_refusal(response.status, answer if isinstance(answer, dict) else {})
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as failure:
            raise ComputeRefusal(0, "", f"{method} {path}: {type(failure).__name__}: {failure}") from failure
        return answer if isinstance(answer, dict) else {}

    async def list(self, path: str, *, matching: str | None = None, fields: str | None = None) -> list[Resource]:
        """All items that match the filter, over all pages (`fields` must include `nextPageToken`)."""
        items: list[Resource] = []
        page: str | None = None
        while True:
            answer = await self.call("GET", path, filter=matching, fields=fields, pageToken=page)
            items.extend(answer.get("items", ()))
            page = answer.get("nextPageToken")
            if not page:
                return items


def scope_of(operation: Resource) -> str:
    """`global`, `regions/R` or `zones/Z` of an operation."""
    for name in ("zone", "region"):
        if operation.get(name):
            return f"{name}s/{str(operation[name]).rsplit('/', 1)[-1]}"
    return "global"
