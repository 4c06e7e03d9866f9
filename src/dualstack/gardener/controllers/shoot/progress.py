"""What a run tells the outside: phases, steps and counts, as the events of `dualstack.model.events`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from dualstack.clock import Clock
from dualstack.model.cidr import families
from dualstack.model.errors import DualstackError
from dualstack.model.events import (
    Listener,
    Notice,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
)
from dualstack.model.kinds import Manifest


class Reporter:
    """Reports on one shoot. It remembers only what it has said; what is true it is told each time."""

    def __init__(self, emit: Listener, clock: Clock, shoot: str) -> None:
        self._emit = emit
        self._clock = clock
        self._shoot = shoot
        self._phase: str | None = None
        self._counts: tuple[int, int] | None = None

    def enter(self, phase: str) -> None:
        """The migration is in this phase now; the one before it, if another of ours runs, has reached its end."""
        if phase == self._phase:
            return
        self.leave()
        self._phase = phase
        self._emit(PhaseStarted(at=self._clock.now(), shoot=self._shoot, phase=phase))

    def leave(self) -> None:
        """The current phase has reached its end."""
        if self._phase is not None:
            self._emit(PhaseFinished(at=self._clock.now(), shoot=self._shoot, phase=self._phase))
            self._phase = None

    def leave_if(self, phase: str) -> None:
        """The phase has reached its end, if it is the current one."""
        if self._phase == phase:
            self.leave()

    @asynccontextmanager
    async def step(self, name: str, detail: str = "", targets: tuple[str, ...] = ()) -> AsyncIterator[None]:
        """Report the step around the block; a DualstackError fails it and passes through."""
        self._emit(StepStarted(at=self._clock.now(), shoot=self._shoot, step=name, detail=detail, targets=targets))
        try:
            yield
        except DualstackError as error:
            self.step_failed(name, str(error))
            raise
        self._emit(StepFinished(at=self._clock.now(), shoot=self._shoot, step=name))

    def step_failed(self, name: str, detail: str, *, final: bool = False) -> None:
        """The step did not succeed."""
        self._emit(StepFailed(at=self._clock.now(), shoot=self._shoot, step=name, detail=detail, final=final))

    def notice(self, reason: str, detail: str) -> None:
        """Tell what a person should know before it is done."""
        self._emit(Notice(at=self._clock.now(), shoot=self._shoot, reason=reason, detail=detail))

    def nodes(self, nodes: Iterable[Manifest]) -> None:
        """Report the counts of nodes and of dual-stack nodes, if they have changed; no route is left by then."""
        cidrs = [tuple(node["spec"].get("podCIDRs") or ()) for node in nodes]
        counts = (len(cidrs), sum(set(families(entry)) == {"IPv4", "IPv6"} for entry in cidrs))
        if counts == self._counts:
            return
        self._counts = counts
        total, dual = counts
        self._emit(Progress(at=self._clock.now(), shoot=self._shoot, nodes=total, nodes_dual_stack=dual, routes_left=0))
