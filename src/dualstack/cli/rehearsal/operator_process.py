"""The operator of a rehearsal: one process, killed at the requested steps and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dualstack.cli.rehearsal.processes import Child, events
from dualstack.model.events import AnyEvent, OperatorReady


class OperatorProcess:
    """Keeps the operator running until it is cancelled."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        kill_at: Sequence[str],
        hear: Callable[[AnyEvent], str | None],
        say: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        """`hear` gets each event and returns the step that it starts, as `kill_at` names it; `now` is in seconds."""
        self._arguments = list(arguments)
        self._log = log
        self._kills_left = list(kill_at)
        self._hear = hear
        self._say = say
        self._now = now
        self._kills: list[dict[str, Any]] = []
        self.ready = asyncio.Event()
        self.child: Child | None = None

    @property
    def kills(self) -> tuple[dict[str, Any], ...]:
        """Each kill: `step`, and `at`, the seconds of the run, which is null for a step that never started."""
        return (*self._kills, *({"step": step, "at": None} for step in self._kills_left))

    async def run(self) -> None:
        """Start it, and again after each kill. Raises DualstackError when it ends by itself.

        Without arguments there is no operator.
        """
        if not self._arguments:
            self.ready.set()
            await asyncio.Event().wait()
        while True:
            self.child = await Child.start("operator", self._arguments, self._log)
            killed = await self._follow(self.child)
            await self.child.process.wait()
            if not killed:
                raise self.child.ended()

    async def _follow(self, child: Child) -> bool:
        """Whether the process was killed here."""
        async for event in events(child):
            if isinstance(event, OperatorReady):
                self.ready.set()
            elif (step := self._hear(event)) in self._kills_left:
                self._kills_left.remove(step)
                child.kill()
                self._kills.append({"step": step, "at": round(self._now(), 3)})
                self._say(f"Killed the operator at {step}; restarting it")
                return True
        return False
