"""The two processes of a rehearsal: the simulated world, and the operator that knows nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dualstack.cli.rehearsal.endpoints import WorldAddress
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent, decode

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_NOTICE_SECONDS = 1.0


PROBER_IMAGE = "dualstack:rehearsed"
"""Nobody pulls it: the simulated world plays these pods."""


class ProcessEnded(DualstackError):
    """A process of the rehearsal ended although it was still needed; the message has the end of its log."""


@dataclass(slots=True)
class Child:
    """A process of ours with its log in a file."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def start(cls, name: str, arguments: list[str], log: Path) -> Child:
        """Start `dualstack ARGUMENTS`, to end with this process at the latest.

        Standard output is a pipe, standard error is appended to `log`.
        """
        with log.open("ab") as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dualstack",
                *arguments,
                "--lifeline",
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
        """SIGKILL, as a crash would be: no handler runs, nothing is flushed."""
        if self.process.returncode is None:
            self.process.kill()

    def terminate(self) -> None:
        """SIGTERM: it puts away what is its own and ends."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def has_ended(self) -> bool:
        """Whether it is gone, given a moment to be seen so: its closed ports are noticed sooner than its end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _NOTICE_SECONDS)
        return self.process.returncode is not None

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if it takes longer than ten seconds of wall time."""
        if self.process.returncode is None:
            self.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
        await self.process.wait()

    def ended(self) -> ProcessEnded:
        """The error that says how it ended."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return ProcessEnded(f"the {self.name} ended with status {self.process.returncode}:\n{tail}")


async def start_world(arguments: list[str], log: Path) -> tuple[Child, WorldAddress]:
    """Start `dualstack sim serve` and wait until it says where it listens."""
    world = await Child.start("simulated world", ["sim", "serve", *arguments], log)
    try:
        line = await asyncio.wait_for(anext(world.lines(), b""), _START_SECONDS)
    except BaseException:
        await world.stop()
        raise
    if not line:
        await world.process.wait()
        raise world.ended()
    return world, WorldAddress.parse(line)


def operator_arguments(address: WorldAddress, strategy: str, rollout: str) -> list[str]:
    """The command line of the operator: two endpoints, what the user chose, and the clock. Nothing of the simulator."""
    return [
        "operator",
        "--kubeconfig",
        str(address.kubeconfig),
        "--compute-endpoint",
        address.compute,
        "--strategy",
        strategy,
        "--rollout",
        rollout,
        "--prober-image",
        PROBER_IMAGE,
        "--events",
        "-",
        "--clock-origin",
        repr(address.clock.origin),
        "--clock-speed",
        repr(address.clock.speed),
    ]


async def events(child: Child) -> AsyncIterator[AnyEvent]:
    """The events that the operator prints; lines that are none are left out."""
    async for line in child.lines():
        try:
            yield decode(line)
        except msgspec.DecodeError:
            continue
