"""Moves the pod routes of one cluster to alias ranges, and back, on any platform.

Each direction is one run of `dualstack.cutover.run`. When a forward run fails, the cluster is left in a state in which
it can live: unreachable nodes are served again by whichever way the cloud still accepts, and while every route is still
there, the cluster returns to them and gets its route controller back. A run that is cancelled because the process is
stopping finishes its step, takes back what is on trial and serves unreachable nodes, so that another program can go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.cutover.actuator import CloudActuator, Redirection, Watch
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.interface import DirectionChanged
from dualstack.cutover.observation import Observer
from dualstack.cutover.platform import Platform
from dualstack.cutover.run import run_cutover
from dualstack.gce import ComputeClient
from dualstack.gce.errors import ComputeRefusal
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.model.events import AnyEvent, Listener, StepFailed
from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps.decoys import RemoveDecoys
from dualstack.plan.strategies.back import WITHOUT_GATES, clean, reachable_alone, way_back
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.prepare import FOLLOW
from dualstack.plan.strategies.serve import refusal, serve
from dualstack.plan.strategies.unmatched import to_routes


@dataclass(frozen=True, slots=True)
class CutOver:
    """The cut-over of one cluster. Every method raises only a `DualstackError`.

    watch: what measured traffic has lost, for each gate. seen: gets every observation. stopping: whether a run that is
    cancelled comes to rest before it ends; otherwise it ends at once.
    """

    compute: ComputeClient
    cluster: Cluster
    platform: Platform
    decoys: Decoys
    clock: Clock
    emit: Listener
    settings: Settings
    watch: Watch | None = None
    seen: Callable[[CutoverFacts], None] | None = None
    stopping: Callable[[], bool] = bool

    async def observe(self) -> CutoverFacts:
        """The current state."""
        facts = (await Observer(self.compute, self.platform, self.cluster, self.decoys).observe()).facts
        if self.seen is not None:
            self.seen(facts)
        return facts

    async def forward(
        self, strategy: Strategy, redirection: Redirection | None = None, *, at_rest: bool = False
    ) -> None:
        """Carry the cut-over to its end, or raise with the cluster at rest.

        Raises DirectionChanged as soon as `redirection` returns a reason. at_rest: the cluster may stay in the state in
        which it is, so a failure is no reason to leave it.
        """
        actuator, failed = self._actuator(redirection), list[str]()

        def emit(event: AnyEvent) -> None:
            if isinstance(event, StepFailed) and event.final:
                failed.append(event.step)
            self.emit(event)

        try:
            await self._stoppable(run_cutover(actuator, strategy, self.settings, self.clock, emit, self.cluster.name))
        except DirectionChanged:
            raise
        except DualstackError as error:
            outcome = ""
            # Report the original error. A cloud that does not answer now cannot be read for the clean-up either.
            with suppress(DualstackError):
                for_good = is_final(error) and not at_rest
                outcome = await self._come_to_rest(actuator, strategy, failed, for_good=for_good)
            if outcome:
                error.args = (f"{error}; {outcome}",)
            raise

    async def back(self, redirection: Redirection | None = None, to: Stage = Stage.ROUTES) -> None:
        """Return to the stage `to`; to routes also where a trial has failed, with the route controller restored."""
        facts = await self.observe()
        way = to_routes(facts) if facts.disproved else way_back(to)
        await self._stoppable(self._run(self._actuator(redirection), way))
        await self.end_trial()

    async def follow(self) -> None:
        """Give nodes that join after the cut-over their alias, and change nothing else, even if it is refused."""
        await self._run(self._actuator(), FOLLOW, announce=False)

    async def serve_joined(self) -> None:
        """Serve unreachable nodes of a cut-over that rests, by whichever way the cloud accepts, and change nothing
        else."""
        if (facts := await self.observe()).range_present and facts.unreachable:
            await self._run(self._actuator(), serve(sacrifice=False), announce=False)

    async def interrupted(self) -> None:
        """Bring the cluster to rest after a run that was ended between two steps: take back what was on trial, and
        serve unreachable nodes.

        A node on trial may be unreachable although no Node reports it yet.
        """
        actuator = self._actuator()
        facts = await actuator.observe()
        while (step := clean(facts, self.settings)) is not None:
            await actuator.perform(step)
            facts = await actuator.observe()
        if facts.disproved:
            await self.back()
        elif facts.unreachable:
            await self._serve(frozenset(), sacrifice=False)

    async def _stoppable(self, run: Awaitable[None]) -> None:
        try:
            await run
        except asyncio.CancelledError:
            if self.stopping():
                with suppress(DualstackError):  # the next process resumes from the observed state
                    await self.interrupted()
            raise

    async def end_trial(self) -> None:
        """Forget what a trial has shown, unless the way back is incomplete. The platform has kept what it must."""
        facts = await self.observe()
        if facts.disproved and to_routes(facts).next_transition(facts, self.settings) is None:
            await self._actuator().keep_disproved("")

    async def _run(
        self,
        actuator: CloudActuator,
        strategy: Strategy,
        *,
        announce: bool = True,
        refused: frozenset[str] = frozenset(),
    ) -> None:
        settings, name = self.settings, self.cluster.name
        await run_cutover(actuator, strategy, settings, self.clock, self.emit, name, announce=announce, refused=refused)

    def _actuator(self, redirection: Redirection | None = None) -> CloudActuator:
        return CloudActuator(
            compute=self.compute,
            cluster=self.cluster,
            platform=self.platform,
            decoys=self.decoys,
            clock=self.clock,
            redirection=redirection,
            watch=self.watch,
            seen=self.seen,
            stopping=self.stopping,
        )

    async def _come_to_rest(
        self, actuator: CloudActuator, strategy: Strategy, failed: list[str], *, for_good: bool
    ) -> str:
        """Leave the cluster in a state in which it can live; what was done for that, as a clause.

        Nodes that are unreachable are served again. After an error that no retry removes, a cut-over without a deleted
        route returns to routes: while the range exists, the cloud may refuse routes for new nodes
        (docs/reference/cut-over.md#k1). A node that has joined and gets neither gets its route when the range is gone.
        Once a route is deleted, the old configuration of cloud-controller-manager
        would create it again, so it stays stopped until the cut-over is finished (docs/reference/weaknesses.md#w6).
        """
        facts = await actuator.observe()
        outcome = ""
        if facts.unreachable and not facts.disproved:
            refused = frozenset(refusal(step, facts) for step in failed)
            outcome = await self._serve(refused, sacrifice=not strategy.lossless)
            facts = await actuator.observe()
        way = to_routes(facts)
        if for_good and may_leave(facts) and way.next_transition(facts, self.settings) is not None:
            begun = facts.range_present or facts.subnet.overlap_flag or facts.left_over
            try:
                await self._leave(way)
            except DualstackError as error:
                if kept(facts):
                    await self.platform.restore_route_controller()
                failure = f"the rollback failed and the cluster stays in its present state: {error}"
                return "; ".join(filter(None, (outcome, failure)))
            return outcome or ("rolled back to routes only" if begun else "")
        if nothing_deleted(facts) and facts.controller.ignored:
            await self.platform.restore_route_controller()
        if facts.decoys.present:
            await actuator.perform(RemoveDecoys())
        return outcome

    async def _leave(self, way: Strategy) -> None:
        """Back to routes; at last without the gates, which may fail because of the range, and without the aliases that
        the cloud refuses to nodes that have joined."""
        try:
            await self._run(self._actuator(), way, announce=False)
        except (GateFailed, ComputeRefusal):
            if not may_leave(await self.observe()):
                raise
            await self._run(self._actuator(), WITHOUT_GATES, announce=False)

    async def _serve(self, refused: frozenset[str], *, sacrifice: bool) -> str:
        """Serve unreachable nodes by whichever way the cloud still accepts; the outcome as a clause."""
        with suppress(DualstackError):  # its step has failed; what counts is which nodes are served
            await self._run(self._actuator(), serve(sacrifice=sacrifice), announce=False, refused=refused)
        if left := (await self.observe()).unreachable:
            pods = f"the pods of {len(left)} nodes, among them {left[0]}"
            return f"{pods}, stay unreachable: the cloud refused every way to restore them"
        return "every node is served again by its route or alias"


def is_final(error: DualstackError) -> bool:
    """Whether the same attempt fails again until a person or another program changes something."""
    return isinstance(error, GateFailed) or (isinstance(error, ComputeRefusal) and error.retry_after is None)


def may_leave(facts: CutoverFacts) -> bool:
    """Whether every reachable VM still has its route, so that none of them loses anything when the range goes."""
    return nothing_deleted(reachable_alone(facts))


def nothing_deleted(facts: CutoverFacts) -> bool:
    """Whether every VM still has its route, and every saved route that leads to a VM still exists."""
    return kept(facts) and all(facts.routed(name) for name in facts.pod_cidr_of)


def kept(facts: CutoverFacts) -> bool:
    """Whether every saved route that leads to a VM still exists; a node that has joined may have none."""
    routes = {as_saved(route) for route in facts.routes}
    return {entry for entry in facts.saved_routes if entry.instance_name in facts.node_of} <= routes
