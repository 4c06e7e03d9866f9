"""The Kubernetes API over HTTP: routing, discovery, health, and errors as `metav1.Status`."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from aiohttp import web

from dualstack_sim.kube import discovery
from dualstack_sim.kube.access import Access
from dualstack_sim.kube.builtin import BUILTIN_TYPES
from dualstack_sim.kube.kubectl import openapi_v2, openapi_v2_protobuf, openapi_v3, openapi_v3_index
from dualstack_sim.kube.objects import encoded
from dualstack_sim.kube.requests import in_protobuf, media_ranges, resource_target, respond
from dualstack_sim.kube.resources import Resources
from dualstack_sim.kube.status import StatusError, internal, method_not_allowed, unknown_path
from dualstack_sim.kube.store import KubeStore

_log = logging.getLogger(__name__)

_MAXIMUM_BODY = 3 * 1024 * 1024
"""Bytes: the API server's limit for a request body (that of etcd is 1.5 MiB)."""

_OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

STORE: web.AppKey[KubeStore] = web.AppKey("store", KubeStore)


_BUILTIN_GROUPS = {each.group for each in BUILTIN_TYPES}


class _Server:
    def __init__(self, store: KubeStore, access: Access) -> None:
        self._store, self._access = store, access
        self._resources = Resources(store, access)
        self._documents: dict[tuple[str, bool], tuple[int, bytes]] = {}

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Handle any request; every error is a Status response."""
        try:
            response = await self._answer(http)
            return in_protobuf(http, response) if isinstance(response, web.Response) else response
        except StatusError as error:
            with suppress(StatusError):
                return in_protobuf(http, _error_response(error))
            return _error_response(error)
        except web.HTTPException as error:
            if error.status == 413:
                text = f"Request entity too large: limit is {_MAXIMUM_BODY}"
                return _error_response(StatusError(413, "RequestEntityTooLarge", text))
            return _error_response(StatusError(error.status, "BadRequest", error.reason))
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - the client needs a response even after a defect
            _log.exception("%s %s", http.method, http.path)
            return _error_response(internal("Internal error occurred; the server's log has the reason"))

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        self._access.check(http)
        segments = http.path.strip("/").split("/")
        head, length = segments[0], len(segments)
        if (head == "api" and length > 2) or (head == "apis" and length > 3):
            if head == "apis" and not self._serves(segments[1], segments[2]):
                return _no_page()
            return await self._resources.handle(http, resource_target(self._store.registry, segments))
        if http.method not in ("GET", "HEAD"):
            raise method_not_allowed() if head in ("api", "apis") else unknown_path()
        return self._about(http, segments)

    def _about(self, http: web.Request, segments: list[str]) -> web.Response:
        """Handle requests about the server instead of its objects."""
        match segments:
            case ["healthz" | "livez" | "readyz", *_]:
                return web.Response(text="ok")
            case ["version"]:
                return respond(discovery.version_document())
            case ["api"] | ["apis"]:
                return self._roots(http, segments[0])
            case ["openapi", *rest]:
                return self._openapi(http, rest)
            case ["api", "v1"]:
                return self._found(discovery.resource_list(self._store.registry, "", "v1"))
            case ["apis", group]:
                document = discovery.group_document(self._store.registry, group)
                return _no_page() if document is None else respond(document)
            case ["apis", group, version] if self._serves(group, version):
                return self._found(discovery.resource_list(self._store.registry, group, version))
            case [""]:
                return respond({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"]})
            case _:
                return _no_page()

    def _serves(self, group: str, version: str) -> bool:
        """Whether a server answers for the version: that of the built-in groups does for all of theirs."""
        return group in _BUILTIN_GROUPS or bool(self._store.registry.in_version(group, version))

    @staticmethod
    def _found(document: dict[str, Any] | None) -> web.Response:
        if document is None:
            raise unknown_path()
        return respond(document)

    def _roots(self, http: web.Request, root: str) -> web.Response:
        """`/api` and `/apis`, in the aggregated form if the client prefers it. Cached until types change."""
        aggregated = _wants_aggregated(http.headers.get("Accept", ""))
        registry = self._store.registry
        kept = self._documents.get((root, aggregated))
        if kept is None or kept[0] != registry.revision:
            if aggregated:
                document = discovery.aggregated(registry, core=root == "api")
            else:
                document = discovery.core_versions() if root == "api" else discovery.group_list(registry)
            kept = self._documents[root, aggregated] = (registry.revision, encoded(document))
        response = respond(kept[1])
        if aggregated:
            response.headers["Content-Type"] = discovery.AGGREGATED
        return response

    def _openapi(self, http: web.Request, rest: list[str]) -> web.Response:
        registry = self._store.registry
        match rest:
            case ["v2"]:
                if _OPENAPI_V2_PROTOBUF in http.headers.get("Accept", ""):
                    return web.Response(body=openapi_v2_protobuf(), headers={"Content-Type": _OPENAPI_V2_PROTOBUF})
                return respond(openapi_v2())
            case ["v3"]:
                return respond(openapi_v3_index(registry))
            case ["v3", *root]:
                return self._found(openapi_v3(registry, "/".join(root)))
            case _:
                raise unknown_path()


def _no_page() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _wants_aggregated(accept: str) -> bool:
    for media_type, parameters in media_ranges(accept):
        if parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("v") == "v2":
            return True
        if media_type in ("application/json", "*/*") and "as" not in parameters:
            return False
    return False


def _error_response(error: StatusError) -> web.Response:
    response = respond(error.document(), status=error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


def create_app(store: KubeStore, *, rbac: bool = False) -> web.Application:
    """The server for `store`. Run it in the thread and event loop that use the store.

    rbac: authorize each request by the roles in the store, to which the default roles are added.
    """
    app = web.Application(client_max_size=_MAXIMUM_BODY)
    app[STORE] = store
    app.router.add_route("*", "/{path:.*}", _Server(store, Access(store, rbac=rbac)).handle)

    async def close_watches(_: web.Application) -> None:
        store.storage.close_watches()

    app.on_shutdown.append(close_watches)
    return app
