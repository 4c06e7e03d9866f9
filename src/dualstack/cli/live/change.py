"""Runs one change of a live cluster: alone, with progress on standard error, and stoppable between two steps."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import click
import msgspec

from dualstack.cli.live.connect import Connected
from dualstack.cli.live.measured import GateWatch
from dualstack.cli.words import announced, duration
from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.interface import DirectionChanged
from dualstack.live.platform import LivePlatform
from dualstack.live.record import Record
from dualstack.live.route_controller import RouteController
from dualstack.live.work_report import WorkReport
from dualstack.model import events
from dualstack.model.errors import Interrupted, InvalidInput
from dualstack.model.events import AnyEvent, OutageMeasured, StepFailed, StepFinished, StepStarted
from dualstack.plan.settings import Settings
from dualstack.traffic.coordinator import Traffic, TrafficSettings


@dataclass
class Progress:
    """Prints one line for each event, unless quiet, and keeps what a result states."""

    origin: float
    quiet: bool = False
    step: str = ""
    finished: list[str] = field(default_factory=list)
    outage: float = 0.0
    report: WorkReport = field(default_factory=WorkReport)
    """What `dualstack status` shows of this process."""

    def say(self, sentence: str) -> None:
        """Print a sentence on standard error."""
        if not self.quiet:
            click.echo(sentence, err=True)

    def event(self, event: AnyEvent) -> None:
        """Take an event of the run."""
        at = f"{duration(event.at - self.origin):>14}  "
        match event:
            case StepStarted(step=step, detail=detail):
                self.step = step
                self.report = WorkReport(
                    step=step, since=event.at, end=self.report.end, awaits=detail if self.waiting else ""
                )
                self.say(f"{at}{step}{f': {detail}' if detail else ''}")
            case StepFailed(step=step, detail=detail):
                self.say(f"{at}{step} FAILED: {detail}")
            case events.Progress(eta=float(left)):
                self.report = msgspec.structs.replace(self.report, end=event.at + left)
            case _:
                if (sentence := announced(event)) is not None:
                    self.say(f"{at}{sentence}")
        if isinstance(event, StepFinished):
            self.finished.append(event.step)
        if isinstance(event, OutageMeasured):
            self.outage = max(self.outage, event.seconds)

    @property
    def waiting(self) -> bool:
        """Whether the present step changes nothing."""
        return self.step.startswith(("barrier-", "gate-"))


@dataclass(frozen=True)
class Change:
    """What a command needs to change a cluster."""

    cluster: Connected
    progress: Progress
    controller: RouteController | None = None
    prober_image: str = ""
    settings: Settings = field(default_factory=Settings)
    traffic: TrafficSettings | None = None
    _watch: list[GateWatch] = field(default_factory=list)

    @property
    def record(self) -> Record:
        return Record(self.cluster.kube, self.cluster.holder.confirm)

    def cut_over(self) -> CutOver:
        """The cut-over of the cluster. Without a controller, routes and their controller stay."""
        connected = self.cluster
        wanted = bool(self.prober_image)
        decoys = Decoys(
            connected.compute,
            connected.kube,
            connected.clock,
            self.progress.event,
            connected.identity.cluster,
            wanted=wanted,
            image=self.prober_image,
        )
        return CutOver(
            compute=connected.compute,
            cluster=connected.identity.cluster,
            platform=LivePlatform(connected.kube, self.record, self.controller),
            decoys=decoys,
            clock=connected.clock,
            emit=self.progress.event,
            settings=self.settings,
            watch=self._watch[0] if self._watch else None,
        )

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measure traffic meanwhile, if that is requested; gates then fail when it is interrupted."""
        if self.traffic is None:
            yield
            return
        self.progress.say("Starting the probers of --traffic.")
        async with Traffic(self.cluster.kube, self.cluster.clock, self.traffic) as traffic:
            self._watch.append(GateWatch(traffic))
            try:
                yield
            finally:
                self._watch.clear()
            longest = (await traffic.report()).longest
            self.progress.say(f"Measured traffic: {longest or 'no interruption'}.")

    async def run(self, work: Callable[[Callable[[], Awaitable[str | None]]], Awaitable[None]]) -> None:
        """Hold the Lease and do `work`, which gets what tells it to stop. Interrupted after Ctrl-C or SIGTERM."""
        stop = asyncio.Event()

        async def requested() -> str | None:
            return "the command was interrupted" if stop.is_set() else None

        async def stoppable() -> None:
            task = asyncio.ensure_future(work(requested))
            with _signals(lambda: self._stop(stop, task)):
                try:
                    await task
                except (DirectionChanged, asyncio.CancelledError) as error:
                    if not stop.is_set():
                        raise
                    step = self.progress.step or "the start"
                    await self.cut_over().interrupted()
                    raise Interrupted(
                        f"interrupted at {step}; the cluster is at rest; run the same command again to go on"
                    ) from error

        self.cluster.holder.report = lambda: msgspec.json.encode(self.progress.report).decode()
        await self.cluster.holder.alone(stoppable, self.progress.say)

    def _stop(self, stop: asyncio.Event, task: asyncio.Future[None]) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        if self.progress.waiting or not self.progress.step:
            task.cancel()
        else:
            self.progress.say(f"Stopping after {self.progress.step}. Ctrl-C again ends the command at once.")


@contextmanager
def _signals(handler: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def confirm(question: str, *, yes: bool) -> None:
    """Ask once, on standard error. InvalidInput when the answer cannot be read; click.Abort for no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("standard input is no terminal, so nothing can be confirmed; pass --yes")
    click.confirm(question, err=True, abort=True)
