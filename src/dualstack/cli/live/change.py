"""Runs one change of a live cluster: alone, with progress on standard error, and stoppable between two steps."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import click
import msgspec

from dualstack.cli.live.connect import Connected
from dualstack.cli.live.measured import GateWatch
from dualstack.cli.node_history import History, NodeWay
from dualstack.cli.words import announced, duration, tell
from dualstack.clock import Clock
from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.interface import DirectionChanged
from dualstack.live.advice import next_steps
from dualstack.live.platform import LivePlatform
from dualstack.live.record import Record
from dualstack.live.route_controller import RouteController
from dualstack.live.state import NodePath, node_paths, standing
from dualstack.live.work_report import WorkReport
from dualstack.model import events
from dualstack.model.errors import Interrupted, InvalidInput
from dualstack.model.events import AnyEvent, OutageExpected, OutageMeasured, StepFailed, StepFinished, StepStarted
from dualstack.model.kinds import Manifest
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.traffic.coordinator import Traffic, TrafficSettings


class StepTime(msgspec.Struct, frozen=True, kw_only=True):
    """A step that has ended. at: its start, in seconds since the start of the command."""

    step: str
    at: float
    seconds: float


WAYS: Mapping[NodePath, NodeWay] = {
    "route": "route",
    "route and alias": "overlap",
    "alias": "alias",
    "none": "none",
    "no pod CIDR": "none",
}


@dataclass
class Progress:
    """Prints one line for each event, unless quiet, and keeps what a result states.

    clock: the time of what is seen; None for a command that does not show it.
    """

    origin: float
    quiet: bool = False
    step: str = ""
    clock: Clock | None = None
    finished: list[StepTime] = field(default_factory=list)
    said: str = ""
    """The expected outage as last said, which is not repeated for each node that joins."""
    history: History = field(default_factory=History)
    dual_stack: frozenset[str] = frozenset()
    """The nodes with a pod CIDR of each family, as last seen."""
    _started: float = 0.0
    outage: float = 0.0
    report: WorkReport = field(default_factory=WorkReport)
    """What `dualstack status` shows of this process."""

    def begin(self, now: float) -> None:
        """Count from now on: the answer to a question took part of the time before."""
        if not self.finished:
            self.origin, self.history = now, History()

    def say(self, sentence: str, before: str = "") -> None:
        """Print a sentence on standard error, as `tell` does."""
        if not self.quiet:
            tell(sentence, before)

    def event(self, event: AnyEvent) -> None:
        """Take an event of the run."""
        at = f"{duration(event.at - self.origin):>14}  "
        match event:
            case StepStarted(step=step, detail=detail):
                self.step, self._started = step, event.at
                self.report = WorkReport(
                    step=step, since=event.at, end=self.report.end, awaits=detail if self.waiting else ""
                )
                self.say(f"{step}{f': {detail}' if detail else ''}", at)
            case StepFailed(step=step, detail=detail):
                self.say(f"{step} FAILED: {detail}", at)
            case events.Progress(eta=float(left)):
                self.report = msgspec.structs.replace(self.report, end=event.at + left)
            case OutageExpected(detail=detail) if detail == self.said:
                pass
            case _:
                if (sentence := announced(event)) is not None:
                    self.said = sentence if isinstance(event, OutageExpected) else self.said
                    self.say(sentence, at)
        if isinstance(event, StepFinished):
            begun, lasted = self._started - self.origin, event.at - self._started
            self.finished.append(StepTime(step=event.step, at=round(begun, 1), seconds=round(lasted, 1)))
        if isinstance(event, OutageMeasured):
            self.outage = max(self.outage, event.seconds)

    def wait(self, step: str, since: float, awaits: str) -> None:
        """Take a wait that is no step of the order."""
        self.step, self.report = step, WorkReport(step=step, since=since, awaits=awaits)

    def seen_nodes(self, nodes: Iterable[Manifest]) -> None:
        """Take the Nodes of the observation that follows."""
        self.dual_stack = frozenset(
            node["metadata"]["name"] for node in nodes if len(node["spec"].get("podCIDRs") or ()) > 1
        )

    def seen(self, facts: CutoverFacts) -> None:
        """Take an observation."""
        if self.clock is None:
            return
        ways = {name: WAYS[path] for name, path in node_paths(facts).items()}
        dual: dict[str, NodeWay] = {
            name: "dual" for name, way in ways.items() if way == "alias" and name in self.dual_stack
        }
        self.history.see({**ways, **dual}, self.clock.now() - self.origin)

    @property
    def waiting(self) -> bool:
        """Whether the present step changes nothing."""
        return self.step.startswith(("barrier-", "gate-", "await-", "watch"))


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
            platform=LivePlatform(connected.kube, self.record, self.controller, self.progress.seen_nodes),
            decoys=decoys,
            clock=connected.clock,
            emit=self.progress.event,
            settings=self.settings,
            watch=self._watch[0] if self._watch else None,
            seen=self.progress.seen,
        )

    def next_steps(self, facts: CutoverFacts, *, stopped: bool = False, triggered: bool = False) -> tuple[str, ...]:
        """What to do next, from the last observation, one sentence each. triggered: the Shoot was just edited."""
        return next_steps(
            self.cluster.identity,
            standing(facts),
            stopped=stopped,
            subnet_dual_stack=triggered or facts.subnet.stack_type == "IPV4_IPV6",
            nodes=len(facts.pod_cidr_of),
            dual_stack=len(self.progress.dual_stack & facts.pod_cidr_of.keys()),
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
        self.progress.begin(self.cluster.clock.now())

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
                        f"interrupted at {step}; the cluster is at rest; run the same command again to resume"
                    ) from error

        self.cluster.holder.report = lambda: msgspec.json.encode(self.progress.report).decode()
        await self.cluster.holder.alone(stoppable, self.progress.say)

    def _stop(self, stop: asyncio.Event, task: asyncio.Future[None]) -> None:
        if sys.stderr.isatty():
            click.echo(err=True)  # the terminal has shown ^C
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
        raise InvalidInput("standard input is not a terminal, so the change cannot be confirmed; pass --yes")
    with interruptible():
        click.confirm(question, err=True, abort=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the question at once. The event loop's handler only cancels a task, which waits for the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
