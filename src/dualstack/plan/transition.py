"""What a step of the cut-over is, and the two kinds that change nothing: barriers wait, gates check.

`effect` is exact and idempotent: a transition is done when its effect no longer changes the observed facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from dualstack.plan.facts import Aspect, CutoverFacts


@dataclass(frozen=True)
class Transition(ABC):
    """One planned step. `targets` are names of VMs or of routes, empty for a step on the subnet or the controller."""

    targets: tuple[str, ...] = ()
    changes: ClassVar[tuple[Aspect, ...]] = ()
    """The aspects that the step changes."""
    doubt: ClassVar[str] = ""
    """What it means when the cloud reports success but the effect never shows; continues a sentence."""

    @property
    @abstractmethod
    def id(self) -> str:
        """The step's name in events (docs/objects.md)."""

    def precondition(self, facts: CutoverFacts) -> list[str]:
        """What speaks against performing the step now, one sentence each; empty when it may be performed."""
        del facts
        return []

    @abstractmethod
    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        """The facts once the step has been performed. Targets that have vanished meanwhile are skipped."""

    @abstractmethod
    def inverse(self) -> Transition | str:
        """The step that takes this one back, or why there is none."""

    def done(self, facts: CutoverFacts) -> bool:
        """The observed `facts` show the whole effect."""
        return self.effect(facts) == facts

    def describe(self) -> str:
        """What is touched, in a few words."""
        count = len(self.targets)
        return ", ".join(self.targets) if count <= 3 else f"{', '.join(self.targets[:2])} and {count - 2} more"


@dataclass(frozen=True)
class Barrier(Transition):
    """Wait until `aspects` have been quiet for `seconds`: by then every host must have seen what was issued (R5)."""

    what: str = ""
    aspects: tuple[Aspect, ...] = ()
    seconds: float = 0.0

    @property
    def id(self) -> str:
        return f"barrier-{self.what}"

    def remaining(self, facts: CutoverFacts) -> float:
        """Seconds still to wait; zero or less when the barrier is open."""
        return self.seconds - facts.quiet_for(*self.aspects)

    def if_closed(self, facts: CutoverFacts) -> Barrier | None:
        """The barrier while there is something to wait for."""
        return self if self.remaining(facts) > 0 else None

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        waited = facts.after(max(0.0, self.remaining(facts)))
        known = {aspect: max(self.seconds, waited.quiet_for(aspect)) for aspect in self.aspects}
        return waited.remembering(quiet={**waited.quiet, **known})

    def inverse(self) -> Transition | str:
        return "time does not run back"

    def describe(self) -> str:
        return f"{' and '.join(self.aspects)} quiet for {self.seconds:g} s"


@dataclass(frozen=True)
class Gate(Transition):
    """A check that must pass before the next step; it has to pass again when one of `aspects` changes.

    What is checked is the same at each, whatever is there by then: every alias is its VM's pod CIDR and first in the
    list, Nodes are Ready and complain of no network, nobody else's route lies in the range, cloud-controller-manager is
    still away. A drill tries besides whether the cloud takes a route; a decoy's gate asks those who probe it.

    `means`: what a failure says about the cloud; whoever checks adds it to the problems if they come from nothing else.
    """

    what: str = ""
    aspects: tuple[Aspect, ...] = ()
    means: str = ""

    @property
    def id(self) -> str:
        return f"gate-{self.what}"

    def if_unpassed(self, facts: CutoverFacts) -> Gate | None:
        """The gate until it has passed."""
        return None if self.id in facts.passed else self

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return facts.remembering(passed={**facts.passed, self.id: self.aspects})

    def inverse(self) -> Transition | str:
        return "a check changes nothing"
