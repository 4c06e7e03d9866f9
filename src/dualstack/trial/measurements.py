"""What a trial has measured, as the answers that a rehearsal and a plan take (docs/evidence.md#profile)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dualstack.model.errors import InvalidInput
from dualstack.trial.document import load

PROPAGATION = "propagation"
"""The experiment that times how changes reach the hosts."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """answers: value by name of a knob. day: of the trial, in UTC. version: of dualstack, which wrote the document.

    longest: seconds until the last host had seen a change, by kind of change as the experiment `propagation` names it.
    """

    answers: Mapping[str, str]
    day: str
    region: str
    version: str
    longest: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """When and where."""
        return f"measured on {self.day} in {self.region}"


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
    if not answers and not longest:
        raise InvalidInput(f"{path}: the trial has measured nothing that a rehearsal could use")
    return Measurements(answers, trial.started_at.partition("T")[0], trial.region, trial.version, longest)
