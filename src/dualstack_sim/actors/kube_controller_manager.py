"""The kube-controller-manager, as far as another actor does not play it: the pod CIDRs of Nodes."""

from __future__ import annotations

import asyncio

from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.cidr_allocators import RangeAllocator
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.controller_manager import ControllerManager

COMPONENT = "kube-controller-manager"


class KubeControllerManager(ControllerManager):
    """Follows its own pods. Workloads, and Nodes of VMs that stop, do not depend on its flags and are other actors."""

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context, COMPONENT, lambda flags: NodeIpamTerm(context, flags))


class NodeIpamTerm:
    """Implements `dualstack_sim.actors.controller_manager.Term`."""

    def __init__(self, context: ActorContext, flags: ControllerFlags) -> None:
        self._nodes = context.informers.of(NODE)
        self._allocator = RangeAllocator(context, flags, self._nodes, COMPONENT) if flags.runs_node_ipam else None

    async def run(self) -> None:
        for node in self._nodes.all():
            self.node_changed(None, node)
        await (self._allocator.run() if self._allocator is not None else asyncio.Event().wait())

    def node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and self._allocator is not None:
            self._allocator.node_changed(old, new)
