"""The cloud-controller-manager runs as long as its pod, with that pod's flags
(docs/reference/gardener.md#cloud-controller-manager).

A terminating pod keeps working until it is gone: its route controller may recreate a route that was just deleted
(docs/reference/weaknesses.md#w8).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from dualstack.model.conditions import is_true
from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.cidr_allocators import CloudAllocator, RangeAllocator, check_nodes
from dualstack_sim.actors.cloud_nodes import CloudNodes, Machines
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.informer import Informer, key_of
from dualstack_sim.actors.route_controller import RouteController

COMPONENT = "cloud-controller-manager"

_log = logging.getLogger(__name__)


class CloudControllerManager:
    """Follows the pods of its Deployment. Each pod that becomes leader starts with new queues."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._pods = context.informers.of(POD)
        self._nodes = context.informers.of(NODE)
        self._changed = asyncio.Event()
        self._leader: Manifest | None = None
        self._term: LeaderRun | None = None

    async def run(self) -> None:
        await self._context.informers.synced(POD, NODE)
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

    def _begin(self, leader: Manifest | None) -> LeaderRun | None:
        """The leader's term; None without a leader, or if the process exits at its start."""
        if leader is None:
            return None
        try:
            flags = ControllerFlags.of(leader)
            check_nodes(flags, self._nodes.all())
        except ValueError as refusal:
            _log.error("%s does not start: %s", leader["metadata"]["name"], refusal)
            return None
        return LeaderRun(self._context, flags, self._nodes)

    def _elect(self) -> Manifest | None:
        """The current leader while its pod exists, else the oldest ready pod."""
        candidates = [
            pod
            for pod in self._pods.all(self._context.namespace)
            if pod["metadata"].get("labels", {}).get("role") == COMPONENT
            and pod.get("status", {}).get("phase") == "Running"
        ]
        for pod in candidates:
            if _uid(pod) == _uid(self._leader):
                return pod
        ready = [pod for pod in candidates if is_true(pod["status"].get("conditions", []), "Ready")]
        return min(ready, key=lambda pod: (pod["metadata"]["creationTimestamp"], key_of(pod)), default=None)

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        pod = new or old
        if pod is not None and pod["metadata"].get("labels", {}).get("role") == COMPONENT:
            self._changed.set()

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if self._term is not None:
            self._term.node_changed(old, new)


class LeaderRun:
    """One run of the process with its flags."""

    def __init__(self, context: ActorContext, flags: ControllerFlags, nodes: Informer) -> None:
        machines = Machines(context)
        self._nodes = CloudNodes(context, machines, nodes)
        self._allocator: CloudAllocator | RangeAllocator | None = None
        self._routes: RouteController | None = None
        self._informer = nodes
        if flags.allocate_node_cidrs:
            make = CloudAllocator if flags.allocator == "CloudAllocator" else RangeAllocator
            self._allocator = make(context, flags, machines, nodes)
        if flags.runs_routes:
            self._routes = RouteController(context, flags, nodes)

    async def run(self) -> None:
        for node in self._informer.all():
            self.node_changed(None, node)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._nodes.run())
            if self._allocator is not None:
                group.create_task(self._allocator.run())
            if self._routes is not None:
                group.create_task(self._routes.run())

    def node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """A Node was added, changed or removed."""
        if new is not None:
            self._nodes.node_changed(new)
            if self._allocator is not None:
                self._allocator.node_changed(old, new)


def _uid(pod: Manifest | None) -> str | None:
    return None if pod is None else str(pod["metadata"]["uid"])


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
