"""The cut-over as one task of the Infrastructure flow: whether it is needed, in which direction, by which strategy.

Facts decide whether it is needed: routes of the cluster, saved routes, VMs without alias, a missing range. The Shoot's
constraint does not (docs/reference/weaknesses.md#w1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from dualstack.clock import Clock
from dualstack.cutover.actuator import Redirection
from dualstack.cutover.cut_over import CutOver, nothing_deleted
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.interface import DirectionChanged
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.halt import Halt
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord, other_controller
from dualstack.gardener.controllers.infrastructure.shoot_findings import shoot_findings
from dualstack.gardener.controllers.infrastructure.subnets import Subnets
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.model.annotations import BACK, no_way_to_routes
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.gardener.model.names import CUT_OVER, DECOYS, FOLLOWED, NOTE, OVERLAP_UNSUPPORTED, PREPARED
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.platform import GardenerPlatform
from dualstack.gardener.preflight.nodes import never_dual_stack
from dualstack.gce import ComputeClient
from dualstack.gce.errors import ComputeRefusal
from dualstack.kube.event_recorder import EventRecorder
from dualstack.kube.interface import NotFound
from dualstack.model.errors import ComputeError, DualstackError, GateFailed, InvalidInput, Unsupported, WithoutEffect
from dualstack.model.events import AnyEvent, Listener, OutageMeasured, StrategyChosen
from dualstack.model.kinds import Manifest
from dualstack.plan.automatic import Choice, beyond, decide
from dualstack.plan.costs import describe_outage
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.strategies import AUTO, STRATEGIES, choose
from dualstack.plan.strategies.back import irreversible, way_back
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.prepare import mark, prepared
from dualstack.preflight.decoys import DecoyCheck, decoy_check
from dualstack.preflight.finding import Finding, PreflightFailed
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.reading import Preflight
from dualstack.preflight.registry import run_checks

BEGUN_WITH = NOTE + "strategy"
"""The strategy of a cut-over in progress: it is decided once, because the facts that decide change on the way."""


class Paused(DualstackError):
    """The migration is paused on request. Not a fault."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The cut-over of one Shoot. `strategy` is the name of one, or `auto`."""

    compute: ComputeClient
    clusters: Clusters
    clock: Clock
    emit: Listener
    reporter: Reporter
    record: InfrastructureRecord
    desired: Desired
    shoot: ShootView
    strategy: str
    preflight: Preflight
    subnets: Subnets
    settings: Settings
    decoys: Decoys
    stopping: Callable[[], bool] = bool
    """Whether the process is ending."""

    async def run(self) -> None:
        """Carry the cut-over to its end if anything of it remains, or back if the Shoot requests that.

        Raises a DualstackError with the cluster at rest; Paused when it is back on its routes and must stay there.
        """
        while True:
            try:
                return await (self._forward() if await self._requested_back() is None else self._back())
            except DirectionChanged:
                continue

    async def stop_notice(self) -> str | None:
        """What it means that cloud-controller-manager is stopped; None when it is not, or cannot be read."""
        with suppress(DualstackError):
            return await self._manager.stop_notice()
        return None

    async def abandon(self) -> None:
        """Undo what a cut-over left behind in a cluster that is IPv4-only again."""
        if await self._manager.is_stopped() or (await self.record.state()).routes:
            try:
                await self._return_to_routes("the Shoot is IPv4-only again", None)
            except GateFailed as error:
                onward = (
                    "set spec.networking.ipFamilies to [IPv4, IPv6] to finish the migration, then back to [IPv4]; "
                    "pods then keep their alias ranges"
                )
                raise GateFailed(f"{error}; {onward}") from error

    async def _forward(self) -> None:
        facts = await self.cut_over().observe()
        if facts.disproved:  # nodes may be unreachable, and nothing depends on what was shown not to work
            with self.reporter.phase("cut-over"):
                await self._carry_out(choose("overlap"), self._requested_back)
            return
        if facts.finished and await self._published():
            return
        inventory = await self.preflight.read(facts)
        choice = await self._choice(facts, inventory)
        strategy = choose(choice.strategy)
        inventory = replace(inventory, strategy=strategy)
        findings = run_checks(inventory)
        found = await self.record.read()
        if (other := other_controller(found)) is not None and not _rescues(facts):
            raise await self._at_rest_beside(other, facts)
        annotations = found["metadata"].get("annotations") or {}
        machines, nodes = await self.clusters.machines_and_nodes(self.desired.ns)
        of_shoot = shoot_findings(self.shoot, annotations, facts, never_dual_stack(nodes, machines))
        await self._report([*of_shoot, *findings], facts)
        if facts.finished:
            return
        if not _rescues(facts):
            await self.subnets.ensure_services(inventory.link)
        if not _rescues(facts):  # a node that has just joined has no route yet, and that is no reason to try again
            await self._halt.check()
        with self.reporter.phase("cut-over"):
            decoys = decoy_check(inventory)
            decided, because = self._decided(decoys), "; ".join(filter(None, (choice.reason, decoys.reason)))
            await decided._announce_strategy(replace(choice, reason=because), strategy, facts)
            await self.record.annotate(BEGUN_WITH, strategy.name)
            await self.record.annotate(FOLLOWED, "true")
            await decided._carry_out(strategy, self._requested_back if _rescues(facts) else self._redirected)

    def _decided(self, check: DecoyCheck) -> Migration:
        """This migration with or without the decoy check."""
        settings = replace(self.settings, decoys=check.made)
        return replace(self, settings=settings, decoys=replace(self.decoys, wanted=check.made))

    async def _at_rest_beside(self, other: str, facts: CutoverFacts) -> InvalidInput:
        """The error of a cut-over that must not go on beside another controller, with the cluster at rest. One that
        has begun is not tried again without a reason."""
        done = f"the cut-over rests at stage '{stage_of(facts).words}'" if facts.begun else "nothing was changed"
        error = InvalidInput(
            f"TwoControllers: {other} reconciles this Infrastructure too; {done}; set its chart value "
            "disableControllers: [infrastructure], wait until its pods are replaced, then annotate the Shoot with "
            "gardener.cloud/operation: retry"
        )
        if facts.begun:
            with suppress(DualstackError):
                await self.cut_over().interrupted()
                if nothing_deleted(facts):
                    await self._manager.restore()
                await self._halt.set(error)
                await self.events.announce("CutOverStopped", str(error), kind="Warning")
        return error

    async def _redirected(self) -> str | None:
        """Why the cut-over must not take its next step: the way back is requested, or another controller writes the
        same object, and `_forward` decides."""
        if (other := other_controller(await self.record.read())) is not None:
            return f"{other} reconciles this Infrastructure too"
        return await self._requested_back()

    async def _carry_out(self, strategy: Strategy, redirection: Redirection) -> None:
        """Run the cut-over, and keep what its error means for the next attempt."""
        try:
            soaked = await self._soaked()
            await self._measured(lambda cut_over: cut_over.forward(strategy, redirection), soaked=soaked)
        except DirectionChanged:
            raise
        except DualstackError as error:
            with suppress(DualstackError):
                if isinstance(error, Unsupported):
                    await self.record.annotate(OVERLAP_UNSUPPORTED, error.because)
                    await self.cut_over().end_trial()
                elif needs_reason(error, strategy):
                    await self._halt.set(error)
            await self.events.announce("CutOverStopped", str(error), kind="Warning")
            raise
        await self.record.annotate(BEGUN_WITH, None)
        await self.record.forget_preparation()
        await self._halt.clear()

    async def _soaked(self) -> bool:
        """Whether a preparation has proven the alias of every node that is there now, after the soak."""
        if (known := await self.record.annotation(PREPARED)) is None:
            return False
        facts = await self.cut_over().observe()
        return known == mark(facts) and prepared(facts)

    async def check(self, strategy: Strategy, facts: CutoverFacts) -> Migration:
        """The migration with or without the decoy check. PreflightFailed if anything stops the strategy; announces the
        risks."""
        inventory = replace(await self.preflight.read(facts), strategy=strategy)
        await self._report(run_checks(inventory), facts)
        return self._decided(decoy_check(inventory))

    async def _report(self, findings: list[Finding], facts: CutoverFacts) -> None:
        """Raise PreflightFailed if anything blocks; announce the risks, once for each generation of the Shoot.

        A rescue continues, and its blockers are announced. A cut-over that is not to continue now does not need
        cloud-controller-manager stopped, unless a route is deleted already.
        """
        if blockers := [finding for finding in findings if finding.blocks]:
            failed = PreflightFailed(blockers, self._in_fields)
            if not _rescues(facts):
                with suppress(DualstackError):
                    if nothing_deleted(facts):
                        await self._manager.restore()
                raise failed
            message = f"the cut-over continues because nodes are without connectivity: {failed}"
            await self.events.announce("PreflightFailed", message, kind="Warning")
        risks = [finding for finding in findings if finding.severity == "risk" and finding.status == "problem"]
        routers = [finding for finding in risks if finding.id == "advertised-pod-range"]
        await self._announce_risks("PodRangeAdvertised", routers)
        await self._announce_risks("PreflightRisk", [finding for finding in risks if finding not in routers])

    async def _announce_risks(self, reason: str, risks: list[Finding]) -> None:
        if risks:
            message = "\n".join(finding.describe() for finding in risks)
            await self.events.announce(reason, message, kind="Warning", generation=self.shoot.generation)

    def _in_fields(self, finding: Finding) -> str:
        """The finding with the field of the Shoot that it concerns, as Gardener's API words it."""
        ranges = {"pods": self.desired.pods, "services": self.desired.services, "nodes": self.desired.config.workers}
        if (given := ranges.get(finding.subject)) is not None:
            return f'spec.networking.{finding.subject}: Invalid value: "{given}": {finding.describe()}'
        prefix = f"metadata.annotations[{DECOYS}]: " if finding.subject == "decoys" else ""
        return prefix + finding.describe()

    async def _back(self) -> None:
        """Return to routes, and stay there."""
        published = await self._published()
        if (why := no_way_to_routes(dual_stack=self.shoot.dual_stack, published=published)) is not None:
            raise InvalidInput(f"metadata.annotations[{CUT_OVER}]: {BACK} has no effect: {why}")
        await self._return_to_routes(f"annotation {CUT_OVER}: {BACK}", self._back_annotation_removed)
        raise Paused(
            f"the cluster uses its routes again, as annotation {CUT_OVER}: {BACK} requests; remove the annotation to "
            "go forward, or set spec.networking.ipFamilies to [IPv4]"
        )

    async def _return_to_routes(self, why: str, redirection: Redirection | None) -> None:
        facts = await self.cut_over().observe()
        strategy = way_back()
        if strategy.next_transition(facts, self.settings) is None:
            return
        self.emit(StrategyChosen(at=self.clock.now(), shoot=self.desired.ns, strategy=strategy.name, reason=why))
        remains = "; ".join(irreversible(facts)) or "nothing stays behind"
        way = f"rolling back from stage '{stage_of(facts).words}' to stage '{Stage.ROUTES.words}'"
        await self.events.announce("GoingBack", f"{why}: {way}; {remains}")
        try:
            await self._measured(lambda cut_over: cut_over.back(redirection))
        except GateFailed as error:
            await self.events.announce("WayBackRefused", str(error), kind="Warning")
            if stage_of(facts) is Stage.DONE:
                # The flag was set only to find out whether the routes can come back.
                await self._measured(lambda cut_over: cut_over.forward(choose("overlap")))
            raise
        await self.events.announce(
            "BackOnRoutes", "every node has its route; cloud-controller-manager is being restored"
        )

    async def _requested_back(self) -> str | None:
        """The request for the way back in the current Shoot; None without one."""
        annotations = (await self.shoot_now())["metadata"].get("annotations") or {}
        return f"annotation {CUT_OVER}: {BACK} requests the way back" if annotations.get(CUT_OVER) == BACK else None

    async def _back_annotation_removed(self) -> str | None:
        return None if await self._requested_back() else f"annotation {CUT_OVER}: {BACK} was removed"

    async def shoot_now(self) -> Manifest:
        cluster = await self.clusters.seed.get(CLUSTER, self.desired.ns)
        if cluster is None:
            raise NotFound(f"Cluster {self.desired.ns} is gone")
        shoot: Manifest = cluster["spec"]["shoot"]
        return shoot

    async def _published(self) -> bool:
        """Whether the status shows a dual-stack infrastructure, on which other components depend."""
        networking = ((await self.record.read()).get("status") or {}).get("networking") or {}
        return len(networking.get("nodes") or ()) > 1

    async def _choice(self, facts: CutoverFacts, inventory: Inventory) -> Choice:
        """The strategy of this run, with the reason. Raises Unsupported if the cloud is known not to support it."""
        unsupported = await self.record.annotation(OVERLAP_UNSUPPORTED)
        undecided = bool(facts.live_routes) and not facts.range_present
        if self.strategy == AUTO:
            begun_with = await self.record.annotation(BEGUN_WITH)
            if facts.begun and begun_with in STRATEGIES and not (unsupported and begun_with == "overlap"):
                return Choice(begun_with, "the cut-over began with it")
            try:
                network = inventory.usage
            except ComputeError as error:
                if undecided and not _rescues(facts):
                    raise
                reason = f"the size of the network is unknown ({error}) and does not matter for a cut-over in progress"
                return Choice("overlap", reason)
            to_make = decoy_check(inventory).made and not facts.decoys.present
            return decide(facts, replace(network, decoys=int(to_make)), unsupported=unsupported)
        if self.strategy != "overlap" or not undecided:
            return Choice(self.strategy, "the default" if self.strategy == "overlap" else "requested")
        if unsupported:
            raise Unsupported(
                f"{unsupported}, as observed in an earlier cut-over; annotate the Shoot with "
                "dualstack.dev/strategy: compressed, or "
                f"remove annotation {OVERLAP_UNSUPPORTED} of the Infrastructure to try it again",
                unsupported,
            )
        return Choice("overlap", _reason_of_overlap(inventory))

    async def _announce_strategy(self, choice: Choice, strategy: Strategy, facts: CutoverFacts) -> None:
        """Announce the strategy, its reason and its cost before the first change."""
        self.emit(
            StrategyChosen(at=self.clock.now(), shoot=self.desired.ns, strategy=choice.strategy, reason=choice.reason)
        )
        cost = describe_outage(strategy, facts, self.settings)
        await self.events.announce("StrategyChosen", f"{choice.strategy}: {choice.reason}. {cost}")

    async def _measured(self, run: Callable[[CutOver], Awaitable[None]], *, soaked: bool = False) -> None:
        """Run one direction, then announce each outage that it measured. soaked: every host knows the aliases."""
        measured: list[OutageMeasured] = []

        def emit(event: AnyEvent) -> None:
            if isinstance(event, OutageMeasured):
                measured.append(event)
            self.emit(event)

        cut_over = self.cut_over(emit)
        await run(replace(cut_over, settings=self.settings.of_prepared()) if soaked else cut_over)
        for outage in measured:
            await self.events.announce("OutageMeasured", outage.detail)

    @property
    def events(self) -> EventRecorder:
        """Writes Events about the Infrastructure."""
        return EventRecorder(self.clusters.seed, self.clock, INFRASTRUCTURE, self.shoot.name, self.desired.ns)

    @property
    def _halt(self) -> Halt:
        return Halt(self.record, self.shoot, self.strategy)

    @property
    def _manager(self) -> CloudControllerManager:
        return CloudControllerManager(self.clusters.seed, self.clock, self.desired.ns)

    def cut_over(self, emit: Listener | None = None, *, keeps_controller: bool = False) -> CutOver:
        """The cut-over, with events to `emit` instead of the listener of this migration.

        keeps_controller: cloud-controller-manager goes on to create routes.
        """
        return CutOver(
            compute=self.compute,
            cluster=self.desired.cluster,
            platform=GardenerPlatform(
                self.clusters, self.desired.ns, self.record, self._manager, keeps_controller=keeps_controller
            ),
            decoys=self.decoys,
            clock=self.clock,
            emit=emit or self.emit,
            settings=self.settings,
            stopping=self.stopping,
        )


def needs_reason(error: DualstackError, strategy: Strategy) -> bool:
    """Whether another attempt needs a reason: the same would be refused again, or it costs another outage."""
    refused = isinstance(error, ComputeRefusal) and error.retry_after is None
    return refused or isinstance(error, WithoutEffect) or not strategy.lossless


def _rescues(facts: CutoverFacts) -> bool:
    """Whether a cut-over has begun and nodes stay without connectivity until it continues."""
    return facts.begun and bool(facts.unreachable)


def _reason_of_overlap(inventory: Inventory) -> str:
    """The reason for `overlap` without a choice, with a warning above the limits of hybrid subnets."""
    with suppress(ComputeError):  # the finding hybrid-limits says that they are unknown
        if above := beyond(inventory.usage):
            return f"the default, although {above}; Google advises against hybrid subnets above these limits"
    return "the default"
