"""Carries out the trial before an outage (`dualstack.plan.steps.headroom`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from dualstack.cutover.bodies import Change, with_last_aliases, with_range, without_aliases, without_range
from dualstack.cutover.rollback_drill import drill_name, drill_routes
from dualstack.gce import ComputeClient
from dualstack.gce.gather import gather_all
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.steps.headroom import HEADROOM_RANGE, trial_aliases, trial_range


@dataclass(frozen=True, slots=True)
class HeadroomTrial:
    """For one cluster. patch_subnet, patch_interface: change the nodes subnet, and nic0 of a VM by its name."""

    compute: ComputeClient
    cluster: Cluster
    patch_subnet: Callable[[Change], Awaitable[None]]
    patch_interface: Callable[[str, Change], Awaitable[None]]

    async def run(self, facts: CutoverFacts, network: str) -> None:
        """Raises the cloud's refusal with the trial removed. Without an unused block nothing can be tried."""
        block = trial_range(facts)
        if block is None:
            return
        shares = trial_aliases(facts, block)
        await self._try_route(block, facts, network)
        try:
            await self.patch_subnet(partial(with_range, name=HEADROOM_RANGE, cidr=block))
            await gather_all(
                *(
                    self.patch_interface(name, partial(with_last_aliases, name=HEADROOM_RANGE, cidrs=addresses))
                    for name, addresses in sorted(shares.items())
                )
            )
        except DualstackError:
            with suppress(DualstackError):  # what is left is removed by the next attempt
                await self.remove(shares)
            raise
        await self.remove(shares)

    async def remove(self, names: Iterable[str]) -> None:
        """Remove the trial's aliases of the VMs `names`, then its range."""
        without = partial(without_aliases, name=HEADROOM_RANGE)
        await gather_all(*(self.patch_interface(name, without) for name in sorted(names)))
        await self.patch_subnet(partial(without_range, name=HEADROOM_RANGE))

    async def _try_route(self, block: str, facts: CutoverFacts, network: str) -> None:
        """Whether a deleted route could be created again."""
        vm = next((node for node in facts.node_of.values() if node.running), None)
        if vm is None:
            return
        routes = drill_routes(self.cluster, network)
        await routes.make(self.compute, drill_name(self.cluster.name), block, self.cluster.instance(vm.zone, vm.name))
        await routes.remove(self.compute)
