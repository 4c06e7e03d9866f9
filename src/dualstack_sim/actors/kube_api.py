"""A small Kubernetes client for the actors, with typed errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import msgspec

from dualstack.model.kinds import POD, Kind, Manifest
from dualstack_sim.actors.refusals import Expired, NotFound, Unreachable, kube_refusal

PatchType = Literal["merge", "strategic", "json"]

_CONTENT_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of objects as of `resource_version`. `apiVersion` and `kind` are filled in on every item."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK (of which only metadata.resourceVersion counts)."""

    type: str
    object: Manifest


class KubeApi:
    """One API server at `base_url`, over a shared session. Methods raise only `KubeRefusal`.

    token: the bearer token; a proxy of a real API server adds credentials itself.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession, *, user_agent: str = "actor", token: str | None = None
    ) -> None:
        self.url = base_url.rstrip("/")
        self._session, self._token = session, token
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def named(self, user_agent: str) -> KubeApi:
        """The same API and session with another User-Agent."""
        return KubeApi(self.url, self._session, user_agent=user_agent, token=self._token)

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        """The object; None if it or its type does not exist."""
        try:
            return await self._call("GET", kind.item(name, namespace))
        except NotFound:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str | None = None, fields: str | None = None
    ) -> Listing:
        """All objects of one or of all namespaces that match the selectors."""
        params = _present(labelSelector=labels, fieldSelector=fields)
        answer = await self._call("GET", kind.collection(namespace), params=params)
        items: list[Manifest] = answer.get("items") or []
        for item in items:
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return Listing(items, str(answer.get("metadata", {}).get("resourceVersion", "")))

    async def create(self, kind: Kind, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        """Create the object, or POST to `subresource` of the named object. AlreadyExists."""
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace")
        path = kind.item(metadata["name"], namespace, subresource) if subresource else kind.collection(namespace)
        return await self._call("POST", path, manifest)

    async def replace(self, kind: Kind, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        """PUT the whole object. Conflict if its resourceVersion is not the current one."""
        metadata = manifest["metadata"]
        return await self._call("PUT", kind.item(metadata["name"], metadata.get("namespace"), subresource), manifest)

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        patch_type: PatchType = "merge",
        subresource: str | None = None,
    ) -> Manifest:
        """Patch the object or its subresource. NotFound."""
        path = kind.item(name, namespace, subresource)
        return await self._call("PATCH", path, body, content_type=_CONTENT_TYPES[patch_type])

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        grace_seconds: int | None = None,
        uid: str | None = None,
    ) -> Manifest | None:
        """Delete the object. Returns the response, None if it does not exist. Conflict if its uid is not `uid`."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            return await self._call("DELETE", kind.item(name, namespace), options)
        except NotFound:
            return None

    async def evict(self, name: str, namespace: str, *, grace_seconds: int | None = None) -> None:
        """Evict a pod (policy/v1). TooManyRequests if a budget does not allow it now, NotFound if it is gone."""
        body: Manifest = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
        }
        if grace_seconds is not None:
            body["deleteOptions"] = {"gracePeriodSeconds": grace_seconds}
        await self.create(POD, body, subresource="eviction")

    async def bind(self, name: str, namespace: str, node: str) -> None:
        """Bind a pod to `node`. Conflict if it is already bound."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace},
            "target": target,
        }
        await self.create(POD, body, subresource="binding")

    async def scale(self, kind: Kind, name: str, namespace: str, replicas: int) -> None:
        """Set the replicas through the scale subresource."""
        await self.patch(kind, name, {"spec": {"replicas": replicas}}, namespace, subresource="scale")

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str | None = None,
        fields: str | None = None,
    ) -> AsyncIterator[WatchEvent]:
        """Changes since `resource_version` until the server ends the watch; Expired when that version is too old."""
        params = _present(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            labelSelector=labels,
            fieldSelector=fields,
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with self._session.get(
                self.url + kind.collection(namespace), params=params, headers=self._headers, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise kube_refusal(response.status, await _status(response))
                async for line in _lines(response.content):
                    yield _watch_event(line)
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise Unreachable(0, "", f"watching {kind.plural}: {failure}") from failure

    async def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        params: dict[str, str] | None = None,
    ) -> Manifest:
        headers, data = self._headers, None
        if body is not None:
            headers, data = {**headers, "Content-Type": content_type}, _encode(body)
        try:
            async with self._session.request(
                method, self.url + path, data=data, headers=headers, params=params
            ) as response:
                if response.status >= 400:
                    raise kube_refusal(response.status, await _status(response))
                answer: Manifest = _decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as failure:
            raise Unreachable(0, "", f"{method} {path}: {type(failure).__name__}: {failure}") from failure
        return answer


def _present(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


async def _status(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The body of an error response; its text as the message if it is not a JSON object."""
    raw = await response.read()
    try:
        body = _decode(raw)
    except msgspec.DecodeError:
        body = None
    return body if isinstance(body, dict) else {"message": raw.decode(errors="replace") or f"HTTP {response.status}"}


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length (StreamReader.readline has a limit)."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _watch_event(line: bytes) -> WatchEvent:
    try:
        event = _decode(line)
        kind, body = event["type"], event["object"]
    except (msgspec.DecodeError, KeyError, TypeError) as failure:
        raise Unreachable(0, "", f"malformed watch event: {failure}") from failure
    if kind == "ERROR":
        refusal = kube_refusal(int(body.get("code", 500)), body)
        raise refusal if isinstance(refusal, Expired) else Unreachable(refusal.code, refusal.reason, refusal.message)
    return WatchEvent(kind, body)
