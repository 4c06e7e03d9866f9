"""The objects of a real API server, as what builds a world needs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from dualstack.model.conditions import is_true
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, NODE, Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import KubeRefusal, NotFound
from dualstack_sim.kube.preparation import AdmissionRegistry

Result = TypeVar("Result")

_ESTABLISHED_SECONDS = 60.0
"""Wall seconds after which a type that is not served yet counts as refused."""


class RemoteObjects:
    """Implements `dualstack_sim.kube.interface.ObjectStore`. Use it in another thread than that of `loop`."""

    def __init__(self, kube: KubeApi, loop: asyncio.AbstractEventLoop, admission: AdmissionRegistry) -> None:
        self._kube = kube
        self._loop = loop
        self.admission = admission

    def refuse_other_clusters(self) -> None:
        """InvalidInput if the server has Nodes: a world fills a server, and what runs there would be lost."""
        nodes = self._wait(self._kube.list(NODE)).items
        if nodes:
            raise InvalidInput(
                f"--kubernetes: the API server has {len(nodes)} Nodes, such as {nodes[0]['metadata']['name']}; a "
                "world needs an API server without Nodes"
            )

    def create(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        if kind == CRD:
            return self._define(manifest)
        body = _with_type(kind, manifest, namespace)
        return self._refused(kind, body, self._kube.create(kind, body))

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        return self._wait(self._kube.get(kind, name, namespace))

    def upsert(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        body = _with_type(kind, manifest, namespace)
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        return self._refused(kind, body, self._upsert(kind, body))

    async def _upsert(self, kind: Kind, body: Manifest) -> Manifest:
        # First read: the server allocates addresses of a Service before it notices that the name is taken.
        metadata = body["metadata"]
        if await self._kube.get(kind, metadata["name"], metadata.get("namespace")) is None:
            stored = await self._kube.create(kind, body)
        else:
            stored = await self._kube.replace(kind, await self._at_present(kind, body))
        if body.get("status") is None:
            return stored
        try:
            body = await self._at_present(kind, {**body, "spec": stored.get("spec")})
            return await self._kube.replace(kind, body, subresource="status")
        except NotFound:  # a type without this subresource
            return stored

    async def _at_present(self, kind: Kind, body: Manifest) -> Manifest:
        """`body` at the version that the server has."""
        metadata = body["metadata"]
        found = await self._kube.get(kind, metadata["name"], metadata.get("namespace")) or {"metadata": {}}
        kept = {key: value for key, value in found["metadata"].items() if key in ("resourceVersion", "uid")}
        return {**body, "metadata": {**metadata, **kept}}

    def _define(self, definition: Manifest) -> Manifest:
        """Create a type and wait until it is served. A definition that exists is kept."""
        name = definition["metadata"]["name"]
        if self.get(CRD, name) is None:
            body = _with_type(CRD, definition, None)
            self._refused(CRD, body, self._kube.create(CRD, body))
        end = time.monotonic() + _ESTABLISHED_SECONDS
        while time.monotonic() < end:
            found = self.get(CRD, name) or {}
            if is_true((found.get("status") or {}).get("conditions") or [], "Established"):
                return found
            time.sleep(0.05)
        raise InvalidInput(f"--kubernetes: the API server has not established CustomResourceDefinition {name}")

    def _refused(self, kind: Kind, body: Manifest, call: Coroutine[Any, Any, Manifest]) -> Manifest:
        """The answer to `call`. InvalidInput, with the object's name, for a refusal."""
        try:
            return self._wait(call)
        except KubeRefusal as refusal:
            metadata = body["metadata"]
            name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
            raise InvalidInput(f"--kubernetes: the API server refuses {kind.kind} {name}: {refusal}") from refusal

    def _wait(self, call: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


def _with_type(kind: Kind, manifest: Manifest, namespace: str | None) -> Manifest:
    metadata = dict(manifest.get("metadata") or {})
    if kind.namespaced and namespace is not None:
        metadata.setdefault("namespace", namespace)
    return {**manifest, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
