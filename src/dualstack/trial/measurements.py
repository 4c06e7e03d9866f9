"""What a trial has measured, as the answers that a rehearsal and a plan take (docs/evidence.md#profile)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dualstack.model.errors import InvalidInput
from dualstack.trial.document import load

PROPAGATION = "propagation"
"""The experiment that times how changes reach the hosts."""
TRANSITIONS = "transitions"
"""The experiment that takes a subnet through the states of a cut-over."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """answers: value by name of a knob. day: of the trial, in UTC. version: of dualstack, which wrote the document.

    longest: seconds until the last host had seen a change, by kind of change as the experiment `propagation` names it.
    lost: what transitions of a cut-over lost, by the id of the fact.
    """

    answers: Mapping[str, str]
    day: str
    region: str
    version: str
    longest: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """When and where."""
        return f"measured on {self.day} in {self.region}"

    @property
    def risks(self) -> tuple[str, ...]:
        """What no strategy avoids, a clause each (docs/evidence.md#profile)."""
        found = [f"the transition of {fact} {answer}, {self.describe()}" for fact, answer in self.lost.items()]
        if self.answers.get("established-flows") == "break":
            found.append(
                "every TCP connection between pods on different nodes breaks once, when its packets change from a "
                f"route to an alias: established-flows is break, {self.describe()}"
            )
        return tuple(found)


def read_measurements(path: Path) -> Measurements:
    """The answers of a document of `dualstack trial`. InvalidInput for another document, and for one without any."""
    trial = load(path)
    answers: dict[str, str] = {}
    for fact in trial.facts:
        for name, value in fact.knobs.items():
            if answers.setdefault(name, value) != value:
                raise InvalidInput(f"{path}: {name} was measured as {answers[name]} and, by {fact.id}, as {value}")
    longest = {
        change: times.longest
        for fact in trial.facts
        if fact.experiment == PROPAGATION
        for change, times in fact.seconds.items()
    }
    lost = {
        fact.id: fact.answer
        for fact in trial.facts
        if fact.experiment == TRANSITIONS and fact.answer.startswith("lost ")
    }
    if not answers and not longest:
        raise InvalidInput(f"{path}: the trial has measured nothing that a rehearsal could use")
    return Measurements(answers, trial.started_at.partition("T")[0], trial.region, trial.version, longest, lost)
