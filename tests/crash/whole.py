"""One trial of the whole migration: Shoot to DNS, with all actors, killed at one call, restarted and judged.

The world is that of a rehearsal, in a process of its own, and so are the checks at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from dualstack.cli.rehearsal.checks import FinishedRun, verify
from dualstack.cli.rehearsal.processes import running, start_world
from dualstack.cli.rehearsal.record import FORWARD, Record, at_rest, migration_constraints
from dualstack.cli.rehearsal.result import traffic_since
from dualstack.cli.rehearsal.world import World, open_world
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.connection import find_connection
from tests.crash.operators import Operator, Spawner
from tests.crash.proxy import open_proxy
from tests.crash.trial import RunOptions, Verdict, judged
from tests.crash.tripwire import Point, Tripwire

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"

TIMEOUT = 24 * 3600.0
"""Simulated seconds after which a migration counts as stuck."""

INTERVAL = 60.0
"""Simulated seconds between two reads of the Shoot."""


async def whole_trial(spawner: Spawner, point: Point | None, options: RunOptions) -> Verdict:
    """Run one migration; with `point` the operator is killed there once."""
    wire = Tripwire(point)
    folder = Path(tempfile.mkdtemp(prefix="dualstack-crash-"))
    shoot = ShootView.of(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(_world(folder, options.speed, shoot))
        clock = world.clock
        seed = find_connection(world.address.seed_kubeconfig).cluster.server
        kubernetes = await open_proxy(seed, wire.install, stack)
        garden = await open_proxy(world.address.garden(), wire.install, stack)
        compute = await open_proxy(world.address.compute, wire.install, stack)
        operator = Operator(
            spawner,
            clock,
            folder,
            kubernetes=kubernetes,
            garden=garden,
            compute=compute,
            strategy=options.strategy,
            rollout="auto",
        )
        wire.kill = operator.kill
        await operator.start()
        try:
            record = Record()
            record.origin = (await world.control("/trigger", "POST"))["at"]
            edit = {**FORWARD.edit, "metadata": {"annotations": options.annotations}}
            await world.edit_shoot(edit)
            outcome = await _ended(world, record)
            seconds = clock.now() - record.origin
            traffic = traffic_since(await world.control("/traffic"), record.origin)
            if outcome == "ok":
                outcome = await _checked(FinishedRun(world, record, traffic, options.strategy, undisturbed=False))
        finally:
            await operator.close()
        return judged(wire, operator, outcome, traffic["blackoutSeconds"]["max"], seconds)


@asynccontextmanager
async def _world(folder: Path, speed: float, shoot: ShootView) -> AsyncIterator[World]:
    server, address = await start_world([str(EXAMPLE), "--speed", repr(speed), "--seed", "1"], folder / "world.log")
    try:
        async with open_world(address, shoot) as world:
            yield world
    finally:
        await server.stop()


async def _ended(world: World, record: Record) -> str:
    """`ok` when the Shoot's migration has succeeded, else its last state."""
    clock = world.clock
    async with running(_watch(world, record)):
        while True:
            await clock.sleep(INTERVAL)
            found = await world.read_shoot()
            if record.completed() and at_rest(found):
                return "ok"
            operation = found["status"].get("lastOperation") or {}
            if operation.get("state") == "Failed" or clock.now() > record.origin + TIMEOUT:
                return f"stuck: {operation}; {migration_constraints(found)}"


async def _watch(world: World, record: Record) -> None:
    while True:
        async for found in world.watch_shoot():
            record.see_shoot(found, world.clock.now())


async def _checked(run: FinishedRun) -> str:
    """`ok` when every check of a rehearsal passes, else those that do not."""
    failed = [check for check in await verify(run, complete=True) if check.status == "failed"]
    return f"wrong end: {'; '.join(f'{check.id}: {check.evidence}' for check in failed)}" if failed else "ok"
