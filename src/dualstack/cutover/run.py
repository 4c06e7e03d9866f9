"""Runs a cut-over: observe, plan, perform the first step, read its effect back, start over.

The run keeps no plan. The next step follows from what it observes, so the process may be killed at any point and
started again. What it remembers (since when an aspect is unchanged, which gates passed) only saves waiting time. It
gives up only between two steps, where the cluster is in a state that the invariants allow.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import TypeVar

from dualstack.clock import Clock
from dualstack.cutover.change_times import ChangeTimes
from dualstack.cutover.interface import FRESH, Actuator, DirectionChanged
from dualstack.cutover.measurements import Begin, BlackoutWatch, ProgressEstimator
from dualstack.cutover.retries import RetryBudget
from dualstack.model.errors import ComputeError, DualstackError, GateFailed, KubeError, Unsupported, WithoutEffect
from dualstack.model.events import Listener, OutageExpected, OutageMeasured, StepFailed, StepFinished, StepStarted
from dualstack.plan.costs import describe_outage, outage
from dualstack.plan.facts import SETTLED, CutoverFacts, Limitation
from dualstack.plan.gates import CLAUSES, cloud_limitation
from dualstack.plan.invariants import check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps import Barrier, Gate, RestoreRoutes, Transition
from dualstack.plan.steps.base import Proof
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import Strategy, obstacles
from dualstack.plan.strategies.serve import refusal
from dualstack.plan.strategies.unmatched import UNMATCHED

Result = TypeVar("Result")


async def run_cutover(
    actuator: Actuator,
    strategy: Strategy,
    settings: Settings,
    clock: Clock,
    emit: Listener,
    shoot: str,
    *,
    announce: bool = True,
    refused: frozenset[str] = frozenset(),
) -> None:
    """Bring the cluster of `actuator` to the end of the cut-over; return at once when nothing remains.

    Raises GateFailed when a precondition or a gate is not met (before the first change, where that is predictable),
    Unsupported when the cloud does not do what the strategy depends on, InvariantBroken for a defect of the plan, and
    the actuator's own error when it is not retried. When a gate fails, its stage is rolled back before GateFailed is
    raised, where the strategy defines a retreat. announce: report the expected outage before the first change; a
    rollback after a failure has none of its own. refused: for a strategy that rescues, what was refused already.
    """
    change_times = ChangeTimes(clock)
    change_times.note_refused(*refused)
    await _Run(actuator, strategy, settings, clock, emit, shoot, change_times, announce=announce).to_the_end()


class _Run:
    """One run: the actuator, the plan, and the state that lives as long as the run."""

    def __init__(
        self,
        actuator: Actuator,
        strategy: Strategy,
        settings: Settings,
        clock: Clock,
        emit: Listener,
        shoot: str,
        change_times: ChangeTimes,
        *,
        announce: bool,
    ) -> None:
        self._actuator = actuator
        self._strategy = strategy
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._announce = announce
        self._shoot = shoot
        self._change_times = change_times
        self._retries = RetryBudget(settings)
        self._estimator = ProgressEstimator(strategy, settings)
        self._blackout = BlackoutWatch()
        self._kept: Begin | None = None
        self._trial_begun: float | None = None
        self._trial_served: float = -math.inf
        self._rounds, self._round_begun = 0, clock.now()
        self._refusal: DualstackError | None = None
        self._latest: CutoverFacts

    async def to_the_end(self) -> None:
        facts = await self._observe()
        if facts.disproved and not self._strategy.rescues:
            begun = GateFailed(f"{CLAUSES[facts.disproved]}, as a node on trial has shown")
            raise await self._leave_trial(begun, facts.disproved)
        # An unfinished cut-over with unreachable nodes goes on: whatever is wrong, these nodes come first.
        if not (facts.begun and facts.unreachable) and (problems := obstacles(self._strategy, facts, self._settings)):
            raise GateFailed("; ".join(problems))
        facts = await self._take_up_blackout(facts)
        if self._announce and self._next(facts) is not None:
            self._announce_outage(facts)
        while True:
            if (transition := self._next(facts)) is not None:
                facts = await self._step(transition, facts)
            elif self._rescuing(facts) and facts.refused:
                facts = await self._try_every_way_again()
            else:
                return

    async def _step(self, transition: Transition, facts: CutoverFacts) -> CutoverFacts:
        """Take one step; the facts after it. Raises the error of the run, after the retreat of a failed gate."""
        self._emit(
            StepStarted(
                at=self._clock.now(),
                shoot=self._shoot,
                step=transition.id,
                detail=transition.describe(),
                targets=transition.targets,
            )
        )
        try:
            return await self._take(transition, facts)
        except DirectionChanged as error:
            self._failed(transition, str(error), final=False)
            raise
        except GateFailed as error:
            stage = self._strategy.retreats.get(transition.id)
            self._failed(transition, str(error), final=stage is None)
            if stage is None:
                raise
            if limitation := cloud_limitation(self._latest):
                raise await self._leave_trial(error, limitation) from error
            message = f"{error}; {await self._retreat(way_back(stage), stage)}"
            if isinstance(error, Unsupported):
                raise Unsupported(message, error.because) from error
            raise GateFailed(message) from error
        except DualstackError as error:
            self._failed(transition, str(error), final=True)
            raise

    async def _take_up_blackout(self, facts: CutoverFacts) -> CutoverFacts:
        """Go on with the outage that an earlier run has recorded or left; returns the facts."""
        if self._blackout.open is not None:
            return facts
        self._kept = await self._with_retries(self._actuator.outage_since)
        self._blackout.begin(facts, self._clock.now(), self._kept)
        return await self._seen(facts)

    async def _leave_trial(self, error: GateFailed, limitation: Limitation) -> GateFailed:
        """Return to routes at once; the error of the run.

        What was shown is recorded first, and stays recorded while the way back is incomplete. It counts only if the
        Nodes recover with their routes: otherwise what they report has another cause.
        """
        reporting = self._latest.with_network_problem
        ambiguous = not self._latest.disproved and self._latest.reports_are_ambiguous
        if (begin := self._begin_of_outage(ambiguous=ambiguous)) is not None:
            self._blackout.suspect(begin, self._latest.on_trial)
            await self._keep(self._blackout.open)
        if ambiguous:
            outcome = await self._retreat(way_back(Stage.ROUTES), Stage.ROUTES)
            return GateFailed(f"{error}; {outcome}; a node joined or left meanwhile, so the report may be due to that")
        await self._with_retries(partial(self._actuator.keep_disproved, limitation))
        message = f"{error}; {await self._retreat(UNMATCHED, Stage.ROUTES)}"
        if (await self._observe()).unreachable:
            return GateFailed(message)  # the next attempt goes on with the way back
        until = self._clock.now() + self._settings.recovery_timeout
        while left := reporting & (await self._observe()).with_network_problem:
            if self._clock.now() >= until:
                await self._with_retries(partial(self._actuator.keep_disproved, ""))
                still = f"node {min(left)} still reports a network problem without the range, so it has another cause"
                return GateFailed(f"{message}; {still}")
            await self._clock.sleep(self._settings.watch_every)
        return Unsupported(message, CLAUSES[limitation])

    def _begin_of_outage(self, *, ambiguous: bool) -> Begin | None:
        """When the outage of the node on trial began; None if what it depends on had been shown before the report."""
        if self._trial_begun is None:
            return Begin(self._clock.now(), "about" if ambiguous else "at least")
        if not ambiguous:
            return Begin(self._trial_begun)
        return Begin(self._trial_begun, "at most") if self._trial_served < self._trial_begun + SETTLED else None

    async def _try_every_way_again(self) -> CutoverFacts:
        """After every way to serve unreachable nodes was refused: a while later, and a bounded number of times."""
        self._rounds += 1
        if self._rounds >= self._settings.attempts:
            raise self._refusal or GateFailed("every way to serve the unreachable nodes was refused")
        pause = min(self._settings.urgent_backoff, 2.0 ** (self._rounds - 1))
        await self._clock.sleep(max(0.0, self._round_begun + pause - self._clock.now()))
        self._round_begun = self._clock.now()
        self._change_times.forget_refused()
        return await self._seen(await self._observe())

    async def _retreat(self, way: Strategy, stage: Stage) -> str:
        """Roll back to `stage` without further loss; returns the outcome as a clause."""
        back = _Run(
            self._actuator,
            way,
            self._settings,
            self._clock,
            self._emit,
            self._shoot,
            self._change_times,
            announce=False,
        )
        back._blackout, back._kept = self._blackout, self._kept
        try:
            await back.to_the_end()
        except (GateFailed, ComputeError, KubeError) as error:
            return f"a rollback failed: {error}"
        return f"rolled back to {stage.words}"

    def _announce_outage(self, facts: CutoverFacts) -> None:
        """Report the expected outage before the first change."""
        expected = outage(self._strategy, facts, self._settings)
        self._emit(
            OutageExpected(
                at=self._clock.now(),
                shoot=self._shoot,
                seconds=expected.seconds,
                at_most=expected.at_most,
                detail=describe_outage(self._strategy, facts, self._settings),
            )
        )

    def _next(self, facts: CutoverFacts) -> Transition | None:
        return self._strategy.next_transition(facts, self._settings)

    async def _take(self, transition: Transition, facts: CutoverFacts) -> CutoverFacts:
        """Try the step once and return the facts after it, whether or not it succeeded."""
        match transition:
            case Barrier():
                return await self._wait(transition, facts)
            case Gate():
                return await self._pass(transition, facts)
            case _:
                return await self._perform(transition, facts)

    async def _perform(self, transition: Transition, facts: CutoverFacts) -> CutoverFacts:
        """Perform the step. A strategy that rescues goes on with another way if it is refused; so does any without an
        optional step."""
        begun = self._clock.now()
        try:
            return await self._perform_once(transition, facts, begun)
        except (GateFailed, ComputeError, KubeError) as error:
            if not (self._rescuing(facts) or (isinstance(transition, RestoreRoutes) and transition.optional)):
                raise
            self._refusal = error
            self._change_times.note_refused(refusal(transition.id, facts))
            self._failed(transition, f"{error}; trying another way", final=False)
            changed = self._actuator.changed()
            return await self._seen(await self._observe(), changed)

    def _rescuing(self, facts: CutoverFacts) -> bool:
        return self._strategy.rescues and bool(facts.unreachable)

    async def _perform_once(self, transition: Transition, facts: CutoverFacts, begun: float) -> CutoverFacts:
        if problems := transition.precondition(facts):
            raise GateFailed("; ".join(problems))
        check(self._strategy.invariants, facts, transition)
        self._retries.begin(transition)
        if not set(transition.effect(facts).unreachable) <= set(facts.unreachable):
            await self._keep(self._blackout.expect(begun))
        try:
            await self._actuator.perform(transition)
        except (ComputeError, KubeError) as error:
            wait = self._retries.wait_after(error)
            if wait is None or self._rescuing(facts):
                raise
            changed = self._actuator.changed()
            if facts.unreachable and not self._strategy.lossless:
                late = self._clock.now() - begun > self._settings.urgent_timeout
                if late and (await self._seen(await self._observe(), changed)).lost:
                    raise  # the nodes are served by another way
                wait = min(wait, self._settings.urgent_backoff)
            return await self._seen(await self._again(transition, str(error), wait), changed)
        changed, on_trial = self._actuator.changed(), facts.on_trial
        facts = await self._seen(await self._observe(), changed)
        if facts.on_trial and not on_trial:
            self._trial_begun = changed and changed[0]
        if transition.done(facts):
            if isinstance(transition, Proof):
                self._change_times.note_passed(transition)
                facts = self._change_times.update(facts)
            self._finished(transition, facts)
            return facts
        wait = self._retries.wait_for_effect()
        if wait is None:
            raise WithoutEffect(f"the cloud reports success, but the change is not visible{transition.no_effect_hint}")
        if facts.unreachable:
            wait = min(wait, self._settings.urgent_backoff)
        return await self._seen(await self._again(transition, "change not fully visible yet", wait), changed)

    async def _seen(self, facts: CutoverFacts, changed: tuple[float, float] | None = None) -> CutoverFacts:
        """Hand `facts` to the blackout watch, and record the begin of a blackout; returns them.

        changed: when the first and the last change took effect that they show; None if the run has made none.
        """
        if (over := self._blackout.follow(facts, self._clock.now(), changed)) is not None:
            measured = OutageMeasured(
                at=over.ended, shoot=self._shoot, seconds=over.seconds, detail=over.words, bound=over.bound
            )
            self._emit(measured)
        await self._keep(self._blackout.open)
        return facts

    async def _keep(self, begin: Begin | None) -> None:
        """Record when a blackout began, unless that is recorded already."""
        if begin != self._kept:
            self._kept = begin
            await self._with_retries(partial(self._actuator.keep_outage, begin))

    async def _wait(self, barrier: Barrier, facts: CutoverFacts) -> CutoverFacts:
        """Wait until the barrier opens, or until the observed facts make another step the next one.

        A change of one of its aspects closes the barrier again. Raises GateFailed when they keep changing.
        """
        deadline = self._clock.now() + barrier.seconds * self._settings.attempts
        while self._next(facts) == barrier:
            if self._clock.now() > deadline:
                changing = " and ".join(barrier.aspects)
                raise GateFailed(f"{changing} keep changing; find and stop the program that changes them")
            await self._watch(
                min(barrier.remaining(facts), self._settings.observation_interval(len(facts.nodes))), facts
            )
            facts = await self._seen(await self._observe())
        return self._left(barrier, facts, passed=barrier.if_closed(facts) is None)

    async def _watch(self, seconds: float, facts: CutoverFacts) -> None:
        """Wait; return as soon as a node on trial reports a network problem, or a Node has a pod CIDR that is not in
        `facts`: without a route controller, only the cut-over serves it."""
        until, on_trial = self._clock.now() + seconds, set(facts.on_trial)
        known = {node.name: node.pod_cidr for node in facts.nodes}
        interval = self._settings.watch_every if on_trial else self._settings.node_interval(len(facts.nodes))
        while (left := until - self._clock.now()) > interval:
            await self._clock.sleep(interval)
            reports = await self._with_retries(self._actuator.node_reports)
            self._note_trial(on_trial, reports.with_network_problem)
            if on_trial & reports.with_network_problem or any(
                known.get(name) != pod_cidr for name, pod_cidr in reports.pod_cidrs.items()
            ):
                return
        await self._clock.sleep(left)

    async def _pass(self, gate: Gate, facts: CutoverFacts) -> CutoverFacts:
        """Check until the gate passes, its time is up, or the observed facts make another step the next one."""
        begun = looked = self._clock.now()
        while problems := await self._with_retries(partial(self._actuator.check, gate, facts)):
            if self._clock.now() >= begun + self._time_limit(facts):
                message = "; ".join(problems)
                if gate.failure_implies in problems:
                    raise Unsupported(message, gate.failure_implies)
                raise GateFailed(message)
            await self._watch(self._settings.observe_every / 2, facts)
            facts, looked = await self._seen(await self._observe()), self._clock.now()
            if self._next(facts) != gate:
                return self._left(gate, facts, passed=False)
        self._change_times.note_passed(gate)
        # The next step may be destructive, so it is planned from current facts.
        fresh = self._clock.now() - looked <= FRESH
        return self._left(gate, self._change_times.update(facts) if fresh else await self._observe(), passed=True)

    def _time_limit(self, facts: CutoverFacts) -> float:
        """While pods are unreachable because of the step before, rolling it back comes first."""
        on_trial = self._strategy.retreats and cloud_limitation(facts)
        return 0.0 if on_trial else self._settings.gate_timeout

    def _left(self, transition: Barrier | Gate, facts: CutoverFacts, *, passed: bool) -> CutoverFacts:
        if passed:
            self._finished(transition, facts)
        else:
            self._failed(transition, "state changed; replanning", final=False)
        return facts

    async def _again(self, transition: Transition, reason: str, wait: float) -> CutoverFacts:
        self._failed(transition, f"{reason}; replanning in {wait:.0f} s", final=False)
        await self._clock.sleep(wait)
        return await self._observe()

    async def _observe(self) -> CutoverFacts:
        self._latest = facts = self._change_times.update(await self._with_retries(self._actuator.observe))
        self._note_trial(facts.on_trial, facts.with_network_problem)
        return facts

    def _note_trial(self, on_trial: Collection[str], reporting: frozenset[str]) -> None:
        """Remember when no node on trial reported a network problem."""
        if reporting.isdisjoint(on_trial):
            self._trial_served = self._clock.now()

    async def _with_retries(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Read, and retry as the retry budget allows."""
        retries = RetryBudget(self._settings)
        while True:
            try:
                return await read()
            except (ComputeError, KubeError) as error:
                wait = retries.wait_after(error)
                if wait is None:
                    raise
                await self._clock.sleep(wait)

    def _finished(self, transition: Transition, facts: CutoverFacts) -> None:
        self._retries.succeeded(transition)
        now = self._clock.now()
        self._emit(StepFinished(at=now, shoot=self._shoot, step=transition.id, detail=transition.describe()))
        self._emit(self._estimator.read(facts, transition.id, now, self._shoot))

    def _failed(self, transition: Transition, reason: str, *, final: bool) -> None:
        self._emit(StepFailed(at=self._clock.now(), shoot=self._shoot, step=transition.id, detail=reason, final=final))
