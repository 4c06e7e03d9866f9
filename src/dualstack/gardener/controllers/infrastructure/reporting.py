"""Phases, steps and tasks of one reconcile: what listeners hear, and how an error names the task it came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gardener.error_codes import CodedError, error_codes
from dualstack.model.errors import DualstackError
from dualstack.model.events import Listener, PhaseFinished, PhaseStarted, StepFailed, StepFinished, StepStarted


class TaskFailed(CodedError):
    """An error with the task in which it happened, as Gardener words it (gardener-behaviour.md 4.2); its codes stay."""

    def __init__(self, task: str, cause: DualstackError) -> None:
        super().__init__(f'failed to "{task}": {cause}')
        self.task = task
        self.codes = error_codes(cause)
        self.retry_after = cause.retry_after

    def tell(self, what: str) -> None:
        """Add what the failure means meanwhile."""
        self.args = (f"{self}; {what}",)


@contextmanager
def task(name: str) -> Iterator[None]:
    """Names the task in whatever DualstackError leaves the block."""
    try:
        yield
    except TaskFailed:
        raise
    except DualstackError as error:
        raise TaskFailed(name, error) from error


@dataclass(frozen=True, slots=True)
class Reporter:
    """Tells the listener where the reconcile of one Shoot stands."""

    emit: Listener
    clock: Clock
    shoot: str

    @contextmanager
    def phase(self, name: str, *, silent: bool = False) -> Iterator[None]:
        """A phase of the migration; it is finished only when the block ends without an error."""
        if not silent:
            self.emit(PhaseStarted(at=self.clock.now(), shoot=self.shoot, phase=name))
        yield
        if not silent:
            self.emit(PhaseFinished(at=self.clock.now(), shoot=self.shoot, phase=name))

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """A step that acts; opened only when there is something to do."""
        self.emit(StepStarted(at=self.clock.now(), shoot=self.shoot, step=name, detail=detail))
        try:
            yield
        except DualstackError as error:
            self.emit(StepFailed(at=self.clock.now(), shoot=self.shoot, step=name, detail=str(error)))
            raise
        self.emit(StepFinished(at=self.clock.now(), shoot=self.shoot, step=name, detail=detail))
