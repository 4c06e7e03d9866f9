"""The processes of one rehearsal, its runs, and their result."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dualstack.cli.live.outcome import Outcome
from dualstack.cli.node_history import History
from dualstack.cli.rehearsal.checks import LOSSY, FinishedRun, verify
from dualstack.cli.rehearsal.display import Display, remaining, typical_duration
from dualstack.cli.rehearsal.gardener_checks import GardenerChecks
from dualstack.cli.rehearsal.next_steps import after_failure, after_success
from dualstack.cli.rehearsal.node_samples import sample
from dualstack.cli.rehearsal.operator_process import OperatorProcess
from dualstack.cli.rehearsal.options import ON_THE_WAY_BACK, Options
from dualstack.cli.rehearsal.owner import Owner, phase_of
from dualstack.cli.rehearsal.pace import MEASURED_AT, Pace, choose_speed
from dualstack.cli.rehearsal.processes import (
    PROBER_IMAGE,
    Child,
    first_of,
    operator_arguments,
    run_command,
    running,
    start_world,
)
from dualstack.cli.rehearsal.progress_limit import ProgressLimit
from dualstack.cli.rehearsal.record import BACK, FORWARD, MAX_SAME_FAILURES, Direction, Record, at_rest
from dualstack.cli.rehearsal.result import Nodes, Result, Run, ShootName, Time, bounded, faults_since, traffic_since
from dualstack.cli.rehearsal.world import RequestRefused, World, open_world
from dualstack.cli.words import duration
from dualstack.gardener.model.names import DECOYS
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.interface import Unavailable
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent, StepStarted
from dualstack.model.kinds import POD, SERVICE, Manifest
from dualstack.verify.inventory import changes, inventory
from dualstack.verify.judging import Check
from dualstack_sim.rules.profiles import Profile

_WATCH_AGAIN = 0.2
"""Seconds of wall time before a watch that has ended starts again."""

SAMPLE_EVERY = 1.0
"""Seconds of wall time between two samples of what leads to each node."""

MASK_MAY_LEAVE = (
    "The Garden API allows the removal of nodeCIDRMaskSizeIPv6 together with IPv6. The studied version does not, and "
    "therefore refuses every way back (docs/reference/gardener.md#mask-blocks-rollback)."
)


class Failed(DualstackError):
    """The run did not reach its end; the message is the reason."""


class Rehearsal:
    """The processes of one rehearsal, and its runs."""

    def __init__(self, options: Options, shoot: ShootView, profile: Profile, folder: Path, display: Display) -> None:
        self._options = options
        self._profile = profile
        self._shoot = shoot
        self._folder = folder
        self._display = display
        self._record = Record()
        self._commands: list[Outcome] = []
        self._history = History()
        self._owner = Owner(options.rollout, options.landscape.prepared)
        self._operator: OperatorProcess | None = None
        self._origin = 0.0
        """When the first run started; the world accounts for traffic from then on."""
        self._verifying = False
        self._pace = Pace(options.speed, options.speed)

    async def run(self) -> Result:
        """Start both processes, make the runs, stop both processes."""
        started = time.monotonic()
        _be_stopped_by(signal.SIGTERM, signal.SIGHUP)
        self._display.say("Building the cluster in the simulated cloud ... All times below are simulated.")
        server, address = await start_world(
            self._world_arguments(), self._folder / "world.log", sum(pool.minimum for pool in self._shoot.pools)
        )
        try:
            address, self._pace = await choose_speed(address, self._options.speed)
            if self._pace.speed < self._pace.requested:
                self._display.say(f"The clock was {self._pace.describe()}.")
            typical = typical_duration(FORWARD, self._shoot, sum(pool.minimum for pool in self._shoot.pools))
            self._display.say(
                f"The migration usually takes {duration(typical)}, "
                f"which pass in {duration(typical / self._pace.speed)} or more."
            )
            async with open_world(address, self._shoot) as world:
                return await self._rehearse(server, world, started)
        finally:
            children = [child for child in (self._operator and self._operator.child, server) if child]
            for child in children:
                child.terminate()  # before the first await, which a second Ctrl-C would interrupt
            for child in children:
                await child.stop()

    async def _rehearse(self, server: Child, world: World, started: float) -> Result:
        address, options = world.address, self._options
        named, controllers = options.landscape.of_operator, options.landscape.controllers
        self._operator = OperatorProcess(
            operator_arguments(address, named, options.strategy, options.rollout, controllers) if controllers else [],
            self._folder / "operator.log",
            kill_at=options.kill_at,
            hear=self._hear,
            say=self._display.say,
            now=lambda: address.clock.now() - self._origin,
        )
        operator = asyncio.create_task(self._operator.run())
        try:
            await self._until_ready(operator, self._operator.ready, server)
            if self._options.rollout == "manual":
                self._display.say(
                    "Once the machine classes are dual-stack, delete the machines one by one: "
                    f"kubectl --kubeconfig {world.address.seed_kubeconfig} -n {self._shoot.technical_id} "
                    "delete machine NAME"
                )
            run, reason = await self._go(FORWARD, operator, server, world)
            back: Run | msgspec.UnsetType = msgspec.UNSET
            if self._options.and_back and reason is None:
                self._display.say("Returning to IPv4 ...")
                back, reason = await self._go(BACK, operator, server, world)
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
        return await self._result(world, run, back, reason, started)

    async def _until_ready(self, operator: asyncio.Task[None], ready: asyncio.Event, server: Child) -> None:
        try:
            await first_of(operator, ready.wait())
        except DualstackError as error:
            raise server.ended() if await server.has_ended() else Failed(str(error)) from error

    async def _go(
        self, direction: Direction, operator: asyncio.Task[None], server: Child, world: World
    ) -> tuple[Run, str | None]:
        """Start one run, watch it to its end, and verify the cluster. Returns the reason too if it failed."""
        node_count = sum(pool.minimum for pool in self._shoot.pools)
        limit = ProgressLimit(typical_duration(direction, self._shoot, node_count))
        self._record = record = Record(direction, progress_limit=limit)
        before = await _inventory(world)
        nodes_before = {node["metadata"]["uid"] for node in await world.nodes()}
        reason: str | None = None
        try:
            await self._begin(world)
            watched = (self._watch_shoot(world), self._refresh(world), self._sample(world), self._own(world))
            async with running(*watched) as watchers:
                await first_of(operator, server.process.wait(), *watchers, self._migrate(world))
                if server.process.returncode is not None:
                    raise server.ended()
        except (DualstackError, aiohttp.ClientError) as error:
            reason = str(error)
        if reason and await server.has_ended():
            raise server.ended()
        simulated = world.clock.now() - record.origin
        checks = await self._verify(world, complete=reason is None)
        if reason is None:
            failed = [f"{check.id}: {check.evidence}" for check in checks if check.status == "failed"]
            reason = "; ".join(failed) or None
        nodes = await world.nodes()
        counts = Nodes(
            at_start=len(nodes_before),
            at_end=len(nodes),
            replaced=len(nodes_before - {node["metadata"]["uid"] for node in nodes}),
            dual_stack=sum(len(node["spec"].get("podCIDRs", [])) == 2 for node in nodes),
        )
        run = Run(
            simulated_seconds=round(simulated, 3),
            phases=tuple(record.phases),
            constraints=tuple(record.constraints),
            notices=tuple(record.notices),
            nodes=counts,
            changes=changes(before, await _inventory(world)),
            checks=tuple(checks),
        )
        return run, reason

    async def _verify(self, world: World, *, complete: bool) -> list[Check]:
        """Run the checks. What the operator does for them does not belong to the run."""
        self._display.say("Verifying ...")
        self._verifying = True
        try:
            traffic = traffic_since(await world.control("/traffic"), self._origin)
            disturbed = (
                any(kill["at"] is not None for kill in self._kills()) or (await world.control("/faults"))["fired"]
            )
            finished = FinishedRun(
                world,
                self._record,
                traffic,
                self._strategy(),
                self._options.landscape,
                undisturbed=not disturbed,
                on_time=self._pace.comparable,
            )
            return await verify(finished, complete=complete)
        finally:
            self._verifying = False

    def _strategy(self) -> str:
        """The strategy of the cut-over, which an annotation of the Shoot or the facts may have decided.

        Where a restart led to another choice, the one with an outage counts.
        """
        if way := self._options.landscape.way:
            return way
        chosen = self._record.strategies or [self._options.strategy]
        return next((name for name in chosen if name in LOSSY), chosen[-1])

    def _world_arguments(self) -> list[str]:
        options = self._options
        given = {"speed": repr(min(options.speed, MEASURED_AT)), "seed": options.seed, "profile": options.profile}
        passed_on = ("nodes", "faults", "kubernetes", "kubernetes_kubeconfig")
        given |= {name: value for name in passed_on if (value := getattr(options, name)) is not None}
        knobs = [f"--knob={knob}" for knob in options.knobs]
        named = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        return [str(options.path), *named, *knobs, *options.landscape.world_arguments()]

    def _hear(self, event: AnyEvent) -> str | None:
        """Record the event; what belongs to the verification does not belong to the run."""
        if self._verifying:
            return None
        self._record.add(event)
        self._display.event(event, self._record)
        if not isinstance(event, StepStarted):
            return None
        return f"{ON_THE_WAY_BACK}{event.step}" if self._record.direction is BACK else event.step

    def _kills(self) -> tuple[dict[str, Any], ...]:
        return self._operator.kills if self._operator else ()

    async def _begin(self, world: World) -> None:
        """Account for traffic from now on."""
        if self._record.direction is FORWARD:
            self._origin = (await world.control("/trigger", "POST"))["at"]
            self._record.origin = self._origin
        else:
            self._record.origin = world.clock.now()

    async def _migrate(self, world: World) -> None:
        """Edit the Shoot as its owner would, and wait until it is at rest; prepare and finish where requested."""
        direction = self._record.direction
        edit = dict(direction.edit)
        if self._options.decoys is not None and direction is FORWARD:
            edit["metadata"] = {"annotations": {DECOYS: str(self._options.decoys).lower()}}
        if self._options.landscape.prepared:
            await self._command(world, "prepare", f"--prober-image={PROBER_IMAGE}")
        await world.edit_shoot(edit)
        await self._until_done(world)
        if self._options.landscape.prepared:
            await self._command(world, "finish")

    async def _command(self, world: World, name: str, *arguments: str) -> None:
        """Run a command for live clusters, and keep its result."""
        self._display.say(f"Running `dualstack {name}` ...")
        log = self._folder / f"{name}.log"
        outcome = await run_command(name, [*arguments], world.address, log)
        self._record.progress_limit.command_ended(name, world.clock.now() - self._record.origin)
        self._commands.append(outcome)
        self._display.say(f"{outcome.command}: {outcome.figures()}")

    async def _watch_shoot(self, world: World) -> None:
        while True:
            # A real API server that restarts ends the watch; if the world has ended, its process says so.
            with contextlib.suppress(aiohttp.ClientError):
                async for shoot in world.watch_shoot():
                    for change in self._record.see_shoot(shoot, world.clock.now()):
                        self._display.constraint(change)
                    if self._options.landscape.gardener:
                        self._see(shoot, world.clock.now())
            await asyncio.sleep(_WATCH_AGAIN)

    def _see(self, shoot: Manifest, now: float) -> None:
        """What the owner sees, and the phases, which no operator reports here."""
        self._record.see_phase(phase_of(shoot), now, self._shoot.technical_id, self._display.event)
        if (seen := self._owner.look(shoot, round(now - self._record.origin, 3))) is not None:
            self._record.progress_limit.owner_saw(seen.state, seen.description, seen.at)
            self._display.owner(seen)

    async def _own(self, world: World) -> None:
        """Request what the Shoot needs whenever it rests, as its owner does."""
        while self._options.landscape.gardener:
            await asyncio.sleep(0.25)
            with contextlib.suppress(Unavailable):
                request = self._owner.due(await world.read_shoot(), world.clock.now())
                if request is not None:
                    words = " ".join(f"{name}={value}" for name, value in request.items())
                    self._display.say(f"The owner annotates the Shoot with {words}")
                    await world.edit_shoot({"metadata": {"annotations": request}})
        await asyncio.Event().wait()

    async def _sample(self, world: World) -> None:
        while True:
            with contextlib.suppress(DualstackError):  # busy: the next sample shows it
                await sample(self._history, world, world.clock.now() - self._origin)
            await asyncio.sleep(SAMPLE_EVERY)

    async def _refresh(self, world: World) -> None:
        while True:
            # A world that is busy answers late; if it has ended, its process says so.
            with contextlib.suppress(RequestRefused):
                began = world.clock.now()
                await world.control("/clock")
                self._pace.note(world.clock.now() - began)
                traffic = await world.control("/traffic?summary")
                now = world.clock.now() - self._record.origin
                self._display.refresh(self._record, traffic, now, remaining(self._record, self._shoot, now))
            await asyncio.sleep(0.5)

    async def _until_done(self, world: World) -> None:
        """Return when the Shoot has reached the end of the run and is at rest; Failed when it never will."""
        while True:
            await asyncio.sleep(0.25)
            try:
                shoot = await world.read_shoot()
            except Unavailable:  # busy; if it has ended, its process says so
                continue
            operation = shoot["status"].get("lastOperation", {})
            if operation.get("state") == "Failed" and (not self._options.landscape.gardener or self._owner.gave_up):
                codes = [code for error in shoot["status"].get("lastErrors", ()) for code in error.get("codes", ())]
                known = f" ({', '.join(dict.fromkeys(codes))})" if codes else ""
                raise Failed(f"the Shoot's operation failed{known}: {operation.get('description', 'no description')}")
            if self._record.completed() and at_rest(shoot):
                await world.clock.sleep(10.0)  # for the operator to report what the Shoot already shows
                self._record.close_phases()
                return
            stuck_on = self._record.stuck_on()
            if stuck_on:
                raise Failed(f"the operator gave up {MAX_SAME_FAILURES} times for the same reason: {stuck_on}")
            waits_for_user = self._options.rollout == "manual" and self._record.current_phase() == "roll-out"
            now = world.clock.now() - self._record.origin
            if not waits_for_user and (reason := self._record.progress_limit.exceeded(now)):
                raise Failed(reason)

    async def _result(
        self, world: World, run: Run, back: Run | msgspec.UnsetType, reason: str | None, started: float
    ) -> Result:
        assumptions = await world.control("/assumptions")
        if reason and self._pace.behind:
            reason = f"{reason}; {self._pace.describe()}"
        shown = msgspec.structs.asdict(run)
        simulated = shown.pop("simulated_seconds")
        if not isinstance(back, msgspec.UnsetType):
            simulated += back.simulated_seconds
            if self._profile.garden.mask_may_leave:
                assumptions.append(MASK_MAY_LEAVE)
        return Result(
            result="failed" if reason else "succeeded",
            reason=reason,
            shoot=ShootName(self._shoot.name, self._shoot.namespace, self._shoot.technical_id, self._shoot.cni),
            landscape=self._options.landscape.name,
            prepared=self._options.landscape.prepared,
            infrastructure=self._options.landscape.infrastructure if self._options.landscape.gardener else None,
            owner=tuple(self._owner.seen),
            commands=tuple(self._commands),
            node_history=self._history.nodes(),
            strategy=None if self._options.landscape.upstream else self._strategy(),
            profile=self._profile.name,
            assumptions=tuple(assumptions),
            time=Time(
                simulated_seconds=round(simulated, 3),
                wall_seconds=round(time.monotonic() - started, 3),
                speed=self._pace.speed,
                request_seconds=round(self._pace.request_seconds, 3),
                note=self._pace.describe(),
            ),
            traffic=bounded(traffic_since(await world.control("/traffic"), self._origin)),
            compute=await world.control(f"/compute/statistics?caller={self._options.landscape.caller}"),
            kills=self._kills(),
            faults=faults_since(await world.control("/faults"), self._origin),
            next_steps=await self._next_steps(world, run, back, reason),
            back=back,
            **shown,
        )

    async def _next_steps(
        self, world: World, run: Run, back: Run | msgspec.UnsetType, reason: str | None
    ) -> tuple[str, ...]:
        if reason:
            return after_failure((run if isinstance(back, msgspec.UnsetType) else back).checks)
        nodes = {node["metadata"]["name"] for node in await world.nodes()}
        pods = [pod for pod in await world.kube.list(POD) if pod["spec"].get("nodeName") in nodes]
        services = [
            service
            for service in await world.kube.list(SERVICE)
            if service["metadata"]["namespace"] != self._shoot.technical_id
        ]
        return after_success(self._record.direction, pods, services)


async def _inventory(world: World) -> dict[str, str]:
    return {**inventory(await world.sources.read()), **await GardenerChecks(world).inventory()}


def _be_stopped_by(*numbers: signal.Signals) -> None:
    """Let the signals end the current task as Ctrl-C does, unless they are ignored on entry, as under `nohup`."""
    task = asyncio.current_task()
    for number in numbers:
        if task and signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
