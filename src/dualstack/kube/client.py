"""`Kube` on lightkube: generic resources from `Kind`, and every refusal as an error of `dualstack.kube.interface`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import httpx2  # what lightkube speaks HTTP with; its errors pass through lightkube unchanged
import msgspec
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.core.generic_client import ALL_NS
from lightkube.core.resource import ApiInfo, GlobalResource, GlobalSubResource, NamespacedResourceG, ResourceDef
from lightkube.generic_resource import Generic, create_api_info
from lightkube.types import PatchType as LightkubePatchType

from dualstack.kube.connection import Connection
from dualstack.kube.interface import AlreadyExists, Conflict, Invalid, NotFound, PatchType, Unavailable
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Kind, Manifest

Result = TypeVar("Result")

PATCH_TYPES = {
    "merge": LightkubePatchType.MERGE,
    "strategic": LightkubePatchType.STRATEGIC,
    "json": LightkubePatchType.JSON,
}
PAGE = 500
"""Objects for each page of a list, as kubectl asks."""
TIMEOUT = 30.0
"""Wall seconds after which a request counts as unanswered."""


class LightkubeKube:
    """Implements `dualstack.kube.interface.Kube`; keeps one connection pool until `close`."""

    def __init__(self, client: AsyncClient) -> None:
        # lightkube's overloads know no class that is made at run time.
        self._client: Any = client
        self._resources: dict[tuple[Kind, str | None], type[Any]] = {}

    @classmethod
    def connect(cls, connection: Connection) -> LightkubeKube:
        """A client for this connection; nothing is sent yet."""
        cluster = Cluster(
            server=connection.server,
            certificate_auth=connection.certificate_authority,
            certificate_auth_data=connection.certificate_authority_data,
            insecure=connection.insecure,
        )
        user = User(
            username=connection.username,
            password=connection.password,
            token=connection.token,
            client_cert=connection.client_certificate,
            client_cert_data=connection.client_certificate_data,
            client_key=connection.client_key,
            client_key_data=connection.client_key_data,
        )
        try:
            client = AsyncClient(
                KubeConfig.from_one(cluster=cluster, user=user),
                timeout=httpx2.Timeout(TIMEOUT),
                trust_env=not connection.is_loopback,
                field_manager="dualstack",
            )
        except (ConfigError, OSError, ValueError) as error:
            raise InvalidInput(f"kubeconfig: {_reason(error)}") from error
        return cls(client)

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
        selector = _selector(labels) if labels else None
        scope = (namespace or ALL_NS) if kind.namespaced else None
        pages = self._client.list(self._resource(kind), namespace=scope, chunk_size=PAGE, labels=selector)

        async def collect() -> list[Manifest]:
            return [_manifest(kind, item) async for item in pages]

        return await _answer(collect())

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        body = self._resource(kind)(manifest)
        created = await _answer(self._client.create(body, namespace=_namespace_of(kind, manifest)))
        return _manifest(kind, created)

    async def replace(self, kind: Kind, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        body = self._resource(kind, subresource)(manifest)
        name = manifest["metadata"]["name"]
        namespace = _namespace_of(kind, manifest)
        replaced = await _answer(self._client.replace(body, name, namespace=namespace))
        return _manifest(kind, replaced)

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
        patched = await _answer(
            self._client.patch(
                self._resource(kind, subresource),
                name,
                body,
                namespace=_scope(kind, namespace),
                patch_type=PATCH_TYPES[patch_type],
            )
        )
        return _manifest(kind, patched)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        try:
            await _answer(self._client.delete(self._resource(kind), name, namespace=_scope(kind, namespace)))
        except NotFound:
            return

    def _resource(self, kind: Kind, subresource: str | None = None) -> type[Any]:
        """lightkube's class for the kind, made once; outside lightkube's global registry so that no other user of it
        can clash with ours."""
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
    """A plain dict; items of a list carry no apiVersion and kind, so they are filled in."""
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


async def _answer(call: Awaitable[Result]) -> Result:
    """The result of the call; the only place where lightkube's errors become ours."""
    try:
        return await call
    except ApiError as error:
        raise _refusal(error) from error
    except httpx2.HTTPStatusError as error:
        raise refusal_of_status(error.response.status_code, None, _reason(error)) from error
    except httpx2.HTTPError as error:
        raise Unavailable(f"Kubernetes API: {_reason(error)}") from error
    except msgspec.MsgspecError as error:
        raise Unavailable(f"Kubernetes API answered with something that is no object: {_reason(error)}") from error


def _refusal(error: ApiError) -> KubeError:
    status = error.status
    return refusal_of_status(status.code or 0, status.reason, status.message or "refused without a message")


def refusal_of_status(code: int, reason: str | None, message: str) -> KubeError:
    """The typed error for an HTTP status and the reason of its `metav1.Status`, if it came with one."""
    if code == 404:
        return NotFound(message)
    if code == 409:
        return AlreadyExists(message) if reason == "AlreadyExists" else Conflict(message)
    if code == 429 or code >= 500:
        return Unavailable(message)
    if code in (400, 403, 415, 422):
        return Invalid(message)
    return KubeError(f"{code}: {message}")


def _reason(error: Exception) -> str:
    """One line that is never empty."""
    return " ".join(str(error).split()) or type(error).__name__
