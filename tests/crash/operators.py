"""Operators as real processes, started and killed with SIGKILL by the spawner."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from dualstack.clock import ScaledClock
from tests.support.loopback import kubeconfig


class Spawner:
    """The process that forks operators (`tests.crash.spawner`). One call at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls) -> Spawner:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.spawner"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()  # printed when the imports are done
        return cls(process)

    async def close(self) -> None:
        """Kill the operators and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, arguments: list[str], log: Path) -> int:
        """The process ID of a new operator."""
        return await self._ask({"start": arguments, "log": str(log)})

    async def kill(self, pid: int) -> None:
        """SIGKILL; returns when the process is gone. Raises AssertionError if it had ended by itself."""
        status = await self._ask({"kill": pid})
        assert status == signal.SIGKILL, f"the operator had ended by itself with wait status {status}"

    async def poll(self, pid: int) -> int | None:
        """The exit status, None while it runs. Not to be called again afterwards."""
        status = await self._ask({"poll": pid})
        return None if status == -1 else status

    async def _ask(self, command: dict[str, object]) -> int:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        async with self._turn:
            stdin.write(json.dumps(command).encode() + b"\n")
            return int(await stdout.readline())


class Operator:
    """The operator of one world, which may be killed and started again. Its files are in `folder`."""

    def __init__(
        self,
        spawner: Spawner,
        clock: ScaledClock,
        folder: Path,
        *,
        kubernetes: str,
        garden: str | None = None,
        compute: str,
        strategy: str,
        rollout: str = "manual",
    ) -> None:
        self.folder = folder
        self.log = folder / "operator.log"
        self._spawner = spawner
        self._arguments = [
            "operator",
            *("--kubeconfig", str(kubeconfig(folder, kubernetes))),
            *(("--garden-kubeconfig", str(kubeconfig(folder, garden, "garden-kubeconfig"))) if garden else ()),
            *("--landscape", "standalone"),
            *("--compute-endpoint", compute),
            *("--strategy", strategy),
            *("--rollout", rollout),
            *("--prober-image", "prober"),
            *(f"--{name}={value}" for name, value in clock.options().items()),
        ]
        self._pid = 0
        self._restarts: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start it with the world's clock."""
        self._pid = await self._spawner.start(self._arguments, self.log)

    async def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed. It is started again right after."""
        await self._kill()
        self._restarts.append(asyncio.create_task(self.start()))

    async def close(self) -> None:
        """Kill it without a restart."""
        await asyncio.gather(*self._restarts)
        await self._kill()

    async def _kill(self) -> None:
        pid, self._pid = self._pid, 0
        if pid:
            await self._spawner.kill(pid)
