"""`Kube` on lightkube. Every failure becomes an error of `dualstack.kube.interface`."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2  # the HTTP client of lightkube, which passes its errors on
import msgspec
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import User
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError, NotReadyError
from lightkube.core.generic_client import ALL_NS
from lightkube.core.resource import ApiInfo, GlobalResource, GlobalSubResource, NamespacedResourceG, ResourceDef
from lightkube.generic_resource import Generic, create_api_info
from lightkube.types import PatchType as LightkubePatchType

from dualstack.kube.interface import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PatchType,
    Unauthenticated,
    Unavailable,
)
from dualstack.kube.plugin_auth import PluginAuth, PluginTransport
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.urls import is_loopback
from dualstack.model.user_agent import USER_AGENT

Result = TypeVar("Result")

Manifests = list[Manifest]

BeforeChange = Callable[[], Awaitable[None]]

PATCH_TYPES = {"merge": LightkubePatchType.MERGE, "json": LightkubePatchType.JSON}
PAGE = 500
"""Objects for each page of a list, as in kubectl."""
TIMEOUT = 30.0
"""Wall seconds after which a request counts as unanswered."""
BETWEEN_WATCHES = 1.0
"""Wall seconds between the beginnings of two watches of one path."""
SILENCE = 600.0
"""Wall seconds without a change after which a watch ends."""


async def _nothing() -> None:
    """A `BeforeChange` that allows everything."""


class LightkubeKube:
    """Implements `dualstack.kube.interface.Kube`; keeps one connection pool until `close`."""

    def __init__(self, client: AsyncClient, before_change: BeforeChange | None = None) -> None:
        # lightkube's overloads do not cover classes made at run time.
        self._client: Any = client
        self._before_change = before_change or _nothing
        self._resources: dict[tuple[Kind, str | None], type[Any]] = {}

    @classmethod
    def connect(cls, connection: SingleConfig, *, before_change: BeforeChange | None = None) -> LightkubeKube:
        """A client for this connection; nothing is sent yet. InvalidInput for certificates or a proxy that cannot be
        used.

        before_change: awaited right before a request that changes something; may raise a DualstackError instead.
        """
        cluster = connection.cluster
        server, proxy = cluster.server, getattr(cluster, "proxy_url", "")
        if not server.startswith(("http://", "https://")):
            raise InvalidInput(f"kubeconfig: context {connection.context_name!r}: server {server!r} is not a URL")
        user, trusting = connection.user or User(), not is_loopback(server)
        try:
            plugged = PluginTransport(partial(_transport, connection, proxy), user) if user.exec else None
            client = AsyncClient(
                connection,
                timeout=httpx2.Timeout(TIMEOUT),
                trust_env=trusting,
                proxy=None if plugged else proxy or None,
                transport=plugged,
                field_manager="dualstack",
            )
            sender = client._client._client  # lightkube has no options for these
            if user.exec and plugged:
                sender.auth = PluginAuth(user.exec, plugged)
            sender.headers["User-Agent"] = USER_AGENT
            name = getattr(cluster, "tls_server_name", "")
            sender.event_hooks = {"request": [_paced(), *([_expecting(name)] if name else [])]}
        except (ConfigError, ImportError, OSError, ValueError, TypeError) as error:
            what = "certificates" + (f" or proxy {proxy}" if proxy else "")
            raise InvalidInput(
                f"kubeconfig: context {connection.context_name!r}: {what} for {server} cannot be used: {_reason(error)}"
            ) from error
        return cls(client, before_change)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        try:
            found = await _answer(self._client.get(self._resource(kind), name, namespace=_scope(kind, namespace)))
        except NotFound:
            return None
        return _manifest(kind, found)

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        return (await self.snapshot(kind, namespace, labels=labels))[0]

    async def snapshot(
        self, kind: Kind, namespace: str | None = None, *, labels: str | None = None
    ) -> tuple[Manifests, str]:
        """The objects as `list` returns them, and the resource version at which a watch continues."""
        selector = _selector(labels) if labels else None
        scope = (namespace or ALL_NS) if kind.namespaced else None
        pages = self._client.list(self._resource(kind), namespace=scope, chunk_size=PAGE, labels=selector)

        async def collect() -> tuple[Manifests, str]:
            objects = [_manifest(kind, item) async for item in pages]
            return objects, pages.resourceVersion

        return await _answer(collect())

    async def probe(self, kind: Kind) -> None:
        """List at most one object of the kind in all namespaces, to learn whether it may be listed."""
        scope = ALL_NS if kind.namespaced else None
        async with aclosing(aiter(self._client.list(self._resource(kind), namespace=scope, chunk_size=1))) as pages:
            await _answer(anext(pages, None))

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[tuple[str, Manifest]]:
        """The changes since `version` in all namespaces: `ADDED`, `MODIFIED` or `DELETED`, and the object.

        Ends after `SILENCE` seconds without a change, because a connection that broke silently looks the same. Raises
        KubeError; Expired for a version that is too old.
        """
        scope = ALL_NS if kind.namespaced else None
        stream = self._client.watch(self._resource(kind), namespace=scope, resource_version=version)
        async with aclosing(aiter(stream)) as changes:
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        change, found = await _answer(anext(changes))
                except TimeoutError:
                    return
                yield change, _manifest(kind, found)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        body = self._resource(kind)(manifest)
        await self._before_change()
        created = await _answer(self._client.create(body, namespace=_namespace_of(kind, manifest)))
        return _plain(kind, created)

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        patch_type: PatchType = "merge",
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """dry_run: the API server checks and admits the patch and does not store it."""
        await self._before_change()
        patched = await _answer(
            self._client.patch(
                self._resource(kind, subresource),
                name,
                body,
                namespace=_scope(kind, namespace),
                patch_type=PATCH_TYPES[patch_type],
                dry_run=dry_run,
            )
        )
        return _manifest(kind, patched)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        await self._before_change()
        try:
            await _answer(self._client.delete(self._resource(kind), name, namespace=_scope(kind, namespace)))
        except NotFound:
            return

    def _resource(self, kind: Kind, subresource: str | None = None) -> type[Any]:
        """lightkube's class for the kind, made once and kept out of lightkube's global registry."""
        key = (kind, subresource)
        if key not in self._resources:
            self._resources[key] = _resource_class(kind, subresource)
        return self._resources[key]


def _resource_class(kind: Kind, subresource: str | None) -> type[Any]:
    if subresource is None:
        bases: tuple[type[Any], ...] = (NamespacedResourceG if kind.namespaced else GlobalResource, Generic)
        info = create_api_info(kind.group, kind.version, kind.kind, kind.plural)
    else:
        bases = (NamespacedResourceG if kind.namespaced else GlobalSubResource, Generic)
        parent = ResourceDef(kind.group, kind.version, kind.kind)
        info = ApiInfo(
            resource=ResourceDef("autoscaling", "v1", "Scale") if subresource == "scale" else parent,
            parent=parent,
            plural=kind.plural,
            verbs=["get", "patch", "put", "post"],
            action=subresource,
        )
    return type(kind.kind, bases, {"_api_info": info})


def _scope(kind: Kind, namespace: str | None) -> str | None:
    if not kind.namespaced:
        return None
    if namespace is None:
        raise Invalid(f"{kind.plural} are namespaced: a namespace is required")
    return namespace


def _namespace_of(kind: Kind, manifest: Manifest) -> str | None:
    return _scope(kind, manifest["metadata"].get("namespace"))


def _manifest(kind: Kind, answer: Any) -> Manifest:
    """As `_plain`, of an object with a name, which all but reviews have."""
    manifest = _plain(kind, answer)
    if not isinstance(metadata := manifest.get("metadata"), dict) or not metadata.get("name"):
        raise Unavailable(f"Kubernetes API: the answer is not an object of kind {kind.kind}: it has no name")
    return manifest


def _plain(kind: Kind, answer: Any) -> Manifest:
    """A plain dict with apiVersion and kind, which the items of a list lack. Unavailable for anything but an object."""
    if not isinstance(answer, dict):
        raise Unavailable(f"Kubernetes API: the answer is not an object of kind {kind.kind}")
    manifest = dict(answer)
    manifest.setdefault("apiVersion", kind.api_version)
    manifest.setdefault("kind", kind.kind)
    return manifest


def _selector(labels: str) -> dict[str, Any]:
    """`a=b,c=d` as lightkube takes it; Invalid for anything but equality."""
    terms: dict[str, Any] = {}
    for term in labels.split(","):
        key, equals, value = term.replace("==", "=").partition("=")
        if not equals or not key or key.endswith("!"):
            raise Invalid(f"label selector {labels!r}: only key=value terms are supported")
        terms[key.strip()] = value.strip()
    return terms


def _transport(connection: SingleConfig, proxy: str, user: User) -> httpx2.AsyncHTTPTransport:
    """Connections with the client certificate of this user, through this proxy or that of the environment."""
    cluster = connection.cluster
    server, trusting = urlsplit(cluster.server), not is_loopback(cluster.server)
    if trusting and not proxy and not proxy_bypass(server.hostname or ""):
        proxy = getproxies().get(server.scheme) or getproxies().get("all", "")
    verify = verify_cluster(cluster, user, connection.abs_file, trust_env=trusting)
    return httpx2.AsyncHTTPTransport(verify=verify, trust_env=trusting, proxy=proxy or None)


def _paced() -> Callable[[httpx2.Request], Awaitable[None]]:
    """Keeps `BETWEEN_WATCHES` between two watches of one path: lightkube begins the next one when one ends, and a
    server or proxy may end each at once."""
    next_at: dict[str, float] = {}

    async def hook(request: httpx2.Request) -> None:
        if "watch" in request.url.params:
            now, path = asyncio.get_running_loop().time(), request.url.path
            begins = max(now, next_at.get(path, now))
            next_at[path] = begins + BETWEEN_WATCHES
            await asyncio.sleep(begins - now)

    return hook


def _expecting(name: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Has the certificate of the server checked for this name instead of the host of the URL."""

    async def hook(request: httpx2.Request) -> None:
        request.extensions["sni_hostname"] = name

    return hook


async def _answer(call: Awaitable[Result]) -> Result:
    """The result of the call; translates the errors of lightkube."""
    try:
        return await call
    except ApiError as error:
        raise _refusal(error) from error
    except (httpx2.LocalProtocolError, UnicodeError) as error:
        reason = "the token is empty or has characters that a header cannot have"
        raise Unauthenticated(f"credentials of the kubeconfig: {reason}") from error
    except httpx2.HTTPStatusError as error:
        raise _refusal_without_status(error.response) from error
    except httpx2.HTTPError as error:
        raise Unavailable(f"Kubernetes API: {_reason(error)}") from error
    except (ConfigError, OSError) as error:
        reason = re.sub(f"^Exec {re.escape(sys.executable)} returned 1: ", "", _reason(error))  # see exec_plugin.py
        raise Unauthenticated(f"credentials of the kubeconfig: {reason}") from error
    except (msgspec.MsgspecError, NotReadyError, KeyError, TypeError, ValueError) as error:
        # lightkube reads the body of an error as a Status, which a proxy between here and the API server does not send.
        refused = next((each for each in _chain(error) if isinstance(each, httpx2.HTTPStatusError)), None)
        if refused is not None:
            raise _refusal_without_status(refused.response) from error
        raise Unavailable(f"Kubernetes API: the answer is not an object: {_reason(error)}") from error


def _refusal_without_status(response: httpx2.Response) -> KubeError:
    """The error for an answer of which only the HTTP status is known."""
    return refusal_of_status(response.status_code, None, f"HTTP status {response.status_code} {response.reason_phrase}")


def _refusal(error: ApiError) -> KubeError:
    status = error.status
    return refusal_of_status(status.code or 0, status.reason, status.message or "refused without a message")


def refusal_of_status(code: int, reason: str | None, message: str) -> KubeError:
    """The typed error for an HTTP status and the reason of its `metav1.Status`, if there is one."""
    if code == 401:
        return Unauthenticated(message)
    if code == 404:
        return NotFound(message)
    if code == 410:
        return Expired(message)
    if code == 409:
        return AlreadyExists(message) if reason == "AlreadyExists" else Conflict(message)
    if code == 429 or code >= 500:
        return Unavailable(message)
    if code == 403:
        return Forbidden(message)
    if code in (400, 415, 422):
        return Invalid(message)
    return KubeError(f"{code}: {message}")


def certificate_fault(error: BaseException | None) -> bool:
    """Whether the error comes from TLS: a certificate that is not trusted or not for this server."""
    return any(isinstance(each, ssl.SSLError) for each in _chain(error))


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what it comes from."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:  # lightkube raises errors that are their own cause
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _reason(error: Exception) -> str:
    """One line that is never empty."""
    return " ".join(str(error).split()) or type(error).__name__
