"""Kubernetes Events, for users who do not read the log."""

from __future__ import annotations

import hashlib
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from dualstack.clock import Clock, rfc3339
from dualstack.kube.interface import AlreadyExists, Kube
from dualstack.model.errors import KubeError
from dualstack.model.kinds import EVENT, Kind

LONGEST = 1024
"""Characters of a message, a limit of the API."""

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class EventRecorder:
    """Writes Events about one object; `namespace` is empty for a cluster-scoped one. Failures are ignored.

    An Event refers to the object by its UID, without which `kubectl describe` does not show it
    (docs/reference/design-rules.md#events).
    """

    kube: Kube
    clock: Clock
    about: Kind
    name: str
    namespace: str

    async def announce(
        self, reason: str, message: str, *, kind: EventType = "Normal", generation: int | None = None
    ) -> bool:
        """Write an Event. With `generation` it is written once for that generation of the Shoot, even across restarts;
        False if it exists already."""
        suffix = uuid.uuid4().hex[:16] if generation is None else f"{reason.lower()}.{generation}"
        try:
            await self.kube.create(EVENT, await self._event(suffix, reason, message, kind))
        except AlreadyExists:
            return False
        except KubeError:
            pass
        return True

    async def announce_again(self, reason: str, message: str, *, series: str, kind: EventType = "Warning") -> int:
        """As `announce`, but all Events of one series are one Event with a count, as `kubectl describe` shows it.

        Returns how often it has happened, this time included; 1 if that is unknown. `series` is what is repeated.
        """
        suffix = f"{reason.lower()}.{hashlib.sha256(series.encode()).hexdigest()[:16]}"
        body = await self._event(suffix, reason, message, kind)
        event, where = body["metadata"]["name"], body["metadata"]["namespace"]
        with suppress(KubeError):
            known = await self.kube.get(EVENT, event, where)
            if known is None:
                await self.kube.create(EVENT, body)
                return 1
            count = int(known.get("count") or 1) + 1
            change = {"count": count, "lastTimestamp": body["lastTimestamp"], "message": body["message"]}
            await self.kube.patch(EVENT, event, change, where)
            return count
        return 1

    async def _event(self, suffix: str, reason: str, message: str, kind: EventType) -> dict[str, Any]:
        now = rfc3339(self.clock.now())
        component = f"dualstack-{self.about.kind.lower()}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{self.name}.{suffix}", "namespace": self.namespace or "default"},
            "involvedObject": await self._reference(),
            "reason": reason,
            "message": message[:LONGEST],
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": socket.gethostname(),
        }

    async def _reference(self) -> dict[str, Any]:
        """The reference to the object, with UID and resource version if it can be read."""
        reference = {"apiVersion": self.about.api_version, "kind": self.about.kind, "name": self.name}
        if self.about.namespaced:
            reference["namespace"] = self.namespace
        with suppress(KubeError):
            if (found := await self.kube.get(self.about, self.name, self.namespace)) is not None:
                reference |= {field: found["metadata"][field] for field in ("uid", "resourceVersion")}
        return reference
