"""One rehearsal from the Shoot on disk to the verdict."""

from __future__ import annotations

import asyncio
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

from dualstack.cli.rehearsal import inventory
from dualstack.cli.rehearsal.accounts import faults_since, traffic_since
from dualstack.cli.rehearsal.checks import Scene, verify
from dualstack.cli.rehearsal.direction import BACK, FORWARD, Direction
from dualstack.cli.rehearsal.display import Display, make_display
from dualstack.cli.rehearsal.endpoints import Endpoints, WorldAddress
from dualstack.cli.rehearsal.eta import remaining
from dualstack.cli.rehearsal.leg import Leg, count_nodes
from dualstack.cli.rehearsal.processes import Child, events, operator_arguments, start_world
from dualstack.cli.rehearsal.record import Record, migration_constraints
from dualstack.cli.rehearsal.result import Check, Result, ShootName, Time, encode
from dualstack.cli.rehearsal.summary import summarise
from dualstack.cli.rehearsal.tasks import first_of, running
from dualstack.cli.shoot_file import parse_shoot, read_text
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import DECOYS
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import STEPS, OperatorReady, StepStarted
from dualstack.model.kinds import NODE
from dualstack_sim.faults import load_faults
from dualstack_sim.rules.profiles import Profile, choose
from dualstack_sim.world.gardener.node_placements import with_node_count

_SILENCE = 3 * 3600.0
"""Simulated seconds without any news after which a rehearsal is given up."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

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


ON_THE_WAY_BACK = "back:"
"""What `--kill-at` puts before a step of the way back."""

MASK = "ipv6-mask"
"""The knob of the garden without which no Shoot returns to IPv4; a rehearsal of that turns it unless it is given."""

MASK_MAY_LEAVE = (
    "The garden API lets nodeCIDRMaskSizeIPv6 leave a Shoot together with IPv6 (gardener-behaviour.md 1.3: the version "
    "that was read does not, and so refuses every way back)."
)


class Failed(DualstackError):
    """The migration did not reach its end; the message says why."""


def run(options: Options) -> int:
    """Rehearse and print the result; 0 if everything is verified, else 1. InvalidInput if it cannot be started."""
    unknown = [step for step in options.kill_at if step.removeprefix(ON_THE_WAY_BACK) not in STEPS]
    if unknown:
        raise InvalidInput(f"--kill-at {unknown[0]}: there is no such step; the steps are {', '.join(STEPS)}")
    lost = [step for step in options.kill_at if step.startswith(ON_THE_WAY_BACK)]
    if lost and not options.and_back:
        raise InvalidInput(f"--kill-at {lost[0]}: there is no way back without --and-back")
    text = read_text(options.path)
    shoot = ShootView.of(with_node_count(parse_shoot(text, options.path, options.nodes), options.nodes))
    if "IPv6" in shoot.families:
        raise InvalidInput(
            f"{options.path}: spec.networking.ipFamilies: is {list(shoot.families)} already; "
            "a rehearsal starts from an IPv4-only Shoot and adds IPv6 itself"
        )
    if options.faults:
        load_faults(options.faults)
    if options.and_back and not any(knob.startswith(f"{MASK}=") for knob in options.knobs):
        options = replace(options, knobs=(*options.knobs, f"{MASK}=may-leave"))
    profile = choose(options.profile, options.knobs)
    folder = Path(tempfile.mkdtemp(prefix="dualstack-rehearsal-"))
    given = folder / "shoot.yaml"  # for the world, which could not read a pipe again
    given.write_text(text, encoding="utf-8")
    options = replace(options, path=given)
    display = make_display(options.output)
    logs = f"The logs of the operator and of the world are in {folder}"
    try:
        result = asyncio.run(Rehearsal(options, shoot, profile, folder, display).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(folder, ignore_errors=True)
        click.echo("dualstack: interrupted; everything that was started has been stopped", err=True)
        return 130
    except (BrokenPipeError, SystemExit):  # whoever read the progress has seen enough, and the console says so
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except DualstackError:
        click.echo(logs, err=True)
        raise
    finally:
        display.close()
    if result.result == "succeeded":
        shutil.rmtree(folder, ignore_errors=True)
    else:
        click.echo(logs, err=True)
    click.echo(encode(result) if options.output == "json" else summarise(result))
    return 0 if result.result == "succeeded" else 1


class Rehearsal:
    """The processes of one rehearsal, and what was seen of them."""

    def __init__(self, options: Options, shoot: ShootView, profile: Profile, folder: Path, display: Display) -> None:
        self._options = options
        self._profile = profile
        self._shoot = shoot
        self._folder = folder
        self._display = display
        self._record = Record()
        self._kills_left = list(options.kill_at)
        self._kills: list[dict[str, Any]] = []
        self._operator: Child | None = None
        self._ready = asyncio.Event()
        self._origin = 0.0
        """When the first trigger was pulled: traffic is accounted from then on."""
        self._verifying = False

    async def run(self) -> Result:
        """Start everything, pull the trigger, watch, verify, stop everything."""
        started = time.monotonic()
        _be_stopped_by(signal.SIGTERM, signal.SIGHUP)
        self._display.say("Building the cluster in the simulated cloud ...")
        world, address = await start_world(self._world_arguments(), self._folder / "world.log")
        try:
            async with aiohttp.ClientSession() as session:
                return await self._rehearse(world, Endpoints(address, session), started)
        finally:
            children = [child for child in (self._operator, world) if child]
            for child in children:
                child.terminate()  # before the first await: an impatient second Ctrl-C cuts that short
            for child in children:
                await child.stop()

    async def _rehearse(self, world: Child, endpoints: Endpoints, started: float) -> Result:
        operator = asyncio.create_task(self._run_operator(endpoints.address))
        try:
            await self._until_ready(operator, world)
            if self._options.rollout == "manual":
                self._display.say(
                    "When the machine classes are of the new kind, delete the machines one after the other: "
                    f"kubectl --kubeconfig {endpoints.address.kubeconfig} -n {self._shoot.technical_id} "
                    "delete machine NAME"
                )
            legs = [await self._go(FORWARD, operator, world, endpoints)]
            if self._options.and_back and legs[0].reason is None:
                self._display.say("And back to IPv4 ...")
                legs.append(await self._go(BACK, operator, world, endpoints))
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
        return await self._result(endpoints, legs, started)

    async def _until_ready(self, operator: asyncio.Task[None], world: Child) -> None:
        try:
            await first_of(operator, self._ready.wait())
        except DualstackError as error:
            raise world.ended() if await world.has_ended() else Failed(str(error)) from error

    async def _go(self, direction: Direction, operator: asyncio.Task[None], world: Child, endpoints: Endpoints) -> Leg:
        """Start one way, watch it to its end, and verify what is there."""
        self._record = record = Record(direction)
        before = await inventory.take(endpoints, self._shoot)
        nodes_before = [node["metadata"]["uid"] for node in await endpoints.list_all(NODE)]
        reason: str | None = None
        try:
            await self._trigger(endpoints)
            async with running(self._watch_shoot(endpoints), self._refresh(endpoints)) as watchers:
                await first_of(operator, world.process.wait(), *watchers, self._until_done(endpoints))
                if world.process.returncode is not None:
                    raise world.ended()
        except (DualstackError, aiohttp.ClientError) as error:
            reason = str(error)
        if reason and await world.has_ended():
            raise world.ended()
        simulated = endpoints.clock.now() - record.origin
        changed = inventory.changes(before, await inventory.take(endpoints, self._shoot))
        checks = await self._verify(endpoints, complete=reason is None)
        failed = [check for check in checks if check.status == "failed"]
        if reason is None and failed:
            reason = "; ".join(f"{check.id}: {check.evidence}" for check in failed)
        nodes = count_nodes(nodes_before, await endpoints.list_all(NODE))
        return Leg(record, nodes, changed, tuple(checks), reason, round(simulated, 3))

    async def _verify(self, endpoints: Endpoints, *, complete: bool) -> list[Check]:
        """Look at everything; what the operator does for that is no news of the migration."""
        self._display.say("Verifying ...")
        self._verifying = True
        try:
            traffic = traffic_since(await endpoints.control("/traffic"), self._origin)
            scene = Scene(endpoints, self._shoot, self._record, traffic, self._strategy())
            return await verify(scene, complete=complete)
        finally:
            self._verifying = False

    def _strategy(self) -> str:
        """The strategy that ran: an annotation of the Shoot or the facts may have decided for another one."""
        return self._record.strategy or self._options.strategy

    def _world_arguments(self) -> list[str]:
        options = self._options
        arguments = [str(options.path), "--speed", repr(options.speed), "--seed", str(options.seed)]
        if options.nodes is not None:
            arguments += ["--nodes", str(options.nodes)]
        if options.faults is not None:
            arguments += ["--faults", str(options.faults)]
        arguments += ["--profile", options.profile]
        for knob in options.knobs:
            arguments += ["--knob", knob]
        return arguments

    async def _run_operator(self, address: WorldAddress) -> None:
        """Keep the operator running and hear its events; start it again after each kill that was asked for."""
        arguments = operator_arguments(address, self._options.strategy, self._options.rollout)
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
            self._record.hear(event)
            self._display.event(event, self._record)
            if isinstance(event, StepStarted) and (step := self._step_here(event.step)) in self._kills_left:
                self._kills_left.remove(step)
                operator.kill()
                at = round(address.clock.now() - self._origin, 3)
                self._kills.append({"step": step, "at": at})
                self._display.say(f"Killed the operator at {event.step}; starting it again")
                return True
        return False

    def _step_here(self, step: str) -> str:
        """The step as `--kill-at` names it."""
        return f"{ON_THE_WAY_BACK}{step}" if self._record.direction is BACK else step

    async def _trigger(self, endpoints: Endpoints) -> None:
        """Write into the Shoot what its owner would."""
        direction = self._record.direction
        if direction is FORWARD:
            self._origin = (await endpoints.control("/trigger", "POST"))["at"]
        self._record.origin = self._origin if direction is FORWARD else endpoints.clock.now()
        edit = dict(direction.edit)
        if self._options.decoys and direction is FORWARD:
            edit["metadata"] = {"annotations": {DECOYS: "true"}}
        await endpoints.merge(SHOOT, self._shoot.name, edit, self._shoot.namespace)

    async def _watch_shoot(self, endpoints: Endpoints) -> None:
        while True:
            async for shoot in endpoints.watch(SHOOT, self._shoot.name, self._shoot.namespace):
                for change in self._record.see_shoot(shoot, endpoints.clock.now()):
                    self._display.constraint(change)

    async def _refresh(self, endpoints: Endpoints) -> None:
        while True:
            traffic = await endpoints.control("/traffic")
            now = endpoints.clock.now() - self._record.origin
            self._display.refresh(self._record, traffic, now, remaining(self._record, self._shoot, now))
            await asyncio.sleep(0.5)

    async def _until_done(self, endpoints: Endpoints) -> None:
        """Return when the Shoot has reached the end of the way and is at rest; Failed when it never will."""
        while True:
            await asyncio.sleep(0.25)
            shoot = await endpoints.get(SHOOT, self._shoot.name, self._shoot.namespace)
            operation = shoot["status"].get("lastOperation", {})
            if operation.get("state") == "Failed":
                raise Failed(f"the Shoot has failed: {operation.get('description', 'no description')}")
            if self._record.went_through() and self._at_rest(shoot):
                await self._last_words(endpoints)
                return
            hopeless = self._record.hopeless()
            if hopeless:
                raise Failed(f"the operator stopped, and planning again does not help: {hopeless}")
            now = endpoints.clock.now() - self._record.origin
            if self._options.rollout == "auto" and now - self._record.last_heard > _SILENCE:
                raise Failed(
                    f"nothing happened for {_SILENCE / 3600:.0f} simulated hours; the last news: {self._last()}"
                )

    def _at_rest(self, shoot: dict[str, Any]) -> bool:
        return (
            not migration_constraints(shoot)
            and shoot["status"]["lastOperation"]["state"] == "Succeeded"
            and shoot["status"].get("observedGeneration") == shoot["metadata"]["generation"]
        )

    async def _last_words(self, endpoints: Endpoints) -> None:
        """Give the operator ten simulated seconds to report what the Shoot shows already."""
        await endpoints.clock.sleep(10.0)
        self._record.close_phases()

    def _last(self) -> str:
        step = self._record.step
        return f"{step.name} {step.state} {step.detail}" if step else "none"

    async def _result(self, endpoints: Endpoints, legs: list[Leg], started: float) -> Result:
        there = legs[0]
        reason = next((leg.reason for leg in legs if leg.reason), None)
        assumptions = await endpoints.control("/assumptions")
        if len(legs) > 1 and self._profile.garden.mask_may_leave:
            assumptions.append(MASK_MAY_LEAVE)
        return Result(
            result="failed" if reason else "succeeded",
            reason=reason,
            shoot=ShootName(self._shoot.name, self._shoot.namespace, self._shoot.technical_id, self._shoot.cni),
            strategy=self._strategy(),
            profile=self._profile.name,
            assumptions=tuple(assumptions),
            time=Time(round(sum(leg.simulated for leg in legs), 3), round(time.monotonic() - started, 3)),
            phases=tuple(there.record.phases),
            constraints=tuple(there.record.constraints),
            notices=tuple(there.record.notices),
            nodes=there.nodes,
            changes=there.changed,
            traffic=traffic_since(await endpoints.control("/traffic"), self._origin),
            compute=await endpoints.control("/compute/statistics?caller=dualstack/"),
            checks=there.checks,
            kills=(*self._kills, *({"step": step, "at": None} for step in self._kills_left)),
            faults=faults_since(await endpoints.control("/faults"), self._origin),
            back=legs[1].way_back() if len(legs) > 1 else msgspec.UNSET,
        )


def _be_stopped_by(*numbers: signal.Signals) -> None:
    """Let the signals end the current task as Ctrl-C does, unless whoever started us wants them ignored (`nohup`)."""
    task = asyncio.current_task()
    for number in numbers:
        if task and signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
