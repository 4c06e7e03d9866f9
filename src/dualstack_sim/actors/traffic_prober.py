"""The prober pods that measure traffic, for all nodes: the fabric decides which pairs have connectivity, and when.

Flows between pods only: the fabric knows no Services, and no internet. Its instants are exact, so that figures have no
uncertainty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, LEASE, POD, Manifest
from dualstack.traffic.interruptions import Interruption
from dualstack.traffic.node_report import (
    NAME,
    NAMESPACE,
    FlowGroup,
    NodeReport,
    Protocol,
    heartbeat,
    kept,
    lease_of,
    stale_after,
)
from dualstack.traffic.pairs import PLAN, ProbePlan, family, read_plan, shared_addresses, targets
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.pods import BY_OWNER, by_owner, is_ready, is_terminating
from dualstack_sim.actors.refusals import KubeRefusal, NotFound

PERIOD = 1.0
"""Seconds between two rounds. A report is written in the round after news, or at the heartbeat."""

Span = tuple[float, float]


@dataclass(slots=True)
class _Blackouts:
    """The times without an answer, for each flow that had any: family, source, destination.

    A flow has an answer while both directions have connectivity.
    """

    ended: dict[tuple[int, str, str], list[Span]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0
    """How many have ended."""

    def end(self, version: int, pair: tuple[str, str], begin: float, end: float) -> None:
        self.count += 1
        source, destination = pair
        for flow in ((version, source, destination), (version, destination, source)):
            self.ended[flow] = _joined([*self.ended[flow], (begin, end)])

    def of(
        self, flow: tuple[int, str, str], lasting: Mapping[int, Mapping[tuple[str, str], float]], now: float
    ) -> tuple[list[Span], Span | None]:
        """The spans of a flow that have ended, and the one that lasts at `now`."""
        version, source, destination = flow
        broken = lasting.get(version, {})
        begun = [broken[pair] for pair in ((source, destination), (destination, source)) if pair in broken]
        spans = self.ended.get(flow, [])
        if not begun:
            return spans, None
        *before, last = _joined([*spans, (min(begun), now)])
        return before, last


State = tuple[int, int, frozenset[tuple[int, tuple[str, str]]]]
"""What changes with news: the generation of the plan, the blackouts that have ended, and those that last."""


@dataclass(slots=True)
class _Pod:
    """What the process in a pod remembers."""

    began: float
    written_at: float = float("-inf")
    written: State | None = None


class TrafficProber:
    """Writes the Lease of each node with a ready pod of the DaemonSet, as `dualstack prober --traffic` does."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._endpoints = context.endpoints
        self._kube, _ = context.named("dualstack-traffic")
        self._informers = context.informers
        self._sets = context.informers.of(DAEMON_SET)
        self._pods = context.informers.of(POD)
        self._config_maps = context.informers.of(CONFIG_MAP)
        self._blackouts = _Blackouts()
        self._running: dict[str, _Pod] = {}
        """By pod uid."""
        self._flows: dict[tuple[str, int], list[str]] = {}
        """By node and IP family the nodes that it probes, for one generation of the plan."""
        self._generation = 0

    async def run(self) -> None:
        """Until cancelled."""
        self._pods.index(BY_OWNER, by_owner)
        await self._informers.synced(DAEMON_SET, POD, CONFIG_MAP)
        watching = False
        while True:
            daemon_set = self._sets.get(NAME, NAMESPACE)
            if watching != (daemon_set is not None):
                watching = not watching
                self._blackouts, self._generation = _Blackouts(), 0
                self._running.clear()
                self._endpoints.watch(self._blackouts.end if watching else None)
            if daemon_set is not None:
                await self._round(daemon_set)
            await self._clock.sleep(PERIOD)

    async def _round(self, daemon_set: Manifest) -> None:
        now = self._clock.now()
        plan = read_plan(self._config_maps.get(PLAN, NAMESPACE)) or ProbePlan(0, ())
        self._follow(plan)
        lasting = self._endpoints.lasting(now)
        pairs = frozenset((version, pair) for version, broken in lasting.items() for pair in broken)
        state = (plan.generation, self._blackouts.count, pairs)
        for pod in self._pods.indexed(BY_OWNER, daemon_set["metadata"]["uid"]):
            if not is_ready(pod) or is_terminating(pod):
                continue
            running = self._running.setdefault(pod["metadata"]["uid"], _Pod(now))
            if running.written == state and now - running.written_at < heartbeat(len(plan.probers)):
                continue
            node = str(pod["spec"]["nodeName"])
            groups = tuple(self._groups(node, plan.interval, lasting, running.began, now))
            report = NodeReport(node, running.began, now, plan.generation, 0.0, 0.0, groups)
            if await self._write(report, stale_after(len(plan.probers)), now):
                running.written_at, running.written = now, state

    def _follow(self, plan: ProbePlan) -> None:
        if plan.generation == self._generation:
            return
        self._generation = plan.generation
        self._flows = {
            (own.node, version): [
                other.node
                for other in targets(own.node, plan.probers)
                if any(family(address) == version for address in shared_addresses(own, other))
            ]
            for own in plan.probers
            for version in (4, 6)
        }

    def _groups(
        self,
        node: str,
        interval: float,
        lasting: Mapping[int, Mapping[tuple[str, str], float]],
        began: float,
        now: float,
    ) -> Iterator[FlowGroup]:
        for version in (4, 6):
            names = self._flows.get((node, version))
            if not names:
                continue
            spans = {name: self._blackouts.of((version, node, name), lasting, now) for name in names}
            ended = [_interruption(name, span) for name in names for span in spans[name][0] if span[1] > began]
            open_ones = [_interruption(name, span) for name in names if (span := spans[name][1]) is not None]
            lost = round(sum(each.seconds for each in (*ended, *open_ones)) / interval)
            packets = len(names) * round((now - began) / interval)
            for protocol in get_args(Protocol):
                yield FlowGroup(
                    "pod",
                    protocol,
                    version,
                    flows=len(names),
                    packets=packets,
                    answered=max(0, packets - lost),
                    lost=lost,
                    ended=kept("pod", ended),
                ).with_lasting(open_ones)

    async def _write(self, report: NodeReport, duration: float, now: float) -> bool:
        """Whether it was written. A write that fails is repeated in the next round."""
        lease = lease_of(report, now, duration)
        try:
            try:
                await self._kube.patch(LEASE, report.node, lease, NAMESPACE)
            except NotFound:
                await self._kube.create(LEASE, lease)
        except KubeRefusal:
            return False
        return True


def _interruption(target: str, span: Span) -> Interruption:
    begin, end = span
    return Interruption(target, begin, end, end - begin, 0.0)


def _joined(spans: list[Span]) -> list[Span]:
    """The union of the spans, in order."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result
