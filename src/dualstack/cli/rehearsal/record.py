"""What was seen during a rehearsal: phases, steps, constraints, counts. Times: simulated seconds since the trigger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from dualstack.cli.rehearsal.direction import FORWARD, MIGRATION_CONSTRAINTS, Direction
from dualstack.cli.rehearsal.result import ConstraintChange, Phase, Told
from dualstack.model.events import (
    AnyEvent,
    Notice,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
    StrategyChosen,
)
from dualstack.model.kinds import Manifest


def migration_constraints(shoot: Manifest) -> dict[str, tuple[Any, ...]]:
    """Status, reason and message of each migration constraint that the Shoot shows, by type."""
    return {
        entry["type"]: (entry["status"], entry["reason"], entry["message"])
        for entry in shoot.get("status", {}).get("constraints") or []
        if entry["type"] in MIGRATION_CONSTRAINTS
    }


_GIVEN_UP = 5
"""As often as this the same step must be given up for the same reason to be hopeless."""


@dataclass(slots=True)
class Step:
    """The step that runs, or the last that ran."""

    name: str
    detail: str
    since: float
    targets: tuple[str, ...] = ()
    state: str = "running"


@dataclass(slots=True)
class Record:
    """Collects what the operator reports and what the Shoot shows while it goes one way."""

    direction: Direction = FORWARD
    origin: float = 0.0
    """When the trigger was pulled, on the rehearsal's clock."""
    phases: list[Phase] = field(default_factory=list)
    constraints: list[ConstraintChange] = field(default_factory=list)
    step: Step | None = None
    failures: list[str] = field(default_factory=list)
    progress: Progress | None = None
    notices: list[Told] = field(default_factory=list)
    last_heard: float = 0.0
    strategy: str | None = None
    """The strategy that ran last, once it is known."""
    refusals: Counter[str] = field(default_factory=Counter)
    """What was given up for a reason that planning again does not remove, and how often."""
    _shown: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def hear(self, event: AnyEvent) -> None:
        """Take one event of the operator. A phase that is started again after a crash keeps its first start."""
        at = round(event.at - self.origin, 3)
        self.last_heard = max(self.last_heard, at)
        match event:
            case PhaseStarted(phase=name):
                if not any(phase.name == name for phase in self.phases):
                    self.phases.append(Phase(name, at, None))
            case PhaseFinished(phase=name):
                self.phases = [
                    Phase(phase.name, phase.started_at, at) if phase.name == name else phase for phase in self.phases
                ]
            case StepStarted(step=name, detail=detail, targets=targets):
                self.step = Step(name, detail, at, targets)
            case StepFinished(step=name, detail=detail):
                if self.step and self.step.name == name:
                    self.step = replace(self.step, state="done", detail=detail or self.step.detail)
            case StepFailed(step=name, detail=detail, final=final):
                self.refusals[f"{name}: {detail}"] += final
                self.failures.append(f"{name}: {detail}")
                if self.step and self.step.name == name:
                    self.step = replace(self.step, state="failed", detail=detail)
            case Progress():
                self.progress = event
            case Notice(reason=reason, detail=detail):
                self.notices.append(Told(at, reason, detail))
            case StrategyChosen(strategy=name):
                self.strategy = name
            case _:
                pass

    def see_shoot(self, shoot: Manifest, at: float) -> list[ConstraintChange]:
        """Compare the Shoot's migration constraints with what was shown before; the changes, removals first."""
        now = migration_constraints(shoot)
        at = round(at - self.origin, 3)
        changes = [ConstraintChange(at, name, None, None, None) for name in self._shown if name not in now]
        changes += [ConstraintChange(at, name, *shown) for name, shown in now.items() if self._shown.get(name) != shown]
        self._shown = dict(now)
        self.constraints += changes
        return changes

    def hopeless(self) -> str | None:
        """What the operator gave up again and again for the same reason."""
        return next((refusal for refusal, times in self.refusals.items() if times >= _GIVEN_UP), None)

    def went_through(self) -> bool:
        """Whether the last constraint of this way was seen to go."""
        last = self.constraints[-1:]
        return [(change.type, change.status) for change in last] == [(self.direction.constraints[-1][0], None)]

    def close_phases(self) -> None:
        """End the phases whose end was not reported, because the operator was killed in that very instant."""
        at = self.constraints[-1].at if self.constraints else 0.0
        self.phases = [
            Phase(phase.name, phase.started_at, max(at, phase.started_at)) if phase.finished_at is None else phase
            for phase in self.phases
        ]

    def current_phase(self) -> str | None:
        """The phase that runs, or None between phases."""
        return next((phase.name for phase in reversed(self.phases) if phase.finished_at is None), None)

    def finished(self, phase: str) -> bool:
        """Whether the phase was reported to have reached its end."""
        return any(entry.name == phase and entry.finished_at is not None for entry in self.phases)
