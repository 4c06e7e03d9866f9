"""What each strategy assumes about the cloud without a document that says so, by the names of the open questions.

A trial measures them on the real cloud (docs/evidence.md). A strategy whose assumption it contradicts is not chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dualstack.plan.settings import Settings
from dualstack.plan.strategies.compressed import COMPRESSED
from dualstack.plan.strategies.overlap import OVERLAP


@dataclass(frozen=True, slots=True)
class Assumption:
    """question: name of the knob (docs/reference/cut-over.md#knobs). answers: those with which the strategy works."""

    question: str
    answers: tuple[str, ...]
    statement: str

    def contradiction(self, measured: Mapping[str, str]) -> str:
        """As a clause; empty if what was measured does not contradict."""
        answer = measured.get(self.question)
        return f"{self.statement}, but {self.question} is {answer}" if answer not in (None, *self.answers) else ""


@dataclass(frozen=True, slots=True)
class Barrier:
    """A wait for every host to see something. setting: of `Settings`. change: the kind of change that a trial times."""

    seen: str
    setting: str
    change: str

    def contradiction(self, longest: Mapping[str, float]) -> str:
        """As a clause; empty if no host was measured to take longer. longest: seconds by kind of change."""
        limit, seconds = getattr(Settings(), self.setting), longest.get(self.change)
        if seconds is None or seconds <= limit:
            return ""
        return f"every host sees {self.seen} within {limit:g} s, but '{self.change}' took {seconds:g} s"


ASSUMPTIONS: Mapping[str, tuple[Assumption, ...]] = {
    OVERLAP.name: (
        Assumption("overlap-flag", ("shown",), "Compute v1 accepts and shows allowSubnetCidrRoutesOverlap"),
        Assumption(
            "unmatched-to-instances",
            ("yes",),
            "static routes to instances serve the addresses of a hybrid subnet that have no resource",
        ),
        Assumption("alias-over-route", ("accept",), "an interface gets an alias range to which a route leads"),
        Assumption("alias-matched", ("yes",), "an alias range counts as a matched resource of a hybrid subnet"),
    ),
    COMPRESSED.name: (),
}
"""By strategy."""

BARRIERS: Mapping[str, tuple[Barrier, ...]] = {
    OVERLAP.name: (
        Barrier("the overlap flag", "barrier_flag", "range added"),  # it cannot be timed by itself
        Barrier("a range", "barrier_range", "range added"),
        Barrier("an alias", "soak_aliases", "alias added"),
        Barrier("that a route is gone", "barrier_routes", "route removed"),
    ),
    COMPRESSED.name: (),
}
"""The waits on which a strategy relies, by strategy (docs/reference/cut-over.md#barriers)."""

UPSTREAM = Assumption(
    "repeated-alias",
    ("collapsed", "operation"),
    "Compute does not refuse at once an alias that one list names twice, as Gardener sends it for a prepared cluster",
)
"""What the migration of a prepared Gardener shoot assumes besides."""


def contradictions(
    strategy: str, measured: Mapping[str, str], longest: Mapping[str, float], *, gardener: bool = False
) -> tuple[str, ...]:
    """Why a strategy must not be chosen in the cloud as it was measured, each as a clause.

    measured: answers by question. longest: seconds until every host had seen a change, by kind of change.
    """
    assumed = (*ASSUMPTIONS[strategy], *((UPSTREAM,) if gardener else ()))
    found = [each.contradiction(measured) for each in assumed]
    found += [barrier.contradiction(longest) for barrier in BARRIERS[strategy]]
    return tuple(clause for clause in found if clause)


def open_questions(strategy: str, measured: Mapping[str, str], *, gardener: bool = False) -> tuple[str, ...]:
    """The questions on which a strategy rests and that were not measured."""
    assumed = (*ASSUMPTIONS[strategy], *((UPSTREAM,) if gardener else ()))
    return tuple(each.question for each in assumed if each.question not in measured)
