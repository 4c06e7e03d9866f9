"""Carries the cut-over out: observe, plan, perform the first step, read its effect back, and again from the start.

The engine keeps no plan. What it does next follows from what it observes, so it may be killed anywhere and started
again; what it remembers (since when an aspect is quiet, which gates passed) only saves waiting. When it gives up, it
does so between two steps, where the cluster rests in a state that the invariants allow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from dualstack.clock import Clock
from dualstack.engine.blackout import BlackoutWatch
from dualstack.engine.memory import Memory
from dualstack.engine.patience import Patience
from dualstack.engine.progress import Odometer
from dualstack.errors import ComputeError, DualstackError, GateFailed, KubeError, Unsupported
from dualstack.model.events import Listener, OutageExpected, OutageMeasured, StepFailed, StepFinished, StepStarted
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.strategy import UNMATCHED, Strategy, describe_outage, obstacles, outage, way_back
from dualstack.plan.transitions import Barrier, Gate, Transition
from dualstack.plan.unmatched import reason

Result = TypeVar("Result")

FRESH = 5.0
"""Seconds for which an observation counts as what is there now: about as long as one takes in a large cluster."""


class Redirected(DualstackError):
    """Another way is wanted from now on; the message says by whom. Every stage is a good place to turn round."""


class Actuator(Protocol):
    """The two APIs, as the engine needs them. Every method raises only a `DualstackError`."""

    async def observe(self) -> CutoverFacts:
        """What is there now, freshly read; `quiet` and `passed` stay empty. CIDRs and names in canonical form.

        Redirected when the run is to end here because another one is wanted.
        """
        ...

    async def perform(self, transition: Transition) -> None:
        """Carry out every transition but barriers and gates; return when all its operations are done.

        With several targets each is tried, and the error of the first that failed is raised in the end. Targets that
        have vanished, or are already as wanted, are no error. Whether it took effect is judged by `observe`.
        Redirected, with nothing done, where a step cannot be taken back for certain and another way is wanted now.
        """
        ...

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """What speaks against going on past `gate`, one sentence each; empty when it passes.

        GateFailed when it cannot pass however long one waits.
        """
        ...


async def run_cutover(
    actuator: Actuator, strategy: Strategy, settings: Settings, clock: Clock, emit: Listener, shoot: str
) -> None:
    """Bring the cluster of `actuator` to the end of the cut-over; return at once when nothing remains.

    Raises GateFailed when a precondition or a gate is not met (before anything is changed, where that can be foreseen),
    Unsupported when aliases turn out to carry nothing, InvariantBroken for a defect of the plan, and the actuator's own
    error when it is not to be retried. Before the GateFailed of a gate goes up, its stage has been rolled back where
    the strategy knows the way.
    """
    await _Run(actuator, strategy, settings, clock, emit, shoot).to_the_end()


class _Run:
    """One run: the actuator, the plan, and the three small memories that live as long as the run."""

    def __init__(
        self,
        actuator: Actuator,
        strategy: Strategy,
        settings: Settings,
        clock: Clock,
        emit: Listener,
        shoot: str,
        memory: Memory | None = None,
    ) -> None:
        self._actuator = actuator
        self._strategy = strategy
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._shoot = shoot
        self._memory = memory or Memory(clock)
        self._patience = Patience(settings)
        self._odometer = Odometer(strategy, settings)
        self._blackout = BlackoutWatch()

    async def to_the_end(self) -> None:
        facts = await self._observe()
        if not facts.unreachable and (problems := obstacles(self._strategy, facts, self._settings)):
            raise GateFailed("; ".join(problems))
        self._blackout.begin(facts, self._clock.now())
        if self._next(facts) is not None:
            self._foretell(facts)
        while (transition := self._next(facts)) is not None:
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
                facts = await self._take(transition, facts)
            except Redirected as error:
                self._failed(transition, str(error), final=False)
                raise
            except GateFailed as error:
                stage = self._strategy.retreats.get(transition.id)
                self._failed(transition, str(error), final=stage is None)
                if stage is None:
                    raise
                if (because := reason(await self._observe())) is not None:
                    told = f"{error}; {await self._retreat(UNMATCHED, Stage.ROUTES)}"
                    raise Unsupported(told, because) from error
                told = f"{error}; {await self._retreat(way_back(stage), stage)}"
                if isinstance(error, Unsupported):
                    raise Unsupported(told, error.because) from error
                raise GateFailed(told) from error
            except DualstackError as error:
                self._failed(transition, str(error), final=True)
                raise

    async def _retreat(self, way: Strategy, stage: Stage) -> str:
        """Roll back to `stage`, in the order that loses nothing more; what came of it, as a clause."""
        back = _Run(self._actuator, way, self._settings, self._clock, self._emit, self._shoot, self._memory)
        try:
            await back.to_the_end()
        except (GateFailed, ComputeError, KubeError) as error:
            return f"the stage cannot be rolled back, so that everything rests as it is: {error}"
        return f"the stage was rolled back to {stage.words}"

    def _foretell(self, facts: CutoverFacts) -> None:
        """Before anything is done, what it is going to cost."""
        self._emit(
            OutageExpected(
                at=self._clock.now(),
                shoot=self._shoot,
                seconds=0.0 if self._strategy.lossless else outage(self._strategy, facts, self._settings),
                detail=describe_outage(self._strategy, facts, self._settings),
            )
        )

    def _next(self, facts: CutoverFacts) -> Transition | None:
        return self._strategy.next_transition(facts, self._settings)

    async def _take(self, transition: Transition, facts: CutoverFacts) -> CutoverFacts:
        """Try the step once and return what is there then, whether or not it succeeded."""
        match transition:
            case Barrier():
                return await self._wait(transition, facts)
            case Gate():
                return await self._pass(transition, facts)
            case _:
                return await self._perform(transition, facts)

    async def _perform(self, transition: Transition, facts: CutoverFacts) -> CutoverFacts:
        if problems := transition.precondition(facts):
            raise GateFailed("; ".join(problems))
        check(self._strategy.invariants, facts, transition)
        self._patience.begin(transition)
        begun = self._clock.now()
        try:
            await self._actuator.perform(transition)
        except (ComputeError, KubeError) as error:
            wait = self._patience.wait_after(error)
            if wait is None:
                raise
            return self._seen(await self._again(transition, str(error), wait), begun)
        facts = self._seen(await self._observe(), begun)
        if transition.done(facts):
            self._finished(transition, facts)
            return facts
        wait = self._patience.wait_unseen()
        if wait is None:
            raise GateFailed(f"the cloud reports success, but what was asked for is not there{transition.doubt}")
        return await self._again(transition, "its whole effect does not show yet", wait)

    def _seen(self, facts: CutoverFacts, begun: float) -> CutoverFacts:
        """`facts`, once the watch over blackouts has taken them."""
        now = self._clock.now()
        if (over := self._blackout.follow(facts, begun=begun, now=now)) is not None:
            self._emit(OutageMeasured(at=now, shoot=self._shoot, seconds=over[0], detail=over[1]))
        return facts

    async def _wait(self, barrier: Barrier, facts: CutoverFacts) -> CutoverFacts:
        """Wait until the barrier opens, or until what is observed makes another step the next one.

        A change of one of its aspects closes the barrier again; one that never comes to rest fails.
        """
        deadline = self._clock.now() + barrier.seconds * self._settings.attempts
        while self._next(facts) == barrier:
            if self._clock.now() > deadline:
                raise GateFailed(f"{' and '.join(barrier.aspects)} keep changing")
            await self._clock.sleep(min(barrier.remaining(facts), self._settings.look_every(len(facts.nodes))))
            facts = await self._observe()
        return self._left(barrier, facts, passed=barrier.remaining(facts) <= 0)

    async def _pass(self, gate: Gate, facts: CutoverFacts) -> CutoverFacts:
        """Check until the gate passes, its patience is over, or another step has become the next one."""
        begun = looked = self._clock.now()
        while problems := await self._insist(partial(self._actuator.check, gate, facts)):
            if self._clock.now() >= begun + self._patience_with(facts):
                told = "; ".join(problems)
                raise Unsupported(told, gate.means) if gate.means and gate.means in problems else GateFailed(told)
            await self._clock.sleep(self._settings.observe_every / 2)
            facts, looked = await self._observe(), self._clock.now()
            if self._next(facts) != gate:
                return self._left(gate, facts, passed=False)
        self._memory.note_passed(gate)
        # What follows may be destructive, so it is planned from what is there now.
        fresh = self._clock.now() - looked <= FRESH
        return self._left(gate, self._memory.recall(facts) if fresh else await self._observe(), passed=True)

    def _patience_with(self, facts: CutoverFacts) -> float:
        if facts.unserved:
            return 0.0
        return self._settings.complaint_patience if facts.unmatched else self._settings.gate_patience

    def _left(self, transition: Barrier | Gate, facts: CutoverFacts, *, passed: bool) -> CutoverFacts:
        if passed:
            self._finished(transition, facts)
        else:
            self._failed(transition, "something changed underneath; planned again", final=False)
        return facts

    async def _again(self, transition: Transition, reason: str, wait: float) -> CutoverFacts:
        self._failed(transition, f"{reason}; planned again in {wait:.0f} s", final=False)
        await self._clock.sleep(wait)
        return await self._observe()

    async def _observe(self) -> CutoverFacts:
        return self._memory.recall(await self._insist(self._actuator.observe))

    async def _insist(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Read again for as long as there is a reason to."""
        patience = Patience(self._settings)
        while True:
            try:
                return await read()
            except (ComputeError, KubeError) as error:
                wait = patience.wait_after(error)
                if wait is None:
                    raise
                await self._clock.sleep(wait)

    def _finished(self, transition: Transition, facts: CutoverFacts) -> None:
        self._patience.succeeded(transition)
        now = self._clock.now()
        self._emit(StepFinished(at=now, shoot=self._shoot, step=transition.id, detail=transition.describe()))
        self._emit(self._odometer.read(facts, transition.id, now, self._shoot))

    def _failed(self, transition: Transition, reason: str, *, final: bool) -> None:
        self._emit(StepFailed(at=self._clock.now(), shoot=self._shoot, step=transition.id, detail=reason, final=final))
