"""Moves the pod routes of one cluster to alias ranges, and back, on any platform.

Each direction is one run of `dualstack.cutover.run`. When a forward run fails, the cluster is left in a state in which
it can live: its route controller is restored while every route is still there, and unreachable nodes get their routes
back where no range exists for their aliases.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.cutover.actuator import CloudActuator, Redirection
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.observation import Observer
from dualstack.cutover.platform import Platform
from dualstack.cutover.run import DirectionChanged, run_cutover
from dualstack.gce import ComputeClient
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.model.events import Listener
from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import Strategy

PAUSE = 300.0
"""Seconds until the next attempt after one that made nodes unreachable without success."""


@dataclass(frozen=True, slots=True)
class CutOver:
    """The cut-over of one cluster. Every method raises only a `DualstackError`."""

    compute: ComputeClient
    cluster: Cluster
    platform: Platform
    decoys: Decoys
    clock: Clock
    emit: Listener
    settings: Settings

    async def observe(self) -> CutoverFacts:
        """The current state."""
        return (await Observer(self.compute, self.platform, self.cluster, self.decoys).observe()).facts

    async def forward(self, strategy: Strategy, redirection: Redirection | None = None) -> None:
        """Carry the cut-over to its end, or raise with the cluster at rest.

        Raises DirectionChanged as soon as `redirection` returns a reason.
        """
        actuator = self._actuator(strategy, redirection)
        try:
            await self._run(actuator, strategy)
        except DirectionChanged:
            raise
        except DualstackError as error:
            # Report the original error. A cloud that does not answer now cannot be read for the clean-up either.
            with suppress(DualstackError):
                await self._come_to_rest(actuator)
                if strategy.restores_routes and await self._recover_routes():
                    error.retry_after = PAUSE
            raise

    async def back(self, redirection: Redirection | None = None) -> None:
        """Return to routes, with the route controller restored."""
        strategy = way_back()
        await self._run(self._actuator(strategy, redirection), strategy)

    async def _run(self, actuator: CloudActuator, strategy: Strategy) -> None:
        await run_cutover(actuator, strategy, self.settings, self.clock, self.emit, self.cluster.name)

    def _actuator(self, strategy: Strategy, redirection: Redirection | None) -> CloudActuator:
        return CloudActuator(
            compute=self.compute,
            cluster=self.cluster,
            platform=self.platform,
            decoys=self.decoys,
            clock=self.clock,
            redirection=redirection,
        )

    async def _come_to_rest(self, actuator: CloudActuator) -> None:
        """Restore the route controller while every route is still there, and remove decoys.

        Once a route is deleted, the old configuration would create it again, so the controller stays stopped until the
        cut-over is finished (docs/reference/weaknesses.md#w6).
        """
        facts = await actuator.observe()
        if nothing_deleted(facts):
            await self.platform.restore_route_controller()
        if facts.decoys.present:
            await actuator.perform(RemoveDecoys())

    async def _recover_routes(self) -> bool:
        """Return to routes when nodes are unreachable and no range exists for their aliases; whether that was needed.

        Each further attempt makes all nodes unreachable again, so it must not follow soon.
        """
        facts = await self.observe()
        if not facts.unreachable or facts.range_present:
            return False
        await self.back()
        return True


def nothing_deleted(facts: CutoverFacts) -> bool:
    """Whether every VM still has its route, and every saved route that leads to a VM still exists."""
    routes = {as_saved(route) for route in facts.routes}
    saved = {entry for entry in facts.saved_routes if entry.instance_name in facts.node_of}
    return saved <= routes and all(facts.routed(name) for name in facts.pod_cidr_of)
