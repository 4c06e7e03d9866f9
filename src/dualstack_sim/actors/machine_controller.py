"""The machine controller with its provider for Google Cloud: machine deployments down to VMs (gardener-behaviour.md 5).

It leaves out what nothing here looks at: labels and taints of living nodes are not kept in step with their template,
VMs without a Machine are not hunted for, and nodes are not frozen while the API server is away.
"""

from __future__ import annotations

import asyncio

from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.machine_deployments import MachineDeployments
from dualstack_sim.actors.machine_sets import MachineSets
from dualstack_sim.actors.machines import MachineLife


class MachineController:
    """MachineDeployment -> MachineSet -> Machine -> VM; Node and VM back to health or to an orderly end."""

    def __init__(self, context: ActorContext) -> None:
        self._parts = (MachineDeployments(context), MachineSets(context), MachineLife(context))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(part.run())
