"""The guest agents of VMs: with `ip_aliases = true` they make alias ranges local to the VM, which hides its pods.

Source: docs/reference/cut-over.md#r13, docs/reference/compute-engine.md#guest-agent.
"""

from __future__ import annotations

from dualstack_sim.fabric.ledger import HostView
from dualstack_sim.rules import enforced

READDED = 10.0
"""Simulated seconds until an agent adds a local route that was deleted on its VM (inferred)."""


class GuestAgents:
    """Which hosts have local routes for alias ranges.

    An agent that metadata stops neither adds nor removes local routes: those that are there stay until they are deleted
    on the VM or the VM restarts.
    """

    def __init__(self) -> None:
        self.project_handles = True
        """Whether the metadata of the project lets agents handle alias ranges."""
        self._local: set[str] = set()

    def has_local_routes(self, host: str) -> bool:
        return host in self._local

    def remove(self, host: str) -> None:
        """The local routes of `host` are deleted, or its VM ends."""
        self._local.discard(host)

    def run(self, host: str, view: HostView) -> bool:
        """One pass of the agent on `host`, which sees its VM in `view`. Returns whether it changed anything."""
        machine = view.machine(host)
        told = machine.address_manager if machine is not None else None
        handles = self.project_handles if told is None else told
        if not handles and enforced("forwarding.address-manager"):
            return False
        before = host in self._local
        if any(interface.aliases for interface in view.interfaces_of(host)):
            self._local.add(host)
        else:
            self._local.discard(host)
        return before is not (host in self._local)
