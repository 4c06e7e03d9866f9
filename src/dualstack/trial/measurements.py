"""What a trial has measured, as the answers that a rehearsal and a plan take (docs/evidence.md#profile)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dualstack.model.errors import InvalidInput
from dualstack.trial.document import load


@dataclass(frozen=True, slots=True)
class Measurements:
    """answers: value by name of a knob. day: of the trial, in UTC. version: of dualstack, which wrote the document."""

    answers: Mapping[str, str]
    day: str
    region: str
    version: str

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
    if not answers:
        raise InvalidInput(f"{path}: the trial has measured nothing that a rehearsal could use")
    return Measurements(answers, trial.started_at.partition("T")[0], trial.region, trial.version)
