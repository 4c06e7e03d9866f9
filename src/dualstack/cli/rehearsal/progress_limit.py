"""When a run has failed because nothing new happens: progress is distinguished from repetition."""

from __future__ import annotations

from dualstack.model import events
from dualstack.model.events import AnyEvent

SILENCE = 3 * 3600.0
"""Simulated seconds without anything new after which a run has failed; a machine that is not created takes 20 minutes
to fail."""

QUIET = 900.0
"""Simulated seconds without anything new after which no time to the end is shown: one node takes 600."""

RESERVE, FACTOR = 6 * 3600.0, 4.0
"""A run may take so many times its typical duration, and so many simulated seconds more."""


class ProgressLimit:
    """Watches the operator's events. `typical`: the usual duration of the run in simulated seconds."""

    def __init__(self, typical: float) -> None:
        self._longest = FACTOR * typical + RESERVE
        self._seen: set[tuple[object, ...]] = set()
        self._new_at = 0.0
        self._heard_at = 0.0
        self._last = "the operator has not begun"
        self._failure = ""

    def see(self, event: AnyEvent, at: float) -> None:
        """Take an event, `at` simulated seconds after the start of the run."""
        self._heard_at = max(self._heard_at, at)
        match event:
            case events.PhaseStarted(phase=name) | events.PhaseFinished(phase=name):
                self._note(at, type(event), name)
            case events.StepStarted(step=step, detail=detail, targets=targets):
                self._last = f"last step: {step}{f' {detail}' if detail else ''}"
                self._note(at, type(event), step, targets)
            case events.StepFinished(step=step):
                self._note(at, type(event), step)
            case events.StepFailed(step=step, detail=detail):
                self._failure = f"; last failure: {step}: {detail}"
            case events.Waiting(detail=detail):
                self._failure = f"; {detail}"
            case events.Progress(nodes_dual_stack=dual, routes_left=routes):
                self._note(at, type(event), dual, routes)
            case _:
                pass

    def command_ended(self, name: str, at: float) -> None:
        """Take the end of a command for live clusters, `at` simulated seconds after the start of the run."""
        self._note(at, name)

    def owner_saw(self, state: str, description: str, at: float) -> None:
        """Take the last operation of the Shoot, in a landscape whose programs report nothing else."""
        self._heard_at = max(self._heard_at, at)
        self._last = f"Shoot {state}: {description}"
        if state != "Processing":
            self._note(at, state, description)

    def quiet(self, now: float) -> float | None:
        """For how long nothing new has happened, if that is longer than the replacement of a node takes."""
        length = now - self._new_at
        return length if length > QUIET else None

    def exceeded(self, now: float) -> str | None:
        """Why the run has failed at `now` simulated seconds after its start; None while it may go on."""
        if now - self._new_at > SILENCE:
            what = "no event of the operator" if self._heard_at <= self._new_at else "the operator repeats what it did"
            return f"no progress for {SILENCE / 3600:.0f} simulated hours ({what}); {self._last}{self._failure}"
        if now > self._longest:
            return (
                f"not finished after {now / 3600:.0f} simulated hours, several times the usual duration; "
                f"{self._last}{self._failure}"
            )
        return None

    def _note(self, at: float, *what: object) -> None:
        if what not in self._seen:
            self._seen.add(what)
            self._new_at = max(self._new_at, at)
