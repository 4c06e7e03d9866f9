"""A controller manager runs as long as its pod, with that pod's flags. Each new leader starts with new queues.

A terminating pod keeps working until it is gone: its route controller may recreate a route that was just deleted
(docs/reference/weaknesses.md#w8).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dualstack.model.conditions import is_true
from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.cidr_allocators import check_nodes
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.informer import key_of

_log = logging.getLogger(__name__)


class Term(Protocol):
    """One run of the process with its flags."""

    async def run(self) -> None:
        """Until cancelled."""
        ...

    def node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """A Node was added, changed or removed."""
        ...


class ControllerManager:
    """Follows the pods in the control plane's namespace whose first container has the name `component`."""

    def __init__(self, context: ActorContext, component: str, begin: Callable[[ControllerFlags], Term]) -> None:
        """`begin` makes the term of a pod with these flags."""
        self._namespace = context.namespace
        self._component = component
        self._make = begin
        self._pods = context.seed.informers.of(POD)
        self._nodes = context.informers.of(NODE)
        self._changed = asyncio.Event()
        self._leader: Manifest | None = None
        self._term: Term | None = None

    async def run(self) -> None:
        await self._pods.synced()
        await self._nodes.synced()
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)
        task: asyncio.Task[None] | None = None
        try:
            while True:
                self._changed.clear()
                leader = self._elect()
                if _uid(leader) != _uid(self._leader):
                    if task is not None:
                        await _cancel(task)
                    self._leader, self._term, task = leader, self._begin(leader), None
                    if self._term is not None:
                        task = asyncio.create_task(self._term.run())
                        task.add_done_callback(lambda _: self._changed.set())
                elif task is not None and task.done():
                    task.result()
                await self._changed.wait()
        finally:
            if task is not None:
                await _cancel(task)

    def _begin(self, leader: Manifest | None) -> Term | None:
        """The leader's term; None without a leader, or if the process exits at its start."""
        if leader is None:
            return None
        try:
            flags = ControllerFlags.of(leader)
            check_nodes(flags, self._nodes.all())
        except ValueError as refusal:
            _log.error("%s does not start: %s", leader["metadata"]["name"], refusal)
            return None
        return self._make(flags)

    def _elect(self) -> Manifest | None:
        """The current leader while its pod exists, else the oldest ready pod."""
        candidates = [
            pod
            for pod in self._pods.all(self._namespace)
            if self._is_component(pod) and pod.get("status", {}).get("phase") == "Running"
        ]
        for pod in candidates:
            if _uid(pod) == _uid(self._leader):
                return pod
        ready = [pod for pod in candidates if is_true(pod["status"].get("conditions", []), "Ready")]
        return min(ready, key=lambda pod: (pod["metadata"]["creationTimestamp"], key_of(pod)), default=None)

    def _is_component(self, pod: Manifest) -> bool:
        return bool(any(each["name"] == self._component for each in pod["spec"]["containers"]))

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        pod = new or old
        if pod is not None and self._is_component(pod):
            self._changed.set()

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if self._term is not None:
            self._term.node_changed(old, new)


def _uid(pod: Manifest | None) -> str | None:
    return None if pod is None else str(pod["metadata"]["uid"])


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
