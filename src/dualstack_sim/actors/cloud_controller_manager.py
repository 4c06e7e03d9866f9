"""The cloud-controller-manager: Nodes, pod CIDRs and routes (docs/reference/gardener.md#cloud-controller-manager)."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.cidr_allocators import CloudAllocator, RangeAllocator
from dualstack_sim.actors.cloud_nodes import CloudNodes, Machines
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.controller_manager import ControllerManager
from dualstack_sim.actors.route_controller import RouteController

COMPONENT = "cloud-controller-manager"


class CloudControllerManager(ControllerManager):
    """Follows its own pods.

    marks_new_nodes: a Node is initialised with NetworkUnavailable=True. In the clusters of Gardener a webhook removes
    that condition (docs/reference/gardener.md#node-condition-webhook).
    """

    def __init__(self, context: ActorContext, *, marks_new_nodes: bool = False) -> None:
        super().__init__(context, COMPONENT, lambda flags: CloudTerm(context, flags, marks_new_nodes=marks_new_nodes))


class CloudTerm:
    """Implements `dualstack_sim.actors.controller_manager.Term`."""

    def __init__(self, context: ActorContext, flags: ControllerFlags, *, marks_new_nodes: bool) -> None:
        machines = Machines(context)
        self._informer = nodes = context.informers.of(NODE)
        self._nodes = CloudNodes(context, machines, nodes, marks_new_nodes=marks_new_nodes)
        self._allocator: CloudAllocator | RangeAllocator | None = None
        self._routes: RouteController | None = None
        if flags.runs_node_ipam:
            self._allocator = (
                CloudAllocator(context, flags, machines, nodes)
                if flags.allocator == "CloudAllocator"
                else RangeAllocator(context, flags, nodes, COMPONENT)
            )
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
        if new is not None:
            self._nodes.node_changed(new)
            if self._allocator is not None:
                self._allocator.node_changed(old, new)
