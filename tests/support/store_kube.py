"""`Kube` on the simulated API's store: the API's semantics without HTTP, and a record of every write."""

from __future__ import annotations

from typing import Any

from dualstack.kube.client import refusal_of_status
from dualstack.kube.interface import PatchType
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore


class StoreKube:
    """Implements `dualstack.kube.interface.Kube` on a `KubeStore`."""

    def __init__(self, store: KubeStore) -> None:
        self._store = store
        self.writes: list[tuple[str, str, str]] = []
        """Verb, kind and name of each request that may change something."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        return self._store.get(kind, name, namespace)

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        return self._store.list(kind, namespace, labels=labels or "")

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        self.writes.append(("create", kind.kind, manifest["metadata"]["name"]))
        try:
            return self._store.create(kind, manifest)
        except StatusError as error:
            raise refusal_of_status(error.code, error.reason, error.message) from error

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
        self.writes.append(("patch", kind.kind, name))
        try:
            return self._store.patch(kind, name, body, namespace, patch_type=patch_type, subresource=subresource)
        except StatusError as error:
            raise refusal_of_status(error.code, error.reason, error.message) from error

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        self.writes.append(("delete", kind.kind, name))
        self._store.delete(kind, name, namespace)
