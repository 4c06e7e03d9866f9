"""docs/evidence.md has every open fact with the experiment that settles it."""

from __future__ import annotations

from dualstack.trial.experiments.registry import EXPERIMENTS
from tests.support.pages import ROOT


def test_the_page_has_a_row_for_every_question_of_every_experiment() -> None:
    page = (ROOT / "docs/evidence.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for experiment in EXPERIMENTS:
        for question in experiment.questions:
            found = [row for row in rows if f"`{experiment.name}`" in row and question.id in row]
            assert found, question.id
            assert not question.knob or f"`{question.knob}`" in found[0], question.id
