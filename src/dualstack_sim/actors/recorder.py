"""Events, as `kubectl describe` shows them."""

from __future__ import annotations

import asyncio
from collections import deque

from dualstack.clock import rfc3339
from dualstack.model.kinds import EVENT, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.refusals import KubeRefusal


class Recorder:
    """Posts Events in the background, one at a time. If too many wait, the oldest are dropped."""

    def __init__(self, context: ActorContext, component: str) -> None:
        self._component = component
        self._kube = context.kube.named(component)
        self._clock = context.clock
        self._chance = context.chance
        self._waiting: deque[Manifest] = deque(maxlen=256)
        self._some = asyncio.Event()
        self._recorded = 0

    def record(self, about: Manifest, reason: str, message: str, *, warning: bool = False) -> None:
        """Queue an Event about an object, which needs apiVersion, kind and metadata."""
        metadata = about["metadata"]
        self._recorded += 1
        suffix = self._chance.word(16, self._component, self._recorded, metadata["name"], alphabet="0123456789abcdef")
        now = rfc3339(self._clock.now())
        self._waiting.append(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": f"{metadata['name']}.{suffix}",
                    "namespace": metadata.get("namespace") or "default",
                },
                "involvedObject": {
                    "apiVersion": about.get("apiVersion", ""),
                    "kind": about.get("kind", ""),
                    "name": metadata["name"],
                    "namespace": metadata.get("namespace", ""),
                    "uid": metadata.get("uid", ""),
                },
                "reason": reason,
                "message": message,
                "type": "Warning" if warning else "Normal",
                "source": {"component": self._component},
                "reportingComponent": self._component,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            }
        )
        self._some.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._some.clear()
            while self._waiting:
                try:
                    await self._kube.create(EVENT, self._waiting.popleft())
                except KubeRefusal:
                    continue  # an event is not worth a second try
            await self._some.wait()
