"""A cluster in memory for the engine: steps change facts, and errors occur on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dualstack.cutover.interface import NodeReports
from dualstack.cutover.measurements import Begin
from dualstack.cutover.run import run_cutover
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent, StepFailed, StepFinished, StepStarted
from dualstack.plan.facts import CutoverFacts, Limitation
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Gate, Transition
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.base import Strategy
from tests.support.hosts import delivered_to, view_of


class Killed(BaseException):
    """The process is killed; no handler of the engine may run."""


@dataclass
class FakeClock:
    """Time passes only in `sleep`."""

    time: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += max(0.0, seconds)
        await asyncio.sleep(0)


@dataclass
class FakeCluster:
    """An `Actuator`. `facts` is the current state; every perform applies the transition's effect.

    meanwhile: a change by another party before each observation; errors: raised by the performs of that number
    (from 0), after their effect if `late`; ignored: ids of steps without effect; problems: of gates, by id, consumed
    one by one; complaints: the Nodes that report a network problem; joining: the nodes that a look at the
    Nodes shows, if not those of `facts`; kill_after: number of the perform after which the process dies.
    """

    facts: CutoverFacts
    meanwhile: Callable[[FakeCluster], CutoverFacts] | None = None
    errors: dict[int, DualstackError] = field(default_factory=dict)
    late: bool = False
    read_errors: dict[int, DualstackError] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    problems: dict[str, list[str]] = field(default_factory=dict)
    kill_after: int | None = None
    complaints: Callable[[CutoverFacts], frozenset[str]] = lambda facts: facts.with_network_problem
    joining: Callable[[FakeCluster], CutoverFacts] | None = None
    outage: Begin | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    change: tuple[float, float] | None = None
    performed: list[Transition] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    observed: int = 0
    states: list[CutoverFacts] = field(default_factory=list)

    async def observe(self) -> CutoverFacts:
        number, self.observed, self.change = self.observed, self.observed + 1, None
        if number in self.read_errors:
            raise self.read_errors[number]
        if self.meanwhile is not None and (changed := self.meanwhile(self)) != self.facts:
            self._become(changed)
        complaining = self.complaints(self.facts)
        if complaining != self.facts.with_network_problem:
            self.facts = replace(self.facts, with_network_problem=complaining)
        return self.facts

    async def perform(self, transition: Transition) -> None:
        number = len(self.performed)
        self.performed.append(transition)
        error = self.errors.get(number)
        if error is not None and not self.late:
            raise error
        if transition.id not in self.ignored:
            self._become(transition.effect(self.facts))
        self.change = self.clock.now(), self.clock.now()
        if number == self.kill_after:
            raise Killed
        if error is not None:
            raise error

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        assert facts == self.facts
        self.checked.append(gate.id)
        waiting = self.problems.get(gate.id, [])
        return [waiting.pop(0)] if waiting else []

    def changed(self) -> tuple[float, float] | None:
        return self.change

    async def outage_since(self) -> Begin | None:
        return self.outage

    async def keep_outage(self, begin: Begin | None) -> None:
        self.outage = begin

    async def keep_disproved(self, limitation: Limitation) -> None:
        self.facts = replace(self.facts, disproved=limitation)

    async def node_reports(self) -> NodeReports:
        facts = self.facts if self.joining is None else self.joining(self)
        cidrs = {each.name: each.pod_cidr for each in facts.nodes if each.pod_cidr}
        return NodeReports(cidrs, self.complaints(self.facts))

    def _become(self, facts: CutoverFacts) -> None:
        self.facts = replace(facts)
        self.states.append(self.facts)

    @property
    def steps(self) -> list[str]:
        return [transition.id for transition in self.performed]


def once(
    when: Callable[[FakeCluster], bool], change: Callable[[CutoverFacts], CutoverFacts]
) -> Callable[[FakeCluster], CutoverFacts]:
    """`change` happens the first time that `when` holds."""
    happened: list[bool] = []

    def meanwhile(cluster: FakeCluster) -> CutoverFacts:
        if happened or not when(cluster):
            return cluster.facts
        happened.append(True)
        return change(cluster.facts)

    return meanwhile


def started(events: list[AnyEvent]) -> list[str]:
    return [event.step for event in events if isinstance(event, StepStarted)]


def finished(events: list[AnyEvent]) -> list[str]:
    return [event.step for event in events if isinstance(event, StepFinished)]


def failed(events: list[AnyEvent]) -> list[tuple[str, bool]]:
    """Each failed step, and whether the failure was final."""
    return [(event.step, event.final) for event in events if isinstance(event, StepFailed)]


SETTINGS = Settings(batch_size=2)


OVERLAP = choose("overlap")


SHOOT = "shoot--foo--bar"


async def run(
    cluster: FakeCluster, strategy: Strategy = OVERLAP, *, clock: FakeClock | None = None, settings: Settings = SETTINGS
) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    cluster.clock = clock or cluster.clock
    await run_cutover(cluster, strategy, settings, cluster.clock, events.append, SHOOT)
    return events


def lose_nothing(cluster: FakeCluster) -> None:
    """Assert that every pod CIDR was reachable in every state of the cluster."""
    for facts in cluster.states:
        for name, owed in facts.pod_cidr_of.items():
            assert delivered_to(view_of(facts), owed) == {name}
