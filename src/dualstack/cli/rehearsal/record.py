"""Records one run: phases, steps, constraints, counts. Times are simulated seconds since the edit that started it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dualstack.cli.rehearsal.progress_limit import ProgressLimit
from dualstack.cli.rehearsal.result import ConstraintChange, Notice, Phase
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.model import events
from dualstack.model.events import PHASES, PHASES_BACK, AnyEvent, Progress
from dualstack.model.kinds import Manifest

Appearance = tuple[str, str | None, str | None, str | None]
"""Type, status, reason and message of a changed constraint; None for a removed one."""

MIGRATION_CONSTRAINTS = (NODES_MIGRATION, DNS_MIGRATION)

GOLDEN_CONSTRAINTS: tuple[Appearance, ...] = (
    (NODES_MIGRATION, "Progressing", "NodesNotMigrated", "Migrating node pod CIDRs to match target network stack."),
    (NODES_MIGRATION, "True", "NodesMigrated", "All node pod CIDRs migrated to target network stack."),
    (NODES_MIGRATION, None, None, None),
    (DNS_MIGRATION, "Progressing", "DNSServiceMigration", "The shoot is migrating the kube-dns service."),
    (DNS_MIGRATION, "True", "DNSServiceMigration", "The coreDNS pods are ready for DNS service migration."),
    (DNS_MIGRATION, None, None, None),
)
"""Every change of a migration, in order (docs/reference/gardener.md#migration-constraints)."""

GOLDEN_CONSTRAINTS_BACK: tuple[Appearance, ...] = (
    (NODES_MIGRATION, "True", "NodesMigrating", "Node pod CIDRs are currently migrated to target network stack."),
    (NODES_MIGRATION, None, None, None),
)
"""Every change of the way back, in order: rules D, K and J (docs/reference/gardener.md#rule-d)."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Where a run goes. `edit`: the merge patch of the Shoot that starts it. `constraints`: the expected changes."""

    edit: Mapping[str, Any]
    phases: tuple[str, ...]
    constraints: tuple[Appearance, ...]


FORWARD = Direction({"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}, PHASES, GOLDEN_CONSTRAINTS)
BACK = Direction(
    {
        "spec": {
            "networking": {"ipFamilies": ["IPv4"]},
            # Forbidden for an IPv4-only Shoot (docs/reference/gardener.md#mask-blocks-rollback).
            "kubernetes": {"kubeControllerManager": {"nodeCIDRMaskSizeIPv6": None}},
        }
    },
    PHASES_BACK,
    GOLDEN_CONSTRAINTS_BACK,
)


def migration_constraints(shoot: Manifest) -> dict[str, tuple[Any, ...]]:
    """Status, reason and message of each migration constraint of the Shoot, by type."""
    return {
        entry["type"]: (entry["status"], entry["reason"], entry["message"])
        for entry in shoot.get("status", {}).get("constraints") or []
        if entry["type"] in MIGRATION_CONSTRAINTS
    }


def at_rest(shoot: Manifest) -> bool:
    """Whether the Shoot's last operation succeeded for its current spec and no migration constraint is left."""
    return (
        not migration_constraints(shoot)
        and shoot["status"]["lastOperation"]["state"] == "Succeeded"
        and shoot["status"].get("observedGeneration") == shoot["metadata"]["generation"]
    )


MAX_SAME_FAILURES = 5
"""A run is stuck when the operator has given up one step this many times for the same reason."""


@dataclass(slots=True)
class Step:
    """The current step, or the last one."""

    name: str
    detail: str
    since: float
    targets: tuple[str, ...] = ()
    state: str = "running"


@dataclass(slots=True)
class Record:
    """Collects the operator's events and the Shoot's constraints during one run."""

    direction: Direction = FORWARD
    origin: float = 0.0
    """When the edit was made, in seconds since the Unix epoch of the rehearsal's clock."""
    phases: list[Phase] = field(default_factory=list)
    constraints: list[ConstraintChange] = field(default_factory=list)
    step: Step | None = None
    failures: list[str] = field(default_factory=list)
    progress: Progress | None = None
    notices: list[Notice] = field(default_factory=list)
    progress_limit: ProgressLimit = field(default_factory=lambda: ProgressLimit(0.0))
    strategies: list[str] = field(default_factory=list)
    """The strategies that were chosen, in order; after a restart in the middle it may be another."""
    announced: float = 0.0
    """The longest outage that was announced as possible, in seconds."""
    measured: list[events.OutageMeasured] = field(default_factory=list)
    """The outages that were measured. Unlike other times, theirs are in seconds since the epoch."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Steps that the operator gave up for a reason that replanning does not remove, with counts."""
    _shown: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def add(self, event: AnyEvent) -> None:
        """Add an event of the operator. A phase that starts again after a crash keeps its first start."""
        at = self.since(event.at)
        self.progress_limit.see(event, at)
        match event:
            case events.PhaseStarted(phase=name):
                if not any(phase.name == name for phase in self.phases):
                    self.phases.append(Phase(name, at, None))
            case events.PhaseFinished(phase=name):
                self.phases = [
                    Phase(phase.name, phase.started_at, at) if phase.name == name else phase for phase in self.phases
                ]
            case events.StepStarted(step=name, detail=detail, targets=targets):
                self.step = Step(name, detail, at, targets)
            case events.StepFinished(step=name, detail=detail):
                if self.step and self.step.name == name:
                    self.step = replace(self.step, state="done", detail=detail or self.step.detail)
            case events.StepFailed(step=name, detail=detail, final=final):
                self.refusals[f"{name}: {detail}"] += final
                self.failures.append(f"{name}: {detail}")
                if self.step and self.step.name == name:
                    self.step = replace(self.step, state="failed", detail=detail)
            case Progress():
                self.progress = event
            case _:
                self._announce(event, at)

    def _announce(self, event: AnyEvent, at: float) -> None:
        match event:
            case events.Notice(reason=reason, detail=detail):
                self.notices.append(Notice(at, reason, detail))
            case events.StrategyChosen(strategy=name):
                self.strategies.append(name)
            case events.OutageExpected(at_most=at_most):
                self.announced = max(self.announced, at_most)
            case events.OutageMeasured():
                self.measured.append(event)
            case _:
                pass

    def since(self, at: float) -> float:
        """Seconds from the edit to `at`; 0 for what happened before it."""
        return max(0.0, round(at - self.origin, 3)) if self.origin else 0.0

    def see_shoot(self, shoot: Manifest, at: float) -> list[ConstraintChange]:
        """Add the changes of the Shoot's migration constraints since the last call; returns them, removals first."""
        now = migration_constraints(shoot)
        at = self.since(at)
        changes = [ConstraintChange(at, name, None, None, None) for name in self._shown if name not in now]
        changes += [ConstraintChange(at, name, *shown) for name, shown in now.items() if self._shown.get(name) != shown]
        self._shown = dict(now)
        self.constraints += changes
        return changes

    def see_phase(self, now: str | None, at: float, shoot: str, tell: Callable[[AnyEvent, Record], None]) -> None:
        """Add the phase that the Shoot shows at `at`, in seconds since the epoch; `tell` takes the events of that.

        An operator that reports the phases of the infrastructure does so earlier, and to the point.
        """
        current = self.current_phase()
        if now is None and current != self.direction.phases[-1]:
            return
        order = self.direction.phases
        if now is not None and current in order and order.index(now) <= order.index(current):
            return
        found: list[AnyEvent] = [events.PhaseFinished(at=at, shoot=shoot, phase=current)] if current else []
        if now is not None and not any(phase.name == now for phase in self.phases):
            found.append(events.PhaseStarted(at=at, shoot=shoot, phase=now))
        for event in found:
            self.add(event)
            tell(event, self)

    def stuck_on(self) -> str | None:
        """The step and reason on which the run is stuck, if any."""
        return next((refusal for refusal, times in self.refusals.items() if times >= MAX_SAME_FAILURES), None)

    def completed(self) -> bool:
        """Whether the last expected constraint has been removed."""
        last = self.constraints[-1:]
        return [(change.type, change.status) for change in last] == [(self.direction.constraints[-1][0], None)]

    def close_phases(self) -> None:
        """End the phases whose end was never reported because the operator was killed just then."""
        at = self.constraints[-1].at if self.constraints else 0.0
        self.phases = [
            Phase(phase.name, phase.started_at, max(at, phase.started_at)) if phase.finished_at is None else phase
            for phase in self.phases
        ]

    def current_phase(self) -> str | None:
        """The current phase, or None between phases."""
        return next((phase.name for phase in reversed(self.phases) if phase.finished_at is None), None)

    def started(self, phase: str) -> float | None:
        """When the phase began; None if it did not."""
        return next((entry.started_at for entry in self.phases if entry.name == phase), None)

    def finished(self, phase: str) -> bool:
        """Whether the operator reported the end of the phase."""
        return any(entry.name == phase and entry.finished_at is not None for entry in self.phases)
