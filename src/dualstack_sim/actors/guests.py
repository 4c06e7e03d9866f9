"""VMs that join a cluster because of a network tag, however they were created."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from dualstack.model.kinds import NODE
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.hosts import Host, Registration, Vm


class TaggedGuests:
    """Implements `dualstack_sim.actors.hosts.Guests`: VMs with one of `tags`. `register` takes the name of a VM."""

    hosts: Collection[Host] = ()

    def __init__(
        self, context: ActorContext, tags: Collection[str], end_point: str, register: Callable[[str], Registration]
    ) -> None:
        self.end_point = end_point
        self._tags, self._register = frozenset(tags), register
        self._nodes = context.informers.of(NODE)

    def includes(self, tags: Collection[str]) -> bool:
        return not self._tags.isdisjoint(tags)

    def settled(self, vms: Mapping[str, Vm]) -> bool:
        """Whether each Node has a running VM, and each VM has a Node."""
        names = {node["metadata"]["name"] for node in self._nodes.all()}
        return names == vms.keys() and all(vm.running for vm in vms.values())

    def registration(self, name: str) -> Registration:
        return self._register(name)
