"""The three API servers of a landscape (docs/reference/gardener.md#three-apis): which object is where.

The garden has the Shoots and CloudProfiles. The seed has the Clusters, extension objects, Machines, ManagedResources
and control planes, each in a namespace named by the technical ID. The shoot has the Nodes and kube-system.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dualstack.gardener.model.kinds import MACHINE
from dualstack.gardener.shoot_access import ShootNotRunning
from dualstack.kube.interface import Kube
from dualstack.model.kinds import NODE, Manifest


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clients of the garden and of the seed, and of each shoot by its technical ID, the namespace in the seed."""

    garden: Kube
    seed: Kube
    shoot: Callable[[str], Kube]

    async def machines_and_nodes(self, namespace: str) -> tuple[list[Manifest], list[Manifest]]:
        """The Machines and the Nodes of a shoot.

        An error where the Nodes cannot be read, except for a shoot that has neither a Machine nor an API server: it is
        hibernated, or not created yet.
        """
        machines = await self.seed.list(MACHINE, namespace)
        try:
            return machines, await self.shoot(namespace).list(NODE)
        except ShootNotRunning:
            if machines:
                raise
            return [], []
