"""The two processes of a rehearsal: the simulated world, and the operator, which does not know that it is simulated."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dualstack.cli.live.outcome import Outcome
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.clock import Pauses
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import AnyEvent, decode

_START_SECONDS, _NODE_SECONDS = 120.0, 5.0
"""Wall seconds in which a world must come to rest, also on a real API server: for any, and for each node."""
_STOP_SECONDS = 10.0
_EXIT_SECONDS = 1.0

PREFIX, INVALID = "dualstack: ", 2
"""How the command prints an error, and its exit status for input that it refuses."""

PROBER_IMAGE = "dualstack:rehearsed"
"""Never pulled: the simulated world plays these pods."""


class ProcessEnded(DualstackError):
    """A process of the rehearsal ended too early; the message has the end of its log."""


@dataclass(slots=True)
class Child:
    """A child process with its log in a file."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def start(cls, name: str, arguments: list[str], log: Path) -> Child:
        """Start `dualstack ARGUMENTS`; it ends with this process at the latest.

        Standard output is a pipe, standard error is appended to `log`.
        """
        with log.open("ab") as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dualstack",
                *arguments,
                "--end-with-stdin",
                stdin=asyncio.subprocess.PIPE,  # never written: it closes with this process
                stdout=asyncio.subprocess.PIPE,
                stderr=stream,
                limit=1 << 20,
                start_new_session=True,
            )
        return cls(name, process, log)

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of its standard output until it closes."""
        if self.process.stdout is None:
            return
        async for line in self.process.stdout:
            yield line

    def kill(self) -> None:
        """Send SIGKILL. As in a crash, no handler runs and nothing is flushed."""
        if self.process.returncode is None:
            self.process.kill()

    def terminate(self) -> None:
        """Send SIGTERM. The process cleans up and ends."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def has_ended(self) -> bool:
        """Whether it has ended. Waits a moment, because its ports close before its exit status is known."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _EXIT_SECONDS)
        return self.process.returncode is not None

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after ten seconds of wall time."""
        if self.process.returncode is None:
            self.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
        await self.process.wait()

    def ended(self) -> ProcessEnded:
        """The error with its exit status and the end of its log."""
        tail = "\n".join(self._log_lines()[-15:]) or "its log is empty"
        return ProcessEnded(f"the {self.name} ended with status {self.process.returncode}:\n{tail}")

    def refusals(self) -> list[str]:
        """What it printed for its user, one fault a line."""
        return [line.removeprefix(PREFIX) for line in self._log_lines() if line.startswith(PREFIX)]

    def _log_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()


async def start_world(arguments: list[str], log: Path, nodes: int = 0) -> tuple[Child, WorldAddress]:
    """Start `dualstack sim serve` for a cluster of `nodes` nodes and wait until it prints its endpoints.

    InvalidInput if it refuses the cluster.
    """
    pauses = Pauses(log.with_suffix(".clock"))
    world = await Child.start("simulated world", ["sim", "serve", *arguments, f"--clock-pauses={pauses.path}"], log)
    timeout = _START_SECONDS + _NODE_SECONDS * nodes
    try:
        line = await asyncio.wait_for(anext(world.lines(), b""), timeout)
    except TimeoutError:
        await world.stop()
        raise ProcessEnded(f"the simulated world has not come to rest within {timeout:.0f} s") from None
    except BaseException:
        await world.stop()
        raise
    if not line:
        await world.process.wait()
        if world.process.returncode == INVALID:
            raise InvalidInput(*world.refusals())
        raise world.ended()
    return world, WorldAddress.parse(line, pauses)


def operator_arguments(
    address: WorldAddress, landscape: str, strategy: str, rollout: str, controllers: Sequence[str]
) -> list[str]:
    """The operator's command line: two endpoints, the user's choices and the clock, nothing about the simulator."""
    options = {
        "kubeconfig": address.seed_kubeconfig,
        "garden-kubeconfig": address.garden_kubeconfig,
        "compute-endpoint": address.compute,
        "landscape": landscape,
        "controllers": ",".join(controllers),
        "strategy": strategy,
        "rollout": rollout,
        "prober-image": PROBER_IMAGE,
        "events": "-",
        **address.clock.options(),
    }
    return ["operator", *(f"--{name}={value}" for name, value in options.items())]


async def run_command(name: str, arguments: list[str], address: WorldAddress, log: Path) -> Outcome:
    """Run `dualstack NAME`, a command for a live cluster, to its end. ProcessEnded if it fails."""
    options = {
        "kubeconfig": address.kubeconfig,
        "compute-endpoint": address.compute,
        "output": "json",
        **address.clock.options(),
    }
    words = [name, *arguments, "--yes", *(f"--{option}={value}" for option, value in options.items())]
    child = await Child.start(f"command `dualstack {name}`", words, log)
    try:
        printed = b"".join([line async for line in child.lines()])
        if await child.process.wait():
            raise child.ended()
        return msgspec.json.decode(printed, type=Outcome)
    finally:
        await child.stop()


async def events(child: Child) -> AsyncIterator[AnyEvent]:
    """The events that the operator prints; other lines are skipped."""
    async for line in child.lines():
        try:
            yield decode(line)
        except msgspec.DecodeError:
            continue


async def first_of(*awaitables: Any) -> None:
    """Wait until the first of the awaitables ends and raise its error, if any; cancel the tasks started here."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    ours = [task for task, awaitable in zip(tasks, awaitables, strict=True) if task is not awaitable]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(*coroutines: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the coroutines as tasks until the block is left."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
