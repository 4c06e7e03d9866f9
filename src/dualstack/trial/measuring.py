"""Orders the flows between the VMs, and collects what they report (docs/evidence.md#agent)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dualstack.clock import Clock
from dualstack.gce.errors import ComputeRefusal, NotFound
from dualstack.trial.agent.protocol import SERIAL_PORT, Flow, Orders, Report, parse_serial
from dualstack.trial.compute import TrialCompute
from dualstack.trial.document import Packets
from dualstack.trial.site import VMS, Site, Vm

PORT = 7946
EVERY = 2.0
"""Seconds between two reads of a serial port."""
SILENT = 150.0
"""Seconds without a report after which a VM counts as silent."""
GONE = 3
"""Reads in a row that do not find a VM, after which it counts as gone: one may be old."""
BOOT = 240.0
"""Seconds that the VMs get to start."""
SPARES = {"lag": "10.96.32.7", "double": "10.96.48.7", "way": "10.96.64.7"}
"""Addresses of VM a outside of the pod CIDR: for propagation times, and for an alias beside a route elsewhere."""
UNUSED = "10.96.15.7"
"""An address of VM b in the pod CIDR, to which no route and no alias leads."""


def orders_of(letter: str, numbers: dict[str, int], until: float) -> Orders:
    """The orders of one VM, for the whole trial: every pair of pods by UDP and TCP, and the other addresses."""
    pod = {each: f"10.96.{number}.7" for each, number in numbers.items()}
    mesh = [
        Flow(id=f"{letter}>{other}/{kind}", kind=kind, source=pod[letter], target=pod[other], port=PORT)
        for other in pod
        if other != letter
        for kind in ("udp", "tcp")
    ]
    more = {**{name: (address, "a") for name, address in SPARES.items()}, "unused": (UNUSED, "b")}
    others = [
        Flow(id=f"{letter}>{name}/udp", kind="udp", target=address, port=PORT)
        for name, (address, home) in more.items()
        if home != letter
    ]
    own = [f"{pod[letter]}/32", *(f"{address}/32" for address, home in more.values() if home == letter)]
    return Orders(
        sequence=1,
        until=until,
        addresses=tuple(own),
        flows=(*mesh, *others),
        echo=(PORT,),
        facts=("local-routes", "addresses6", "agent"),
    )


def all_orders(until: float) -> dict[str, str]:
    """The first orders of every VM, by its letter."""
    numbers = {letter: number for number, letter in enumerate(VMS, 1)}
    return {letter: orders_of(letter, numbers, until).text() for letter in VMS}


def idle_orders(until: float) -> dict[str, str]:
    """The orders of a VM that only has to be there."""
    return {"a": Orders(sequence=1, until=until).text()}


@dataclass(slots=True)
class Series:
    """The packets of one flow by window number."""

    sent: dict[int, int] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    connections: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Source:
    """One VM's serial port. `last`: the end of the newest window that it has reported; missing: reads without it."""

    vm: Vm
    next: int = 0
    rest: str = ""
    last: float = 0.0
    missing: int = 0
    report: Report | None = None


class Measuring:
    """Reads the reports of all VMs while it is entered."""

    def __init__(self, compute: TrialCompute, clock: Clock, site: Site) -> None:
        self._compute = compute
        self._clock = clock
        self._site = site
        self._sources: list[_Source] = []
        self._series: dict[str, Series] = {}
        self._task: asyncio.Task[None] | None = None
        self._window = 0.1
        self.problem = ""
        """Why nothing can be measured, as a sentence; empty while it can."""

    # -- collecting

    async def start(self) -> None:
        """Read from now on, and wait until every VM reports; `problem` says if one does not."""
        self._sources = [_Source(vm) for vm in self._site.vms]
        self._task = asyncio.create_task(self._collect(), name="serial ports")
        deadline = self._clock.now() + BOOT
        while silent := [source.vm.letter for source in self._sources if not source.last]:
            if self._clock.now() >= deadline:
                self.problem = f"No report came from VM {', '.join(silent)} within {BOOT:.0f} s."
                return
            await self._clock.sleep(EVERY)

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _collect(self) -> None:
        while True:
            await asyncio.gather(*(self._read(source) for source in self._sources))
            await self._clock.sleep(EVERY)

    async def _read(self, source: _Source) -> None:
        try:
            text, source.next = await self._compute.serial_output(source.vm.path, SERIAL_PORT, source.next)
        except NotFound:
            source.missing += 1
            if source.missing == GONE:
                self.problem = f"VM {source.vm.letter} is gone."
            return
        except ComputeRefusal:
            return  # the next read has it too
        source.missing = 0
        parsed = parse_serial(source.rest + text)
        source.rest = parsed.rest
        for report in parsed.reports:
            self._take(source, report)

    def _take(self, source: _Source, report: Report) -> None:
        source.report = report
        self._window = report.window
        for name, part in report.flows.items():
            series = self._series.setdefault(name, Series())
            first = round(part.begin / report.window)
            for offset, (sent, answered) in enumerate(zip(part.sent, part.answered, strict=True)):
                series.sent[first + offset] = sent
                series.answered[first + offset] = answered
            if not series.connections or series.connections[-1][1] != part.connections:
                series.connections.append((part.begin, part.connections))
            source.last = max(source.last, part.begin + len(part.sent) * report.window)

    # -- reading

    def facts(self, letter: str) -> Report | None:
        """The newest report of a VM."""
        return next((source.report for source in self._sources if source.vm.letter == letter), None)

    async def until(self, at: float) -> bool:
        """Wait until every VM has reported its packets up to `at`; False if one is silent."""
        deadline = max(at, self._compute.now()) + SILENT
        while not self.problem and any(source.last < at for source in self._sources):
            if self._compute.now() > deadline:
                silent = [source.vm.letter for source in self._sources if source.last < at]
                self.problem = f"No report comes any more from VM {', '.join(silent)}."
                break
            await self._clock.sleep(EVERY)
        return not self.problem

    @property
    def reported(self) -> float:
        """The time up to which every VM has reported its packets."""
        return min((source.last for source in self._sources), default=0.0)

    def flows(self, matches: Callable[[str], bool]) -> list[str]:
        """The ids of the flows that were reported and match."""
        return sorted(name for name in self._series if matches(name))

    def packets(self, flow: str, since: float, until: float, transition: str = "") -> Packets:
        """What a flow sent and got back between two times."""
        series = self._series.get(flow, Series())
        window = self._window
        windows = range(round(since / window), round(until / window))
        made = [count for at, count in series.connections if since <= at < until]
        before = [count for at, count in series.connections if at < since]
        return Packets(
            flow=flow,
            transition=transition,
            since=round(since, 3),
            window=window,
            sent=tuple(series.sent.get(each, 0) for each in windows),
            answered=tuple(series.answered.get(each, 0) for each in windows),
            connections=max(0, (made[-1] if made else 0) - (before[-1] if before else 0)) if made else 0,
        )

    def share(self, flows: Iterable[str], since: float, until: float) -> float:
        """The answered share of what the flows sent between two times; 0 if they sent nothing."""
        found = [self.packets(flow, since, until) for flow in flows]
        sent = sum(sum(each.sent) for each in found)
        return sum(sum(each.answered) for each in found) / sent if sent else 0.0

    def turned(self, flow: str, since: float, until: float, *, reachable: bool) -> float | None:
        """The first window from which on a flow stayed reachable, or unreachable, until `until`; None if it did not."""
        found = self.packets(flow, since, until)
        first = None
        for index, (sent, answered) in enumerate(zip(found.sent, found.answered, strict=True)):
            if not sent:
                continue
            if (answered > 0) != reachable:
                first = None
            elif first is None:
                first = index
        return None if first is None else found.since + first * found.window


def mesh(flow: str) -> bool:
    """Whether a flow goes from pod to pod."""
    return flow.partition("/")[0].rpartition(">")[2] in VMS


def longest_gap(packets: Packets) -> float:
    """The longest time in which a flow sent and nothing was answered, in seconds."""
    longest = present = 0
    for sent, answered in zip(packets.sent, packets.answered, strict=True):
        if answered:
            present = 0
        elif sent:
            present += 1
            longest = max(longest, present)
    return longest * packets.window
