"""One rehearsal: from the Shoot in a file to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import click
import msgspec

from dualstack.cli.live.outcome import Outcome
from dualstack.cli.rehearsal.checks import LOSSY, FinishedRun, verify
from dualstack.cli.rehearsal.display import Display, make_display, remaining, typical_duration
from dualstack.cli.rehearsal.gardener_checks import GardenerChecks
from dualstack.cli.rehearsal.landscape import DUALSTACK, Landscape
from dualstack.cli.rehearsal.next_steps import after_failure, after_success
from dualstack.cli.rehearsal.node_history import History
from dualstack.cli.rehearsal.pace import MEASURED_AT, Pace, choose_speed, too_large
from dualstack.cli.rehearsal.processes import (
    PROBER_IMAGE,
    Child,
    events,
    first_of,
    operator_arguments,
    run_command,
    running,
    start_world,
)
from dualstack.cli.rehearsal.progress_limit import ProgressLimit
from dualstack.cli.rehearsal.record import BACK, FORWARD, MAX_SAME_FAILURES, Direction, Record, at_rest
from dualstack.cli.rehearsal.result import (
    Ending,
    Nodes,
    Result,
    Run,
    ShootName,
    Time,
    encode,
    faults_since,
    traffic_since,
)
from dualstack.cli.rehearsal.summary import summarise
from dualstack.cli.rehearsal.world import RequestRefused, World, WorldAddress, open_world
from dualstack.cli.shoot_file import parse_shoot, read_text
from dualstack.clock import ScaledClock
from dualstack.gardener.model.names import DECOYS
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.interface import Unavailable
from dualstack.model.cidr import blocks
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import STEPS, OperatorReady, StepStarted
from dualstack.model.kinds import POD, SERVICE
from dualstack.plan.steps.decoys import PARTS
from dualstack.streams import OutputLost, print_out
from dualstack.verify.checks import Check
from dualstack.verify.inventory import changes, inventory
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.faults import load_faults, refuse_impossible
from dualstack_sim.rules.profiles import Profile, choose
from dualstack_sim.world.gardener.node_placements import with_node_count

SAMPLE_EVERY = 1.0
"""Seconds of wall time between two samples of what leads to each node."""

_LEAST_SPACE = 16 << 20
"""Bytes that must be free for the logs of both processes."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of the command."""

    path: Path
    nodes: int | None
    strategy: str
    decoys: bool
    rollout: str
    speed: float
    seed: int
    faults: Path | None
    profile: str
    knobs: tuple[str, ...]
    kill_at: tuple[str, ...]
    output: str
    and_back: bool = False
    landscape: Landscape = DUALSTACK
    strategy_given: bool = False
    """Whether `strategy` is not the default."""


ON_THE_WAY_BACK = "back:"
"""Prefix in `--kill-at` for a step of the way back."""

MASK = "ipv6-mask"
"""The knob that lets a Shoot return to IPv4; `--and-back` sets it unless the user does."""

MASK_MAY_LEAVE = (
    "The Garden API allows the removal of nodeCIDRMaskSizeIPv6 together with IPv6. The studied version does not, and "
    "therefore refuses every way back (docs/reference/gardener.md#mask-blocks-rollback)."
)


class Failed(DualstackError):
    """The run did not reach its end; the message is the reason."""


def run(options: Options) -> int:
    """Rehearse and print the result. Returns 0 if every check passed, 1 if not, 130 after an interrupt.

    Raises InvalidInput if it cannot start, another DualstackError if a process ended, OutputLost if standard output
    cannot be written. With `--output json`, the errors are printed as an `Ending` too.
    """

    def end(ending: Ending) -> None:
        if options.output == "json":
            try:
                print_out(encode(ending))
            except OutputLost as error:
                click.echo(f"dualstack: {error}", err=True)

    try:
        return _run(options)
    except InvalidInput as error:
        end(Ending(result="refused", reason=str(error), faults=error.faults))
        raise
    except DualstackError as error:
        end(Ending(result="failed", reason=str(error)))
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        reason = "interrupted; all processes of the rehearsal have been stopped"
        click.echo(f"dualstack: {reason}", err=True)
        end(Ending(result="interrupted", reason=reason))
        return 130


def _run(options: Options) -> int:
    text = read_text(options.path)
    shoot = _checked(options, text)
    if options.and_back and not any(knob.startswith(f"{MASK}=") for knob in options.knobs):
        options = replace(options, knobs=(*options.knobs, f"{MASK}=may-leave"))
    profile = choose(options.profile, options.knobs)
    folder, given = _folder(text)
    options = replace(options, path=given)
    display = make_display(options.output)
    logs = f"The logs of the operator and of the simulated world are in {folder}"
    keep = True
    try:
        result = asyncio.run(Rehearsal(options, shoot, profile, folder, display).run())
        keep = result.result != "succeeded"
    except (InvalidInput, KeyboardInterrupt, asyncio.CancelledError):
        keep = False
        raise
    finally:
        display.close()
        if keep:
            click.echo(logs, err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print_out(encode(result) if options.output == "json" else summarise(result))
    return 0 if result.result == "succeeded" else 1


def _checked(options: Options, text: str) -> ShootView:
    """The Shoot, after all checks that need no simulated world. Raises InvalidInput."""
    options.landscape.refuse(
        {
            "--strategy": options.strategy_given,
            "--decoys": options.decoys,
            "--kill-at": bool(options.kill_at),
            "--and-back": options.and_back,
        }
    )
    unknown = [step for step in options.kill_at if step.removeprefix(ON_THE_WAY_BACK) not in STEPS]
    if unknown:
        raise InvalidInput(f"--kill-at {unknown[0]}: unknown step; must be one of {', '.join(STEPS)}")
    on_the_way_back = [step for step in options.kill_at if step.startswith(ON_THE_WAY_BACK)]
    if on_the_way_back and not options.and_back:
        raise InvalidInput(f"--kill-at {on_the_way_back[0]}: it needs --and-back")
    shoot = ShootView.of(with_node_count(parse_shoot(text, options.path, options.nodes), options.nodes))
    if "IPv6" in shoot.families:
        raise InvalidInput(
            f"{options.path}: spec.networking.ipFamilies: the Shoot already has {', '.join(shoot.families)}; "
            "a rehearsal starts from an IPv4-only Shoot and adds IPv6 itself: remove IPv6"
        )
    nodes = sum(pool.minimum for pool in shoot.pools)
    if reason := too_large(shoot):
        raise InvalidInput(f"--nodes {nodes}: {reason}")
    if options.decoys and blocks(shoot.pods, shoot.node_cidr_mask_size) < nodes + PARTS:
        raise InvalidInput(
            f"--decoys: it needs {PARTS} free blocks of the pod range {shoot.pods}, which has "
            f"{blocks(shoot.pods, shoot.node_cidr_mask_size)} blocks for {nodes} nodes; rehearse without it: the "
            "canary, which is one node, then shows whether aliases work"
        )
    if options.faults:
        refuse_impossible(load_faults(options.faults), Compute(ScaledClock(), Chance()).methods)
    return shoot


def _folder(text: str) -> tuple[Path, Path]:
    """A new folder for the logs, and the Shoot in it, which the world reads, because a pipe can be read only once."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="dualstack-rehearsal-"))
        free = shutil.disk_usage(folder).free
        given = folder / "shoot.yaml"
        if free >= _LEAST_SPACE:
            given.write_text(text, encoding="utf-8")
            return folder, given
        folder.rmdir()
        reason = f"{free >> 10} KiB are free"
    except OSError as error:
        reason = str(error.strerror or error)
    raise InvalidInput(
        f"temporary folder {tempfile.gettempdir()}: {reason}; a rehearsal needs {_LEAST_SPACE >> 20} MiB for its logs: "
        "free some, or set TMPDIR to another folder"
    )


class Rehearsal:
    """The processes of one rehearsal, and its runs."""

    def __init__(self, options: Options, shoot: ShootView, profile: Profile, folder: Path, display: Display) -> None:
        self._options = options
        self._profile = profile
        self._shoot = shoot
        self._folder = folder
        self._display = display
        self._record = Record()
        self._kills_left = list(options.kill_at)
        self._kills: list[dict[str, Any]] = []
        self._commands: list[Outcome] = []
        self._history = History()
        self._operator: Child | None = None
        self._ready = asyncio.Event()
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
            async with open_world(address, self._shoot) as world:
                return await self._rehearse(server, world, started)
        finally:
            children = [child for child in (self._operator, server) if child]
            for child in children:
                child.terminate()  # before the first await, which a second Ctrl-C would interrupt
            for child in children:
                await child.stop()

    async def _rehearse(self, server: Child, world: World, started: float) -> Result:
        operator = asyncio.create_task(self._run_operator(world.address))
        try:
            await self._until_ready(operator, server)
            if self._options.rollout == "manual":
                self._display.say(
                    "Once the machine classes are dual-stack, delete the machines one by one: "
                    f"kubectl --kubeconfig {world.address.kubeconfig} -n {self._shoot.technical_id} "
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

    async def _until_ready(self, operator: asyncio.Task[None], server: Child) -> None:
        try:
            await first_of(operator, self._ready.wait())
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
            async with running(self._watch_shoot(world), self._refresh(world), self._sample(world)) as watchers:
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
            disturbed = self._kills or (await world.control("/faults"))["fired"]
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
        given |= {name: value for name in ("nodes", "faults") if (value := getattr(options, name)) is not None}
        knobs = [f"--knob={knob}" for knob in options.knobs]
        named = [f"--{name}={value}" for name, value in given.items()]
        return [str(options.path), *named, *knobs, *options.landscape.world_arguments()]

    async def _run_operator(self, address: WorldAddress) -> None:
        """Keep the operator running and record its events; restart it after each kill that was asked for."""
        options = self._options
        arguments = operator_arguments(address, options.strategy, options.rollout, options.landscape.controllers)
        while True:
            self._operator = await Child.start("operator", arguments, self._folder / "operator.log")
            killed = await self._hear(self._operator, address)
            await self._operator.process.wait()
            if not killed:
                raise self._operator.ended()

    async def _hear(self, operator: Child, address: WorldAddress) -> bool:
        async for event in events(operator):
            if isinstance(event, OperatorReady):
                self._ready.set()
            if self._verifying or isinstance(event, OperatorReady):
                continue
            self._record.add(event)
            self._display.event(event, self._record)
            if isinstance(event, StepStarted) and (step := self._step_here(event.step)) in self._kills_left:
                self._kills_left.remove(step)
                operator.kill()
                at = round(address.clock.now() - self._origin, 3)
                self._kills.append({"step": step, "at": at})
                self._display.say(f"Killed the operator at {event.step}; restarting it")
                return True
        return False

    def _step_here(self, step: str) -> str:
        """The step in the form of `--kill-at`."""
        return f"{ON_THE_WAY_BACK}{step}" if self._record.direction is BACK else step

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
        if self._options.decoys and direction is FORWARD:
            edit["metadata"] = {"annotations": {DECOYS: "true"}}
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
            async for shoot in world.watch_shoot():
                for change in self._record.see_shoot(shoot, world.clock.now()):
                    self._display.constraint(change)

    async def _sample(self, world: World) -> None:
        while True:
            with contextlib.suppress(DualstackError):  # busy: the next sample shows it
                await self._history.sample(world, world.clock.now() - self._origin)
            await asyncio.sleep(SAMPLE_EVERY)

    async def _refresh(self, world: World) -> None:
        while True:
            # A world that is busy answers late; if it has ended, its process says so.
            with contextlib.suppress(RequestRefused):
                began = time.monotonic()
                await world.control("/clock")
                self._pace.note(time.monotonic() - began)
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
            if operation.get("state") == "Failed":
                raise Failed(f"the Shoot's operation failed: {operation.get('description', 'no description')}")
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
            traffic=traffic_since(await world.control("/traffic"), self._origin),
            compute=await world.control(f"/compute/statistics?caller={self._options.landscape.caller}"),
            kills=(*self._kills, *({"step": step, "at": None} for step in self._kills_left)),
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
