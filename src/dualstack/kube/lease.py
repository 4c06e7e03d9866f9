"""A Lease that names one of several processes. It is written only as it was read, so that two never hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualstack.clock import parse_rfc3339, rfc3339
from dualstack.kube.interface import Kube
from dualstack.model.kinds import LEASE, Manifest
from dualstack.model.manifests import manifest


@dataclass(frozen=True, slots=True)
class Held:
    """What a Lease says. holder: empty when it is free. version: empty when it does not exist."""

    holder: str = ""
    renewed: str = "never"
    version: str = ""
    uid: str = ""
    transitions: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, lease: Manifest | None) -> Held:
        """From the object; None when it does not exist."""
        if lease is None:
            return cls()
        metadata, spec = lease["metadata"], lease.get("spec") or {}
        return cls(
            str(spec.get("holderIdentity") or ""),
            str(spec.get("renewTime") or "never"),
            metadata["resourceVersion"],
            metadata.get("uid", ""),
            int(spec.get("leaseTransitions") or 0),
            metadata.get("annotations") or {},
        )

    @property
    def renewed_at(self) -> float:
        """In seconds since the epoch, by the clock of the holder; 0 without a time that can be read."""
        return instant(self.renewed)


@dataclass(frozen=True, slots=True)
class Lease:
    """One Lease. duration: seconds without renewal after which another process may take it."""

    kube: Kube
    name: str
    namespace: str
    duration: float

    @property
    def path(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"Lease {self.path}"

    async def read(self) -> Held:
        """The Lease as it is now."""
        return Held.of(await self.kube.get(LEASE, self.name, self.namespace))

    async def take(self, seen: Held, identity: str, at: float) -> Held:
        """Make `identity` its holder. AlreadyExists, Conflict or NotFound when it has changed since it was seen."""
        taken = {"acquireTime": _stamp(at), "leaseTransitions": seen.transitions + bool(seen.version)}
        spec = self._spec(identity, at) | taken
        if seen.version:
            return await self._write(seen, spec, {})
        return Held.of(await self.kube.create(LEASE, manifest(LEASE, self.name, self.namespace, spec=spec)))

    async def renew(
        self, seen: Held, identity: str, at: float, annotations: Mapping[str, str | None] | None = None
    ) -> Held:
        """Say that the holder still works; an empty `identity` makes the Lease free. Errors as those of `take`."""
        return await self._write(seen, self._spec(identity, at), annotations or {})

    async def _write(self, seen: Held, spec: Manifest, annotations: Mapping[str, str | None]) -> Held:
        metadata = {"resourceVersion": seen.version, "annotations": dict(annotations)}
        return Held.of(await self.kube.patch(LEASE, self.name, {"metadata": metadata, "spec": spec}, self.namespace))

    def _spec(self, identity: str, at: float) -> Manifest:
        return {"holderIdentity": identity, "leaseDurationSeconds": int(self.duration), "renewTime": _stamp(at)}


def instant(text: str) -> float:
    """A time stamp in seconds since the epoch; 0 when it cannot be read."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


def _stamp(at: float) -> str:
    return rfc3339(at, fraction=True)
