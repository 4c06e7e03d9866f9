"""Kubernetes Events, for users who do not read the log."""

from __future__ import annotations

import hashlib
import socket
import uuid
from contextlib import suppress
from typing import Any, Literal

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
    """Write an Event about an object; `namespace` is empty for a cluster-scoped one. Failures are ignored.

    The Event refers to the object by its UID, without which `kubectl describe` does not show it
    (docs/reference/design-rules.md#events). With `generation` the Event is written once for that generation of the
    Shoot, even across restarts; False if it exists already.
    """
    suffix = uuid.uuid4().hex[:16] if generation is None else f"{reason.lower()}.{generation}"
    body = await _event(kube, clock, about, name, namespace, suffix, reason, message, kind)
    try:
        await kube.create(EVENT, body)
    except AlreadyExists:
        return False
    except KubeError:
        pass
    return True


async def announce_again(
    kube: Kube,
    clock: Clock,
    about: Kind,
    name: str,
    namespace: str,
    reason: str,
    message: str,
    *,
    series: str,
    kind: EventType = "Warning",
) -> int:
    """As `announce`, but all Events of one series are one Event with a count, as `kubectl describe` shows it.

    Returns how often it has happened, this time included; 1 if that is unknown. `series` is what is repeated.
    """
    suffix = f"{reason.lower()}.{hashlib.sha256(series.encode()).hexdigest()[:16]}"
    body = await _event(kube, clock, about, name, namespace, suffix, reason, message, kind)
    event, where = body["metadata"]["name"], body["metadata"]["namespace"]
    with suppress(KubeError):
        known = await kube.get(EVENT, event, where)
        if known is None:
            await kube.create(EVENT, body)
            return 1
        count = int(known.get("count") or 1) + 1
        change = {"count": count, "lastTimestamp": body["lastTimestamp"], "message": body["message"]}
        await kube.patch(EVENT, event, change, where)
        return count
    return 1


async def _event(
    kube: Kube,
    clock: Clock,
    about: Kind,
    name: str,
    namespace: str,
    suffix: str,
    reason: str,
    message: str,
    kind: EventType,
) -> dict[str, Any]:
    now = rfc3339(clock.now())
    component = f"dualstack-{about.kind.lower()}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{suffix}", "namespace": namespace or "default"},
        "involvedObject": await _reference(kube, about, name, namespace),
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


async def _reference(kube: Kube, about: Kind, name: str, namespace: str) -> dict[str, Any]:
    """The reference to an object, with UID and resource version if it can be read."""
    reference = {"apiVersion": about.api_version, "kind": about.kind, "name": name}
    if about.namespaced:
        reference["namespace"] = namespace
    with suppress(KubeError):
        if (found := await kube.get(about, name, namespace)) is not None:
            reference |= {field: found["metadata"][field] for field in ("uid", "resourceVersion")}
    return reference
