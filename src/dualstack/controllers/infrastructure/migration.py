"""The cut-over as one task of the Infrastructure flow: whether it is needed, and what is left behind when it fails.

Needed is decided by facts: routes of ours, saved routes, VMs without alias, or the range missing (W1, W7). The
constraint of the Shoot says nothing about it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from dualstack.clock import Clock
from dualstack.controllers.infrastructure.actuator import CloudActuator, Redirection
from dualstack.controllers.infrastructure.advertisements import advertising_routers
from dualstack.controllers.infrastructure.announcement import announce
from dualstack.controllers.infrastructure.census import count_network
from dualstack.controllers.infrastructure.controller_manager import CloudControllerManager
from dualstack.controllers.infrastructure.decoys import Decoys
from dualstack.controllers.infrastructure.desired import Desired
from dualstack.controllers.infrastructure.observation import Observer
from dualstack.controllers.infrastructure.preflight import NotFit, Preflight, decoy_faults
from dualstack.controllers.infrastructure.record import InfrastructureRecord
from dualstack.controllers.infrastructure.reporting import Reporter
from dualstack.engine.cutover import Redirected, run_cutover
from dualstack.errors import DualstackError, GateFailed, Unsupported
from dualstack.gce import ComputeClient
from dualstack.gce.pacing import QUICK, UPSTREAM, Pace
from dualstack.kube.interface import Kube, NotFound
from dualstack.model.events import AnyEvent, Listener, OutageMeasured, StrategyChosen
from dualstack.model.kinds import CLUSTER, Manifest
from dualstack.model.names import CUT_OVER, OVERLAP_UNSUPPORTED
from dualstack.model.shoot import ShootView
from dualstack.plan.automatic import Choice, beyond, decide
from dualstack.plan.back import irreversible
from dualstack.plan.decoy_steps import RemoveDecoys
from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.strategy import AUTO, Strategy, choose, describe_outage, way_back

BACK = "back"

NO_WAY_TO_ROUTES = {
    True: "the infrastructure is dual-stack already and other parts act on it; to return to IPv4 set "
    "spec.networking.ipFamilies to [IPv4], by which the pods keep their alias ranges",
    False: "the cluster has returned to IPv4, and its pods keep their alias ranges: as long as the status shows two "
    "node ranges Gardener gives new machines an alias and has cloud-controller-manager make no routes, so that routes "
    "would not outlive the next node (gardener-behaviour.md 9); remove the annotation",
}
"""Why the annotation does not lead back to routes once the infrastructure is published, by whether IPv6 is wanted."""


PAUSE = 300.0
"""Seconds until the next try after one that cut everybody off in vain."""


class Held(DualstackError):
    """Nothing is wrong and nothing goes on: somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The cut-over of one Shoot. `strategy` is the name of one, or `auto`."""

    compute: ComputeClient
    kube: Kube
    clock: Clock
    emit: Listener
    reporter: Reporter
    record: InfrastructureRecord
    desired: Desired
    shoot: ShootView
    strategy: str
    preflight: Preflight
    settings: Settings
    decoys: Decoys

    async def run(self) -> None:
        """Carry the cut-over to its end if anything remains of it, or back if the Shoot asks for that.

        Raises a DualstackError with the cluster at rest; Held when it is back on its routes and is to stay there.
        """
        while True:
            try:
                return await (self._forward() if await self._recall() is None else self._back())
            except Redirected:
                continue

    async def absence(self) -> str | None:
        """What it means that the cloud-controller-manager is stopped; None when it is not, or cannot be asked about."""
        with suppress(DualstackError):
            return await CloudControllerManager(self.kube, self.clock, self.desired.ns).absence()
        return None

    async def abandon(self) -> None:
        """Take back what a cut-over has left in a cluster that is to be IPv4 alone (gardener-behaviour.md 11.12)."""
        manager = CloudControllerManager(self.kube, self.clock, self.desired.ns)
        if await manager.is_ours_to_give_back() or (await self.record.state()).routes:
            try:
                await self._descend(manager, "the Shoot is IPv4 alone again", None)
            except GateFailed as error:
                onward = (
                    "spec.networking.ipFamilies [IPv4, IPv6] leads on from here, and then back to IPv4 on alias ranges"
                )
                raise GateFailed(f"{error}; {onward}") from error

    async def _forward(self) -> None:
        manager = CloudControllerManager(self.kube, self.clock, self.desired.ns)
        facts = (await self._observer(manager).observe()).facts
        if facts.finished:
            return
        choice = await self._choice(facts)
        strategy = choose(choice.strategy)
        if not facts.unreachable:
            if strategy.lossless:
                await self._check_decoys(facts)
            await self.preflight.check(facts)
        with self.reporter.phase("cut-over"):
            await self._tell(choice, strategy, facts)
            await self._foretell_advertisements(facts)
            actuator = self._actuator(manager, strategy, self._recall)
            try:
                await self._carry_out(actuator, strategy)
            except Redirected:
                raise
            except DualstackError as error:
                # What failed is what is reported; a cloud that answers nothing now cannot be read either.
                with suppress(DualstackError):
                    await self._step_back(actuator, manager)
                    if strategy.name == "compressed" and await self._recover(manager):
                        error.retry_after = PAUSE
                    if isinstance(error, Unsupported):
                        await self.record.annotate(OVERLAP_UNSUPPORTED, error.because)
                await self._announce("CutOverStopped", str(error), kind="Warning")
                raise

    async def _recover(self, manager: CloudControllerManager) -> bool:
        """Routes again for who has none, where no range was made for their aliases (gardener-behaviour.md 11.12).

        Whether that was needed. Each further try would cut everybody off again, so that it should not come soon.
        """
        facts = (await self._observer(manager).observe()).facts
        if not facts.unreachable or facts.range_present:
            return False
        back = way_back()
        await self._carry_out(self._actuator(manager, back, None), back)
        return True

    async def _check_decoys(self, facts: CutoverFacts) -> None:
        """NotFit when they are asked for and cannot be had."""
        if self.settings.decoys and facts.live_routes and not facts.decoys.present:
            census = await count_network(self.compute, self.desired, self.shoot)
            if faults := decoy_faults(facts, census, image=self.decoys.image):
                raise NotFit(faults, ())

    async def _back(self) -> None:
        """To the routes, and stay there."""
        if await self._published():
            raise GateFailed(f"{CUT_OVER}: back: {NO_WAY_TO_ROUTES[self.shoot.dual_stack]}")
        manager = CloudControllerManager(self.kube, self.clock, self.desired.ns)
        await self._descend(manager, f"annotation {CUT_OVER}: {BACK}", self._withdrawn)
        raise Held(
            f"the cluster is on its routes again as annotation {CUT_OVER}: {BACK} asks, and stays there until the "
            "annotation is removed or spec.networking.ipFamilies is [IPv4]"
        )

    async def _descend(self, manager: CloudControllerManager, why: str, redirection: Redirection | None) -> None:
        facts = (await self._observer(manager).observe()).facts
        strategy = way_back()
        if strategy.next_transition(facts, self.settings) is None:
            return
        self.emit(StrategyChosen(at=self.clock.now(), shoot=self.desired.ns, strategy=strategy.name, reason=why))
        told = "; ".join(irreversible(facts)) or "everything can be taken back"
        await self._announce("GoingBack", f"{why}: from {stage_of(facts).words} to {Stage.ROUTES.words}; {told}")
        try:
            await self._carry_out(self._actuator(manager, strategy, redirection), strategy)
        except GateFailed as error:
            await self._announce("WayBackRefused", str(error), kind="Warning")
            if stage_of(facts) is Stage.DONE:
                # The flag was set only to try whether the routes can come back.
                forward = choose("overlap")
                await self._carry_out(self._actuator(manager, forward, None), forward)
            raise
        await self._announce("BackOnRoutes", "every node has its route; cloud-controller-manager comes back as it was")

    async def _recall(self) -> str | None:
        """Why the way forward is not wanted, as the Shoot says now; None while it is."""
        annotations = (await self._shoot_now())["metadata"].get("annotations") or {}
        return f"annotation {CUT_OVER}: {BACK} asks for the way back" if annotations.get(CUT_OVER) == BACK else None

    async def _withdrawn(self) -> str | None:
        return None if await self._recall() else f"annotation {CUT_OVER}: {BACK} is gone"

    async def _shoot_now(self) -> Manifest:
        cluster = await self.kube.get(CLUSTER, self.desired.ns)
        if cluster is None:
            raise NotFound(f"Cluster {self.desired.ns} is gone")
        shoot: Manifest = cluster["spec"]["shoot"]
        return shoot

    async def _published(self) -> bool:
        """Others have been told that the infrastructure is dual-stack, and act on it."""
        networking = ((await self.record.read()).get("status") or {}).get("networking") or {}
        return len(networking.get("nodes") or ()) > 1

    async def _choice(self, facts: CutoverFacts) -> Choice:
        """The strategy of this run, and why; Unsupported if it is known that this cloud does not serve it."""
        unsupported = await self.record.annotation(OVERLAP_UNSUPPORTED)
        if self.strategy == AUTO:
            network = await count_network(self.compute, self.desired, self.shoot)
            to_make = self.settings.decoys and not facts.decoys.present
            return decide(facts, replace(network, decoys=int(to_make)), unsupported=unsupported)
        if self.strategy != "overlap" or not facts.live_routes or facts.range_present:
            return Choice(self.strategy, "asked for")
        if unsupported:
            raise Unsupported(
                f"{unsupported}, as was seen before; annotate the Shoot with dualstack.dev/strategy: compressed, or "
                f"remove annotation {OVERLAP_UNSUPPORTED} of the Infrastructure to try it again",
                unsupported,
            )
        return Choice("overlap", await self._asked_for())

    async def _tell(self, choice: Choice, strategy: Strategy, facts: CutoverFacts) -> None:
        """Which strategy it is, why, and what it costs, before anything is done."""
        self.emit(
            StrategyChosen(at=self.clock.now(), shoot=self.desired.ns, strategy=choice.strategy, reason=choice.reason)
        )
        cost = describe_outage(strategy, facts, self.settings)
        await self._announce("StrategyChosen", f"{choice.strategy}: {choice.reason}. {cost}")

    async def _asked_for(self) -> str:
        """Why `overlap` is taken although nobody has looked at the limits: because somebody wants it (cutover.md 8)."""
        above = beyond(await count_network(self.compute, self.desired, self.shoot))
        return f"asked for, although {above}, beyond which Google advises against them" if above else "asked for"

    async def _foretell_advertisements(self, facts: CutoverFacts) -> None:
        """The other end of a VPN or interconnect learns of the range as soon as it is there (cutover.md 3.6, R15)."""
        if facts.range_present:
            return
        if routers := await advertising_routers(self.compute, self.desired):
            told = (
                f"the BGP peers of Cloud Router {', '.join(routers)} will learn of pod range {self.desired.pods} as "
                f"soon as subnet {self.desired.nodes_subnet} has it; where they must not, set mode CUSTOM first"
            )
            shoot = self.shoot
            await announce(
                self.kube,
                self.clock,
                shoot.name,
                self.desired.ns,
                "PodRangeAdvertised",
                told,
                kind="Warning",
                generation=shoot.generation,
            )

    async def _carry_out(self, actuator: CloudActuator, strategy: Strategy) -> None:
        measured: list[OutageMeasured] = []

        def emit(event: AnyEvent) -> None:
            if isinstance(event, OutageMeasured):
                measured.append(event)
            self.emit(event)

        await run_cutover(actuator, strategy, self.settings, self.clock, emit, self.desired.ns)
        for outage in measured:
            await self._announce("OutageMeasured", outage.detail)

    async def _announce(self, reason: str, message: str, *, kind: Literal["Normal", "Warning"] = "Normal") -> None:
        await announce(self.kube, self.clock, self.shoot.name, self.desired.ns, reason, message, kind=kind)

    def _observer(self, manager: CloudControllerManager) -> Observer:
        return Observer(self.compute, self.kube, self.record, manager, self.desired, self.shoot, self.decoys)

    def _actuator(
        self, manager: CloudControllerManager, strategy: Strategy, redirection: Redirection | None
    ) -> CloudActuator:
        return CloudActuator(
            compute=self.compute,
            desired=self.desired,
            observer=self._observer(manager),
            record=self.record,
            manager=manager,
            decoys=self.decoys,
            clock=self.clock,
            pace=UPSTREAM if strategy.poll else QUICK,
            redirection=redirection,
        )

    @staticmethod
    async def _step_back(actuator: CloudActuator, manager: CloudControllerManager) -> None:
        """Give the cloud-controller-manager back while every route is still there (W4, W5), and remove decoys.

        Once a route is deleted the old configuration would only re-create it, so then it stays away until the
        cut-over is finished.
        """
        facts = await actuator.observe()
        if nothing_deleted(facts):
            await manager.give_back()
        if facts.decoys.present:
            await actuator.perform(RemoveDecoys())


def pace_of(strategy: str) -> Pace:
    """How often running operations are looked at."""
    return UPSTREAM if strategy != AUTO and choose(strategy).poll else QUICK


def nothing_deleted(facts: CutoverFacts) -> bool:
    """Every VM still has its route, and every saved route that leads to a VM is still there."""
    routes = {as_saved(route) for route in facts.routes}
    saved = {entry for entry in facts.saved_routes if entry.instance_name in facts.node_of}
    return saved <= routes and all(facts.routed(name) for name in facts.pod_cidr_of)
