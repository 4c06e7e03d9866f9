"""Shows in `lastOperation` of an Infrastructure how far its migration is, as its events say."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from dualstack.clock import Clock
from dualstack.model.events import AnyEvent, Listener, PhaseStarted, Progress, StepFailed, StepFinished, StepStarted

EVERY = 10.0
"""Seconds between two looks at the events, and so at least between two writes."""
_CUT_OVER = 80
"""The percentage at the end of the cut-over; the addresses come after it."""

Show = Callable[[str, int], Awaitable[None]]
"""Shows a text and a percentage. Must not raise."""


class MigrationProgress:
    """Passes events on, and keeps what the last ones say. Of one reconcile."""

    def __init__(self, emit: Listener, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._step = ""
        self._counts: Progress | None = None
        self._percent = 1

    def listen(self, event: AnyEvent) -> None:
        """A listener for all events of the reconcile."""
        match event:
            case StepStarted(step=step, detail=detail):
                self._step = f"{step} ({detail})" if detail else step
            case StepFailed(step=step, detail=detail):
                self._step = f"{step} failed: {detail}"
            case StepFinished(step=step):
                self._step = f"{step} done"
            case PhaseStarted(phase="ipv6"):
                self._counts, self._percent = None, _CUT_OVER
            case Progress():
                self._counts = event
                self._percent = max(self._percent, _percent(event))
            case _:
                pass
        self._emit(event)

    def text(self) -> str:
        """For example `add-aliases (a, b and 3 more); aliases 37 of 120 nodes; 83 routes left; 14 min left`."""
        parts = [self._step] if self._step else []
        if (counts := self._counts) is not None:
            parts += [f"aliases {counts.nodes_with_alias} of {counts.nodes} nodes", f"{counts.routes_left} routes left"]
            if counts.eta is not None:
                minutes = math.ceil(max(0.0, counts.at + counts.eta - self._clock.now()) / 60)
                parts += [f"{minutes} min left"]
        return "; ".join(parts)

    @asynccontextmanager
    async def shown(self, show: Show) -> AsyncIterator[None]:
        """Show the text while the block runs, whenever it has changed."""
        task = asyncio.create_task(self._show(show))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _show(self, show: Show) -> None:
        shown = ""
        while True:
            await self._clock.sleep(EVERY)
            text = self.text()
            if text != shown:
                shown = text
                await show(text, self._percent)


def _percent(counts: Progress) -> int:
    """Half of the cut-over for the aliases, half for the routes."""
    nodes = max(counts.nodes, 1)
    done = counts.nodes_with_alias + max(0, nodes - counts.routes_left)
    return max(1, _CUT_OVER * done // (2 * nodes))
