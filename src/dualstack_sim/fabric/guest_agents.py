"""The guest agents of VMs: with `ip_aliases = true` they make alias ranges local to the VM, which hides its pods.

Source: docs/reference/cut-over.md#r13, docs/reference/compute-engine.md#guest-agent.
"""

from __future__ import annotations

from dualstack_sim.fabric.blocks import Block
from dualstack_sim.fabric.ledger import HostView
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.rules import enforced

READDED = 10.0
"""Simulated seconds until an agent adds a local route that was deleted on its VM (inferred)."""


class GuestAgents:
    """Which hosts have local routes for alias ranges.

    An agent that metadata stops neither adds nor removes local routes: those that are there stay until they are deleted
    on the VM or the VM restarts.
    """

    def __init__(self, knobs: FabricKnobs | None = None) -> None:
        self._obeys = (knobs or FabricKnobs()).address_manager_key == "obeyed"
        self.project_handles = True
        """Whether the metadata of the project lets agents handle alias ranges."""
        self._local: dict[str, tuple[Block, ...]] = {}

    def has_local_routes(self, host: str) -> bool:
        return host in self._local

    def local_routes(self, host: str) -> tuple[Block, ...]:
        """The destinations of the local routes of `host`."""
        return self._local.get(host, ())

    def remove(self, host: str) -> None:
        """The local routes of `host` are deleted, or its VM ends."""
        self._local.pop(host, None)

    def run(self, host: str, view: HostView) -> bool:
        """One pass of the agent on `host`, which sees its VM in `view`. Returns whether it changed anything."""
        machine = view.machine(host)
        address_manager = machine.address_manager if machine is not None else None
        handles = self.project_handles if address_manager is None else address_manager
        if not handles and self._obeys and enforced("forwarding.address-manager"):
            return False
        before = host in self._local
        aliases = tuple(alias for interface in view.interfaces_of(host) for alias in interface.aliases)
        if aliases:
            self._local[host] = aliases
        else:
            self._local.pop(host, None)
        return before is not (host in self._local)
