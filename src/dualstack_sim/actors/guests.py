"""VMs that join a cluster because of their network tag, whoever created them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dualstack.model.kinds import NODE
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.hosts import Host, Registration, Vm


class TaggedGuests:
    """Implements `dualstack_sim.actors.hosts.Guests`.

    known: what the kubelets of these VMs register, by name; `others`: of all other VMs.
    """

    hosts: Collection[Host] = ()

    def __init__(
        self,
        context: ActorContext,
        tag: str,
        end_point: str,
        known: Mapping[str, Registration],
        others: Registration,
    ) -> None:
        self.end_point = end_point
        self._tag, self._known, self._others = tag, known, others
        self._nodes = context.informers.of(NODE)

    def includes(self, tags: Collection[str]) -> bool:
        return self._tag in tags

    def settled(self, vms: Mapping[str, Vm]) -> bool:
        """Whether each Node has a running VM, and each VM has a Node."""
        names = {node["metadata"]["name"] for node in self._nodes.all()}
        return names == vms.keys() and all(vm.running for vm in vms.values())

    def registration(self, name: str) -> Registration:
        return self._known.get(name, self._others)
