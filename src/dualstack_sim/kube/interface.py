"""What builds a cluster at rest needs of an API server: the simulated one, or a real one."""

from __future__ import annotations

from typing import Protocol

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.preparation import AdmissionRegistry


class ObjectStore(Protocol):
    """The objects of one API server. Arguments and results share no tree with the server."""

    @property
    def admission(self) -> AdmissionRegistry:
        """The hooks that are called on every create and update."""
        ...

    def create(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create; `namespace` defaults to the manifest's."""
        ...

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it does not exist."""
        ...

    def upsert(self, kind: Kind, manifest: Manifest, *, namespace: str | None = None) -> Manifest:
        """Create the object, or replace the existing one at any version; also writes `status` if there is one."""
        ...
