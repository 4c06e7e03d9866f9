"""The flows of one node, by the plan, and what they have measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dualstack.traffic.interruptions import Interruption
from dualstack.traffic.node_report import (
    PORT,
    FlowGroup,
    NodeReport,
    Protocol,
    Target,
    kept,
)
from dualstack.traffic.pairs import INTERVAL, ProbePlan, endpoint_of, family, shared_addresses, targets
from dualstack.traffic.tcp_flow import TcpFlow
from dualstack.traffic.udp_flow import UdpFlow

SLOTS = 10
"""Flows take turns in as many slots of an interval, so that they do not send at the same instant."""
INTERNET_INTERVAL = 1.0
"""Seconds between two new connections to a target on the internet, which is not ours."""
_NAMED = 5
"""How many unreached or reconnected targets a report names."""

Flow = UdpFlow | TcpFlow
GroupKey = tuple[Target, Protocol, int]


def process_clock() -> Callable[[], float]:
    """Seconds since the epoch as the wall clock was now, continued by the monotonic clock."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


@dataclass(frozen=True, slots=True)
class _FlowKey:
    group: GroupKey
    node: str
    address: str
    port: int


@dataclass(slots=True)
class _Past:
    """What flows of a group measured that have ended, and the interruptions of all its flows."""

    packets: int = 0
    answered: int = 0
    refused: int = 0
    lost: int = 0
    reconnects: int = 0
    reconnected: frozenset[str] = frozenset()
    restarts: int = 0
    stalled: tuple[float, str] = (0.0, "")
    ended: tuple[Interruption, ...] = ()


@dataclass(slots=True)
class Prober:
    """Runs the flows of `node`. `port`: of the other probers."""

    node: str
    now: Callable[[], float]
    port: int = PORT
    generation: int = 0
    interval: float = INTERVAL
    _flows: dict[_FlowKey, Flow] = field(default_factory=dict)
    _slots: list[list[Flow]] = field(default_factory=lambda: [[] for _ in range(SLOTS)])
    _slow: list[Flow] = field(default_factory=list)
    _past: dict[GroupKey, _Past] = field(default_factory=dict)
    _late: float = 0.0
    _slowest: float = 0.0
    _began: float = 0.0
    _judged_until: float = 0.0

    def __post_init__(self) -> None:
        self._began = self._judged_until = self.now()

    def follow(self, plan: ProbePlan) -> None:
        """End the flows that the plan does not have, and begin those that are new; the others continue."""
        wanted = set(self._wanted(plan))
        for key in [key for key in self._flows if key not in wanted]:
            flow = self._flows.pop(key)
            flow.close()
            self._add_past(key.group, flow)
        for key in sorted(wanted - self._flows.keys(), key=lambda key: (key.node, key.address, key.group)):
            self._flows[key] = self._flow(key)
        self.generation, self.interval = plan.generation, plan.interval
        paced = [flow for key, flow in self._flows.items() if key.group[0] != "internet"]
        self._slots = [paced[slot::SLOTS] for slot in range(SLOTS)]
        self._slow = [flow for key, flow in self._flows.items() if key.group[0] == "internet"]

    async def run(self) -> None:
        """Send until cancelled. After a delay of more than an interval, what was missed is not sent."""
        turn, due = 0, self.now()
        begun: list[float | None] = [None] * SLOTS
        slow_due = due
        while True:
            slot, now = turn % SLOTS, self.now()
            if self._slots[slot]:
                self._late = max(self._late, now - (begun[slot] or now) - self.interval)
            begun[slot] = now if self._slots[slot] else None
            for flow in self._slots[slot]:
                flow.tick()
            if now >= slow_due:
                slow_due = max(slow_due + INTERNET_INTERVAL, now)
                for flow in self._slow:
                    flow.tick()
            turn += 1
            due = max(due + self.interval / SLOTS, now - self.interval)
            await asyncio.sleep(max(0.0, due - self.now()))

    async def settle(self) -> bool:
        """Judge the packets so far; True if an interruption has begun or ended."""
        now = self.now()
        for _ in range(2):  # a process that did not run reads the answers that have arrived meanwhile
            await asyncio.sleep(0)
        news = False
        for key, flow in self._flows.items():
            before = flow.log.current(now) is not None
            ended = flow.log.settle(now)
            if ended:
                past = self._past.setdefault(key.group, _Past())
                past.ended = kept(key.group[0], (*past.ended, *ended))
            news = news or bool(ended) or before != (flow.log.current(now) is not None)
        self._judged_until = min([now, *(flow.log.judged_until(now) for flow in self._flows.values())])
        return news

    def report(self) -> NodeReport:
        """What has been measured until the last `settle`."""
        groups: dict[GroupKey, dict[_FlowKey, Flow]] = {group: {} for group in self._past}
        for key, flow in self._flows.items():
            groups.setdefault(key.group, {})[key] = flow
        return NodeReport(
            self.node,
            self._began,
            self._judged_until,
            self.generation,
            round(self._late, 4),
            round(max([self._slowest, *(flow.log.slowest for flow in self._flows.values())]), 4),
            tuple(self._group(group, groups[group]) for group in sorted(groups)),
        )

    def close(self) -> None:
        """End all flows."""
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()

    def _wanted(self, plan: ProbePlan) -> Iterator[_FlowKey]:
        own = next((each for each in plan.probers if each.node == self.node), None)
        if own is None:
            return
        families = {family(address) for address in own.addresses}
        for other in targets(self.node, plan.probers):
            for address in shared_addresses(own, other):
                yield from _both_protocols("pod", other.node, address, self.port)
        for address in plan.services:
            if family(address) in families:
                yield from _both_protocols("service", address, address, self.port)
        for text in plan.internet:
            address, port = endpoint_of(text)
            if family(address) in families:
                yield _FlowKey(("internet", "tcp", family(address)), text, address, port)

    def _flow(self, key: _FlowKey) -> Flow:
        target, protocol, _ = key.group
        if protocol == "udp":
            return UdpFlow(key.node, key.address, key.port, self.now)
        return TcpFlow(key.node, key.address, key.port, self.now, hold=target != "internet")

    def _add_past(self, group: GroupKey, flow: Flow) -> None:
        past, log = self._past.setdefault(group, _Past()), flow.log
        past.packets += log.sent
        past.answered += log.answered
        past.refused += log.refused
        past.lost += log.lost
        past.restarts += log.restarts
        self._slowest = max(self._slowest, log.slowest)
        if isinstance(flow, TcpFlow):
            past.reconnects += flow.reconnects
            past.reconnected |= {log.target} if flow.reconnects else set()
            past.stalled = max(past.stalled, (flow.stalled(self._judged_until), log.target))

    def _group(self, group: GroupKey, flows: dict[_FlowKey, Flow]) -> FlowGroup:
        past = self._past.get(group, _Past())
        logs = [flow.log for flow in flows.values()]
        connections = [flow for flow in flows.values() if isinstance(flow, TcpFlow)]
        stalled = max(
            [past.stalled, *((flow.stalled(self._judged_until), flow.log.target) for flow in connections)],
        )
        reconnected = past.reconnected | {flow.log.target for flow in connections if flow.reconnects}
        unreached = sorted(log.target for log in logs if not log.reached)
        lasting = [each for log in logs if (each := log.current(self._judged_until)) is not None]
        found = FlowGroup(
            *group,
            flows=len(logs),
            packets=past.packets + sum(log.sent for log in logs),
            answered=past.answered + sum(log.answered for log in logs),
            refused=past.refused + sum(log.refused for log in logs),
            lost=past.lost + sum(log.lost for log in logs),
            unreached=len(unreached),
            unreached_targets=tuple(unreached[:_NAMED]),
            reconnects=past.reconnects + sum(flow.reconnects for flow in connections),
            reconnected_targets=tuple(sorted(reconnected)[:_NAMED]),
            restarts=past.restarts + sum(log.restarts for log in logs),
            stalled=round(stalled[0], 3),
            stalled_target=stalled[1] if stalled[0] else "",
            ended=past.ended,
        )
        return found.with_lasting(lasting)


def _both_protocols(target: Target, node: str, address: str, port: int) -> Iterator[_FlowKey]:
    yield _FlowKey((target, "udp", family(address)), node, address, port)
    yield _FlowKey((target, "tcp", family(address)), node, address, port)
