"""What a reconcile reports: phases, steps and counts as events, and errors that name their task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dualstack.clock import Clock
from dualstack.gardener.error_codes import CodedError, error_codes
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
    Waiting,
)
from dualstack.model.kinds import Manifest


class TaskFailed(CodedError):
    """An error and the task in which it occurred, in Gardener's format (docs/reference/gardener.md#task-errors).

    It has the error codes of its cause.
    """

    def __init__(self, task: str, cause: DualstackError) -> None:
        super().__init__(f'failed to "{task}": {cause}')
        self.task = task
        self.codes = error_codes(cause)
        self.retry_after = cause.retry_after

    def append(self, consequence: str) -> None:
        """Add to the message what the failure means for the cluster."""
        self.args = (f"{self}; {consequence}",)


def as_failure(defect: Exception) -> DualstackError:
    """What a status shows of an exception that no code expects: not for the log alone, because others wait."""
    return DualstackError(f"defect of dualstack, which its log has in full: {type(defect).__name__}: {defect}")


@contextmanager
def task(name: str) -> Iterator[None]:
    """Turn a DualstackError that leaves the block into a TaskFailed of this task."""
    try:
        yield
    except TaskFailed:
        raise
    except DualstackError as error:
        raise TaskFailed(name, error) from error


class Reporter:
    """Reports the progress of one Shoot to a listener. It remembers only what it reported last."""

    def __init__(self, emit: Listener, clock: Clock, shoot: str) -> None:
        self._emit = emit
        self._clock = clock
        self._shoot = shoot
        self._phase: str | None = None
        self._counts: tuple[int, int] | None = None

    def enter(self, phase: str) -> None:
        """Start a phase and finish the one before it; nothing to report when the phase is the current one."""
        if phase == self._phase:
            return
        self.leave()
        self._phase = phase
        self._emit(PhaseStarted(at=self._clock.now(), shoot=self._shoot, phase=phase))

    def leave(self, phase: str | None = None) -> None:
        """Finish the current phase; with `phase`, only if it is the current one."""
        if self._phase is not None and phase in (None, self._phase):
            self._emit(PhaseFinished(at=self._clock.now(), shoot=self._shoot, phase=self._phase))
            self._phase = None

    @contextmanager
    def phase(self, name: str, *, silent: bool = False) -> Iterator[None]:
        """Report the block as a phase, which is finished only when the block ends without an error."""
        if not silent:
            self._emit(PhaseStarted(at=self._clock.now(), shoot=self._shoot, phase=name))
        yield
        if not silent:
            self._emit(PhaseFinished(at=self._clock.now(), shoot=self._shoot, phase=name))

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """Report the block as a step that changes something; a DualstackError fails the step and passes through."""
        self._emit(StepStarted(at=self._clock.now(), shoot=self._shoot, step=name, detail=detail))
        try:
            yield
        except DualstackError as error:
            self.step_failed(name, str(error))
            raise
        self._emit(StepFinished(at=self._clock.now(), shoot=self._shoot, step=name, detail=detail))

    def step_failed(self, name: str, detail: str, *, final: bool = False) -> None:
        """Report that a step failed; `final` when it is not retried."""
        self._emit(StepFailed(at=self._clock.now(), shoot=self._shoot, step=name, detail=detail, final=final))

    def notice(self, reason: str, detail: str) -> None:
        """Report what the owner of the cluster should know before it happens."""
        self._emit(Notice(at=self._clock.now(), shoot=self._shoot, reason=reason, detail=detail))

    def waiting(self, detail: str, since: float) -> None:
        """Report a wait that has not come further since `since`."""
        self._emit(Waiting(at=self._clock.now(), shoot=self._shoot, since=since, detail=detail))

    def nodes(self, nodes: Iterable[Manifest]) -> None:
        """Report the numbers of nodes and of dual-stack nodes if they changed. No route is left at this stage."""
        cidrs = [tuple(node["spec"].get("podCIDRs") or ()) for node in nodes]
        counts = (len(cidrs), sum(set(families(entry)) == {"IPv4", "IPv6"} for entry in cidrs))
        if counts == self._counts:
            return
        self._counts = counts
        total, dual = counts
        self._emit(Progress(at=self._clock.now(), shoot=self._shoot, nodes=total, nodes_dual_stack=dual, routes_left=0))
