"""Rehearses `prepare` and `finish` on the world of a snapshot: the real commands, as processes of their own.

Between them, the part of Gardener or of a person is played: the route controller is stopped by its flags, and in a
shoot every route is deleted at once, as Gardener does.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dualstack.cli.live.outcome import Outcome
from dualstack.cli.live.result import print_result
from dualstack.cli.live.snapshot import describe
from dualstack.cli.rehearsal.checks import LONGEST_WAIT
from dualstack.cli.rehearsal.endings import with_ending
from dualstack.cli.rehearsal.pace import choose_speed
from dualstack.cli.rehearsal.processes import PROBER_IMAGE, ProcessEnded, run_command, start_world
from dualstack.cli.rehearsal.result import bounded, traffic_since
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.cli.words import bullets, duration, tell, wrapped
from dualstack.gce import ComputeClient
from dualstack.gce.gather import gather_all
from dualstack.kube.apply import edit
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import DAEMON_SET, Manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, KUBE_SYSTEM, ROUTE_DESCRIPTION
from dualstack.model.workloads import with_flags

ROUTES_OFF = {"configure-cloud-routes": "false", "allocate-node-cidrs": "true"}
"""The flags that stop the route controller and keep cloud-controller-manager working."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The arguments of the command that concern a snapshot."""

    snapshot: Path
    speed: float
    seed: int
    faults: Path | None
    profile: str
    knobs: tuple[str, ...]
    output: str
    quiet: bool

    def say(self, sentence: str) -> None:
        """Show progress."""
        if not self.quiet:
            tell(sentence)


class LiveResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The result. Times are simulated seconds.

    rests_on: the inferred facts that the run used. left_out: what of the snapshot is not simulated.
    """

    schema: str
    result: str
    reason: str = ""
    prepare: Outcome | None = None
    finish: Outcome | None = None
    traffic: dict[str, Any] = {}
    simulated_seconds: float = 0.0
    wall_seconds: float = 0.0
    rests_on: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def describe(self) -> str:
        """As text; the verdict comes last."""
        lines = ["What this rests on", *bullets(self.rests_on)] if self.rests_on else []
        lines += ["Not simulated", *bullets(self.left_out)] if self.left_out else []
        ran = (outcome for outcome in (self.prepare, self.finish) if outcome is not None)
        for each in ran:
            lines += wrapped(f"{each.command}: {each.standing}; {each.figures()}", further="  ")
        name = f"{self.prepare.cluster.name} ({self.prepare.cluster.platform})" if self.prepare else "snapshot"
        for line in f"{name}: {self.result}{f': {self.reason}' if self.reason else ''}".splitlines():
            lines += wrapped(line, further="  ")
        if self.traffic:
            lost = self.traffic["blackoutSeconds"]["max"]
            lines.append(f"  connectivity   {self.traffic['pairs']} pod pairs; longest interruption {lost:.1f} s")
        took = f"{duration(self.simulated_seconds)} simulated, {self.wall_seconds:.0f} s of wall time"
        return "\n".join([*lines, f"  time           {took}"])


def run_live(options: LiveOptions) -> int:
    """Rehearse and print the result. Returns 0 if no packet was lost and the cut-over is finished, else 1; ends as
    `with_ending` does. InvalidInput before anything starts for a snapshot that cannot be simulated."""
    return with_ending(options.output, lambda: _run_live(options))


def _run_live(options: LiveOptions) -> int:
    describe(options.snapshot)
    folder = Path(tempfile.mkdtemp(prefix="dualstack-rehearsal-"))
    result: LiveResult | None = None
    try:
        result = asyncio.run(_run(options, folder))
    finally:
        if result is not None and result.result == "succeeded":
            shutil.rmtree(folder, ignore_errors=True)
        else:
            tell(f"The logs are in {folder}")
    print_result(result, result.describe(), options.output)
    return 0 if result.result == "succeeded" else 1


async def _run(options: LiveOptions, folder: Path) -> LiveResult:
    started = time.monotonic()
    arguments = [f"--snapshot={options.snapshot}", f"--speed={options.speed}", f"--seed={options.seed}"]
    arguments += [f"--profile={options.profile}", *(f"--knob={knob}" for knob in options.knobs)]
    arguments += [f"--faults={options.faults}"] if options.faults else []
    options.say("Building the cluster of the snapshot in the simulated cloud ...")
    server, address = await start_world(arguments, folder / "world.log")
    try:
        address, _ = await choose_speed(address, options.speed)
        async with aiohttp.ClientSession() as session:
            return await _rehearse(options, address, session, folder, started)
    finally:
        await server.stop()


async def _rehearse(
    options: LiveOptions, address: WorldAddress, session: aiohttp.ClientSession, folder: Path, started: float
) -> LiveResult:
    origin = address.clock.now()
    await _control(session, address, "POST", "/trigger")
    outcomes: dict[str, Outcome] = {}
    reason = ""
    try:
        for name, arguments in (("prepare", [f"--prober-image={PROBER_IMAGE}"]), ("finish", [])):
            options.say(f"dualstack {name} ...")
            outcomes[name] = await run_command(name, arguments, address, folder / f"{name}.log")
            if name == "prepare":
                options.say("stopping the route controller, as its manager would ...")
                await _stop_routes(address, outcomes[name])
    except (ProcessEnded, DualstackError) as error:
        reason = str(error)
    traffic = await _control(session, address, "GET", "/traffic")
    account = bounded(traffic_since(traffic, origin))
    reason = reason or _loss(account)
    return LiveResult(
        schema="dualstack.live-rehearsal/v2",
        result="failed" if reason else "succeeded",
        reason=reason,
        prepare=outcomes.get("prepare"),
        finish=outcomes.get("finish"),
        traffic=account,
        simulated_seconds=round(address.clock.now() - origin, 1),
        wall_seconds=round(time.monotonic() - started, 1),
        rests_on=tuple(await _control(session, address, "GET", "/assumptions")),
        left_out=address.left_out,
    )


def _loss(account: dict[str, Any]) -> str:
    """What was lost, as a clause; empty for nothing."""
    lost, waited = account["blackoutSeconds"]["max"], account["waitedSeconds"]
    if lost:
        return f"pod pairs lost connectivity, for at most {lost:.1f} s"
    if account["current"]:
        return f"{account['current']} pod pairs have no connectivity at the end"
    return f"a node that joined was unreachable for {waited:.0f} s" if waited > LONGEST_WAIT else ""


async def _stop_routes(address: WorldAddress, prepared: Outcome) -> None:
    """What Gardener or a person does between the two commands."""
    kube = LightkubeKube.connect(find_connection(address.kubeconfig))
    compute = ComputeClient(prepared.cluster.project, address.clock, endpoint=address.compute)
    try:
        live = await kube.get(DAEMON_SET, CLOUD_CONTROLLER_MANAGER, KUBE_SYSTEM)
        if live is not None:
            await edit(kube, DAEMON_SET, live, _without_routes)
        if prepared.cluster.platform == "gardener":
            await address.clock.sleep(60.0)  # until no pod with the former flags runs
            routes = await compute.list("global/routes")
            ours = [route["name"] for route in routes if route.get("description") == ROUTE_DESCRIPTION]
            await gather_all(*(compute.delete(f"global/routes/{name}") for name in ours))
    finally:
        await compute.close()
        await kube.close()


def _without_routes(daemon_set: Manifest) -> Manifest:
    return with_flags(daemon_set, CLOUD_CONTROLLER_MANAGER, "configure-cloud-routes", ROUTES_OFF)


async def _control(session: aiohttp.ClientSession, address: WorldAddress, method: str, path: str) -> Any:
    async with session.request(method, address.control.rstrip("/") + path) as response:
        return msgspec.json.decode(await response.read())
