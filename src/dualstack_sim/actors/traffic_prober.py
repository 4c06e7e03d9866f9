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
from dualstack.traffic.pairs import PLAN, ProbePlan, ProberAddress, family, read_plan, shared_addresses, targets
from dualstack.traffic.report import (
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

    def end(self, version: int, pair: tuple[str, str], begin: float, end: float) -> None:
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


@dataclass(slots=True)
class _Pod:
    """What the process in a pod remembers."""

    began: float
    written_at: float = float("-inf")
    written: tuple[int, tuple[FlowGroup, ...]] | None = None


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

    async def run(self) -> None:
        """Until cancelled."""
        self._pods.index(BY_OWNER, by_owner)
        await self._informers.synced(DAEMON_SET, POD, CONFIG_MAP)
        watching = False
        while True:
            daemon_set = self._sets.get(NAME, NAMESPACE)
            if watching != (daemon_set is not None):
                watching = not watching
                self._blackouts = _Blackouts()
                self._running.clear()
                self._endpoints.watch(self._blackouts.end if watching else None)
            if daemon_set is not None:
                await self._round(daemon_set)
            await self._clock.sleep(PERIOD)

    async def _round(self, daemon_set: Manifest) -> None:
        now = self._clock.now()
        plan = read_plan(self._config_maps.get(PLAN, NAMESPACE)) or ProbePlan(0, ())
        members = {each.node: each for each in plan.probers}
        lasting = self._endpoints.lasting(now)
        for pod in self._pods.indexed(BY_OWNER, daemon_set["metadata"]["uid"]):
            if not is_ready(pod) or is_terminating(pod):
                continue
            node = str(pod["spec"]["nodeName"])
            running = self._running.setdefault(pod["metadata"]["uid"], _Pod(now))
            own = members.get(node)
            groups = tuple(self._groups(own, plan, lasting, running.began, now)) if own is not None else ()
            await self._report(node, running, plan, groups, now)

    def _groups(
        self,
        own: ProberAddress,
        plan: ProbePlan,
        lasting: Mapping[int, Mapping[tuple[str, str], float]],
        began: float,
        now: float,
    ) -> Iterator[FlowGroup]:
        others = targets(own.node, plan.probers)
        for version in (4, 6):
            names = [
                other.node
                for other in others
                if any(family(address) == version for address in shared_addresses(own, other))
            ]
            if not names:
                continue
            spans = {name: self._blackouts.of((version, own.node, name), lasting, now) for name in names}
            ended = [_interruption(name, span) for name in names for span in spans[name][0] if span[1] > began]
            open_ones = [_interruption(name, span) for name in names if (span := spans[name][1]) is not None]
            lost = round(sum(each.seconds for each in (*ended, *open_ones)) / plan.interval)
            packets = len(names) * round((now - began) / plan.interval)
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

    async def _report(
        self, node: str, running: _Pod, plan: ProbePlan, groups: tuple[FlowGroup, ...], now: float
    ) -> None:
        """Write the report if it is due. A write that fails is repeated in the next round."""
        news = (plan.generation, tuple(_without_counts(group) for group in groups))
        if running.written == news and now - running.written_at < heartbeat(len(plan.probers)):
            return
        report = NodeReport(node, running.began, now, plan.generation, 0.0, 0.0, groups)
        lease = lease_of(report, now, stale_after(len(plan.probers)))
        try:
            await self._kube.patch(LEASE, node, lease, NAMESPACE)
        except NotFound:
            try:
                await self._kube.create(LEASE, lease)
            except KubeRefusal:
                return
        except KubeRefusal:
            return
        running.written_at, running.written = now, news


def _without_counts(group: FlowGroup) -> FlowGroup:
    """What makes a report news: which interruptions there are, not how many packets or how long."""
    return FlowGroup(
        group.target,
        group.protocol,
        group.family,
        flows=group.flows,
        ended=group.ended,
        lasting=tuple(Interruption(each.target, each.start, 0.0, 0.0, 0.0) for each in group.lasting),
    )


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
