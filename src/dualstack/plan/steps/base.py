"""The base of all steps of the cut-over, and the two kinds that change nothing: barriers wait, gates check.

`effect` is exact and idempotent: a transition is done when its effect no longer changes the observed facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from dualstack.model.enumeration import listed
from dualstack.plan.facts import Aspect, CutoverFacts


@dataclass(frozen=True)
class Transition(ABC):
    """One planned step. `targets` are names of VMs or of routes; empty for a step on the subnet or the controller."""

    targets: tuple[str, ...] = ()
    changes: ClassVar[tuple[Aspect, ...]] = ()
    """The aspects that the step changes."""
    method: ClassVar[str] = ""
    """The Compute method that it calls for each target, or once for the subnet; empty for steps of several methods."""
    no_effect_hint: ClassVar[str] = ""
    """Appended to the error when the cloud reports success but the effect is never visible."""

    @property
    @abstractmethod
    def id(self) -> str:
        """The step's name in events (docs/objects.md)."""

    def precondition(self, facts: CutoverFacts) -> list[str]:
        """Reasons not to perform the step now, one sentence each; empty when it may be performed."""
        del facts
        return []

    @abstractmethod
    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        """The facts after the step. Skips targets that no longer exist."""

    def done(self, facts: CutoverFacts) -> bool:
        """Whether the observed `facts` show the whole effect."""
        return self.effect(facts) == facts

    def describe(self) -> str:
        """The targets, abbreviated."""
        return listed(self.targets)


@dataclass(frozen=True, kw_only=True)
class Barrier(Transition):
    """Waits until `aspects` have not changed for `seconds`; by then every host has applied the last change
    (docs/reference/cut-over.md#barriers)."""

    what: str
    aspects: tuple[Aspect, ...]
    seconds: float

    @property
    def id(self) -> str:
        return f"barrier-{self.what}"

    def remaining(self, facts: CutoverFacts) -> float:
        """Seconds left to wait; zero or less when the barrier is open."""
        return self.seconds - facts.quiet_for(*self.aspects)

    def if_closed(self, facts: CutoverFacts) -> Barrier | None:
        """The barrier while it is closed; None when it is open."""
        return self if self.remaining(facts) > 0 else None

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        waited = facts.after(max(0.0, self.remaining(facts)))
        known = {aspect: max(self.seconds, waited.quiet_for(aspect)) for aspect in self.aspects}
        return waited.with_runtime_state(quiet={**waited.quiet, **known})

    def describe(self) -> str:
        return f"{' and '.join(self.aspects)} unchanged for {self.seconds:g} s"


@dataclass(frozen=True)
class Proof(Transition):
    """A step that proves something and leaves no change behind. It must pass again when one of `aspects` changes."""

    aspects: tuple[Aspect, ...] = ()

    def if_unpassed(self, facts: CutoverFacts) -> Self | None:
        """The step until it has passed."""
        return None if self.id in facts.passed else self

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return facts.with_runtime_state(passed={**facts.passed, self.id: self.aspects})


@dataclass(frozen=True)
class Gate(Proof):
    """A read-only check that must pass before the next step. `dualstack.plan.gates` has all gates and their rules.

    needs_range: the pod range must be there. needs_aliases: every alias in it must be its VM's pod CIDR and first in
    the list. needs_saved: every route of the cluster must be saved; not on the way back, which creates routes.
    needs_settled: no node may have joined or left a moment ago, because a trial follows.
    failure_implies: what the cloud does not do when nothing but the subject of this gate fails.
    """

    what: str = ""
    needs_range: bool = True
    needs_aliases: bool = True
    needs_saved: bool = True
    needs_settled: bool = False
    failure_implies: str = ""

    @property
    def id(self) -> str:
        return f"gate-{self.what}"
