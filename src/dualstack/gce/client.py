"""Compute Engine over REST, for one project (docs/reference/compute-engine.md#names-paths-and-references).

Requests stay within the rate quotas and are retried where that is safe. Paths are relative to the project:
`global/routes`, `regions/europe-west1/subnetworks/x`. Every method raises a `ComputeRefusal` of `dualstack.gce.errors`
(LookupError for a call that `dualstack.gce.methods` lacks). Changes return when their operation is DONE.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dualstack.clock import Clock
from dualstack.gce.credentials import Anonymous, Credentials
from dualstack.gce.errors import ComputeRefusal, NotFound, NotReady, RateLimited, Transient, no_answer, refusal
from dualstack.gce.methods import method_of
from dualstack.gce.operations import Operations, Resource
from dualstack.gce.pacing import Pace, QuotaWindows, group_of
from dualstack.model.errors import InvalidInput
from dualstack.model.urls import is_loopback
from dualstack.model.user_agent import USER_AGENT

DEFAULT_ENDPOINT = "https://compute.googleapis.com"
TIMEOUT = 60.0
"""Wall seconds after which a request counts as unanswered."""

ATTEMPTS = 8
"""Attempts of one request while it fails for a passing reason (5xx, no answer, not ready)."""

CONNECTIONS = 100
"""Requests at a time."""

WINDOWS = 10
"""Quota windows for which one request waits."""

RETRY = Pace(first=1.0, growth=2.0, ceiling=15.0)

Resources = list[Resource]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ComputeClient:
    """One project of Compute Engine. endpoint: `http(s)://host[:port]`, with or without `/compute/v1`."""

    def __init__(
        self, project: str, clock: Clock, *, credentials: Credentials | None = None, endpoint: str = DEFAULT_ENDPOINT
    ) -> None:
        self.project = project
        self._clock = clock
        self._credentials = credentials or Anonymous()
        self._root = endpoint_root(endpoint)
        self._base = f"{self._root}/compute/v1/projects/{project}"
        self._session: aiohttp.ClientSession | None = None
        self._windows = QuotaWindows(clock)
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._operations = Operations(self, clock)
        self.calls: Counter[tuple[str, str]] = Counter()
        """Requests by method and result: `ok`, or the name of the error's class."""
        self.before_change: Callable[[], Awaitable[None]] | None = None
        """Awaited right before a request that changes something is sent; may raise a DualstackError instead."""

    async def close(self) -> None:
        """Stop polling and close all connections."""
        await self._operations.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def urgent(self) -> AbstractContextManager[None]:
        """While it is entered, the end of an operation is noticed within a second."""
        return self._operations.urgent()

    def peaks(self) -> dict[str, int]:
        """The most requests of one quota window, by group (`dualstack.gce.pacing.group_of`)."""
        return self._windows.peaks()

    # -- reading

    async def get(self, path: str, *, fields: str | None = None, **query: str) -> Resource:
        """The resource; NotFound if it does not exist. An empty path is the project itself."""
        return await self._request("GET", path, query={"fields": fields, **query})

    async def find(self, path: str, *, fields: str | None = None) -> Resource | None:
        """The resource, or None if it does not exist."""
        try:
            return await self.get(path, fields=fields)
        except NotFound:
            return None

    async def list(
        self,
        path: str,
        *,
        filter: str | None = None,  # noqa: A002
        fields: str | None = None,
        **query: str,
    ) -> Resources:
        """All items of a collection, over all pages; `fields` must name `nextPageToken`."""
        items: Resources = []
        async for page in self._pages(path, filter, fields, **query):
            items.extend(page.get("items") or ())
        return items

    async def newest_first(self, path: str, *, fields: str | None = None) -> AsyncIterator[Resources]:
        """The items of a collection page by page, newest first; `fields` as for `list`."""
        async for page in self._pages(path, None, fields, orderBy="creationTimestamp desc"):
            yield page.get("items") or []

    async def aggregated(
        self,
        collection: str,
        *,
        filter: str | None = None,  # noqa: A002
        fields: str | None = None,
    ) -> Resources:
        """The items of `collection` in all zones or regions (docs/reference/compute-engine.md#aggregated-lists)."""
        items: Resources = []
        async for page in self._pages(f"aggregated/{collection}", filter, fields):
            for scope in (page.get("items") or {}).values():
                items.extend(scope.get(collection) or ())
        return items

    async def _pages(
        self, path: str, selection: str | None, fields: str | None, **query: str
    ) -> AsyncIterator[Resource]:
        asked = {"filter": selection, "fields": fields, **query}
        token: str | None = None
        while True:
            page = await self._request("GET", path, query={**asked, "pageToken": token})
            yield page
            previous, token = token, page.get("nextPageToken")
            if not token:
                return
            if token == previous:
                raise no_answer(ValueError("a page of the list is followed by itself"), call=f"GET {path}")

    async def granted(self, path: str, permissions: Iterable[str]) -> frozenset[str]:
        """Those of the permissions that the caller has on a resource (docs/reference/compute-engine.md#permissions)."""
        answer = await self._request("POST", f"{path}/testIamPermissions", {"permissions": sorted(permissions)})
        return frozenset(answer.get("permissions") or ())

    # -- changing

    async def post(self, path: str, body: Mapping[str, Any]) -> Resource:
        """POST to a collection (insert) or to a method's path; the finished operation."""
        return await self._mutate("POST", path, body, {})

    async def patch(self, path: str, body: Mapping[str, Any], **query: str) -> Resource:
        """PATCH; the finished operation."""
        return await self._mutate("PATCH", path, body, query)

    async def delete(self, path: str) -> bool:
        """DELETE; whether the resource existed. A missing one is not an error (docs/reference/weaknesses.md#w21)."""
        try:
            await self._mutate("DELETE", path, None, {})
        except NotFound:
            return False
        return True

    async def _mutate(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> Resource:
        # One id for all attempts: Compute answers a repeated id with the operation of the first
        # (docs/reference/compute-engine.md#request-ids).
        identified: dict[str, str | None] = {**query, "requestId": str(uuid.uuid4())}
        operation = await self._request(method, path, body, identified)
        return await self._operations.finished(operation, call=f"{method} {path}")

    def quota_windows(self) -> Sequence[tuple[str, int, int | None]]:
        """Each quota that was used: its group, the requests in its present window, and its limit if it is known."""
        return self._windows.usage()

    # -- requests

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | None] | None = None,
    ) -> Resource:
        """One request, repeated where that is safe: nothing was done, or the request id makes the repeat harmless."""
        method_of(method, path)
        delays = RETRY.delays()
        group = group_of(method, path)
        attempts = windows = 0
        while True:
            await self._windows.room(group)
            try:
                async with self._slots:
                    # While this request waited for a slot, another one may have used up the window.
                    if not self._windows.take(group):
                        continue
                    return await self._counted(method, path, body, query or {})
            except RateLimited as refused:
                windows += 1
                if windows >= WINDOWS:
                    raise
                self._windows.refused(group, refused.limit)
            except (Transient, NotReady):
                attempts += 1
                if attempts >= ATTEMPTS:
                    raise
                await self._clock.sleep(next(delays))

    async def _counted(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        result = "ok"
        try:
            return await self._send(method, path, body, query)
        except ComputeRefusal as refused:
            result = type(refused).__name__
            raise
        finally:
            self.calls[method_of(method, path).id, result] += 1

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        call = f"{method} {path or f'projects/{self.project}'}"
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
        authorization = await self._credentials.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = _encode(body)
        url = f"{self._base}/{path}" if path else self._base
        if self.before_change is not None and method != "GET" and not path.endswith("/testIamPermissions"):
            await self.before_change()
        params = {name: value for name, value in query.items() if value is not None}
        try:
            async with self._open().request(method, url, data=data, headers=headers, params=params) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(error, call=call) from error
        return _answer(response.status, raw, call)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                trust_env=not is_loopback(self._root),
            )
        return self._session


def endpoint_root(endpoint: str) -> str:
    """The endpoint without `/compute/v1`; InvalidInput unless it is an http(s) URL."""
    root = endpoint.rstrip("/").removesuffix("/v1").removesuffix("/compute")
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"compute endpoint {endpoint!r}: must be an http or https URL")
    return root


def _answer(status: int, raw: bytes, call: str) -> Resource:
    try:
        decoded = _decode(raw)
    except msgspec.DecodeError as error:
        if status >= 400:
            raise refusal(status, None, call=call) from error
        raise no_answer(error, call=call) from error
    if status >= 400:
        raise refusal(status, decoded, call=call)
    if not isinstance(decoded, dict):
        raise no_answer(ValueError("the answer is not a JSON object"), call=call)
    # A list without objects has no `items`; anything else that is not read as objects must not look like an empty list.
    items = decoded.get("items") or ()
    if not all(isinstance(item, dict) for item in (items.values() if isinstance(items, dict) else items)):
        raise no_answer(ValueError("the answer is not a list of resources"), call=call)
    return decoded
