"""The Kubernetes API as the controllers use it: five verbs on JSON objects, and typed errors."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from dualstack.model.errors import KubeError
from dualstack.model.kinds import Kind, Manifest

PatchType = Literal["merge", "json"]


class Unauthenticated(KubeError):
    """401, or no credentials could be obtained."""


class Conflict(KubeError):
    """409 Conflict: the object has changed since it was read."""


class AlreadyExists(KubeError):
    """409 AlreadyExists."""


class NotFound(KubeError):
    """404: the object or its resource type does not exist."""


class Expired(KubeError):
    """410: the API server no longer has the changes since that resource version."""


class Invalid(KubeError):
    """400, 403, 415 or 422: the API server refused the request."""


class Forbidden(Invalid):
    """403: the user may not do this."""


class Unavailable(KubeError):
    """The API server could not be reached, or answered 429 or 5xx; the same request may succeed later."""


class Kube(Protocol):
    """Access to one Kubernetes API. Every method raises a `KubeError` of this module and nothing else."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it does not exist."""
        ...

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        """All objects of one or of all namespaces; `labels` is a label selector such as `k8s-app=kube-dns`."""
        ...

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create; AlreadyExists if the name is taken."""
        ...

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
        """Patch the object or its subresource; NotFound if it does not exist."""
        ...

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        """Delete; a missing object is not an error."""
        ...
