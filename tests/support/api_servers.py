"""The API servers of a served world: which one has an object, by its URL path (docs/objects.md)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube, PatchType
from dualstack.model.kinds import Kind, Manifest

OF_GARDEN = ("/core.gardener.cloud/", "/namespaces/garden-")
OF_SEED = ("/extensions.gardener.cloud/", "/resources.gardener.cloud/", "/machine.sapcloud.io/", "/namespaces/shoot--")


def cluster_of(path: str) -> str:
    """`garden`, `seed` or `shoot`."""
    if any(part in path for part in OF_GARDEN):
        return "garden"
    return "seed" if any(part in path for part in OF_SEED) else "shoot"


def kubeconfig_for(facts: dict[str, Any], path: str) -> Path:
    """The kubeconfig of the API server with this path, of the facts that `dualstack sim serve` prints."""
    return Path(facts.get(f"{cluster_of(path)}Kubeconfig", facts["kubeconfig"]))


def server_of(facts: dict[str, Any], path: str) -> str:
    """The URL of that API server."""
    return find_connection(kubeconfig_for(facts, path)).cluster.server


class LandscapeKube:
    """Implements `Kube`: each request goes to the API server that has the object."""

    def __init__(self, kube_of: dict[str, Kube]) -> None:
        """kube_of: the clients by `garden`, `seed` and `shoot`."""
        self._kube_of = kube_of

    @classmethod
    def open(cls, facts: dict[str, Any], stack: AsyncExitStack) -> LandscapeKube:
        """Of a served world; the connections are closed with `stack`."""
        clients: dict[str, Kube] = {}
        for name in ("garden", "seed", "shoot"):
            clients[name] = client = LightkubeKube.connect(find_connection(Path(facts[f"{name}Kubeconfig"])))
            stack.push_async_callback(client.close)
        return cls(clients)

    def _kube(self, kind: Kind, namespace: str | None) -> Kube:
        return self._kube_of[cluster_of(kind.collection(namespace) + "/")]

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        return await self._kube(kind, namespace).get(kind, name, namespace)

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        return await self._kube(kind, namespace).list(kind, namespace, labels=labels)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        return await self._kube(kind, manifest["metadata"].get("namespace")).create(kind, manifest)

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
        kube = self._kube(kind, namespace)
        return await kube.patch(kind, name, body, namespace, patch_type=patch_type, subresource=subresource)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        await self._kube(kind, namespace).delete(kind, name, namespace)
