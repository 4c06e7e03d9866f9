"""Kubernetes Events, for users who do not read the log."""

from __future__ import annotations

import uuid
from typing import Literal

from dualstack.clock import Clock, rfc3339
from dualstack.kube.interface import AlreadyExists, Kube
from dualstack.model.errors import KubeError
from dualstack.model.kinds import EVENT, Kind

LONGEST = 1024
"""Characters of a message, a limit of the API."""

EventType = Literal["Normal", "Warning"]


async def announce(
    kube: Kube,
    clock: Clock,
    about: Kind,
    name: str,
    namespace: str,
    reason: str,
    message: str,
    *,
    kind: EventType = "Normal",
    generation: int | None = None,
) -> bool:
    """Write an Event about an object. A failed write is ignored.

    With `generation` the Event is written once for that generation of the Shoot, even across restarts; False if it
    exists already.
    """
    suffix = uuid.uuid4().hex[:16] if generation is None else f"{reason.lower()}.{generation}"
    now = rfc3339(clock.now())
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{suffix}", "namespace": namespace},
        "involvedObject": {"apiVersion": about.api_version, "kind": about.kind, "name": name, "namespace": namespace},
        "reason": reason,
        "message": message[:LONGEST],
        "type": kind,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": f"dualstack-{about.kind.lower()}"},
    }
    try:
        await kube.create(EVENT, body)
    except AlreadyExists:
        return False
    except KubeError:
        pass
    return True
