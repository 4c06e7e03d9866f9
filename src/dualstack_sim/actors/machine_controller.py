"""The machine controller with its provider for Google Cloud (docs/reference/gardener.md#workers).

Simplified: labels and taints of existing Nodes do not follow their template, VMs without a Machine are not deleted, and
nodes are not frozen while the API server is unavailable.
"""

from __future__ import annotations

import asyncio

from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.machine_deployments import MachineDeployments
from dualstack_sim.actors.machine_sets import MachineSets
from dualstack_sim.actors.machines import MachineReconciler


class MachineController:
    """Runs the controllers of MachineDeployments, MachineSets and Machines."""

    def __init__(self, context: ActorContext) -> None:
        self._parts = (MachineDeployments(context), MachineSets(context), MachineReconciler(context))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(part.run())
