"""What a person should find without reading logs: Kubernetes Events on the Infrastructure."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Literal

from dualstack.clock import Clock, rfc3339
from dualstack.errors import KubeError
from dualstack.kube.interface import Kube
from dualstack.model.kinds import EVENT, INFRASTRUCTURE

COMPONENT = "dualstack-infrastructure"
LONGEST = 1024
"""Characters of a message; the API refuses longer ones."""


async def announce(
    kube: Kube,
    clock: Clock,
    name: str,
    namespace: str,
    reason: str,
    message: str,
    *,
    kind: Literal["Normal", "Warning"] = "Normal",
) -> None:
    """Write an Event about the Infrastructure. One that cannot be written is no reason to stop anything."""
    now = rfc3339(clock.now())
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": INFRASTRUCTURE.api_version,
            "kind": INFRASTRUCTURE.kind,
            "name": name,
            "namespace": namespace,
        },
        "reason": reason,
        "message": message[:LONGEST],
        "type": kind,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": COMPONENT},
    }
    with suppress(KubeError):
        await kube.create(EVENT, body)
