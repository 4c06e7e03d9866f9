"""The second half of `overlap`, where another program may have deleted the routes."""

from __future__ import annotations

from dataclasses import replace

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import PREPARE
from tests.support.cluster_facts import STOPPED, at_rest, last, restarted

SETTINGS = Settings()
PREPARED = replace(restarted(last(PREPARE, at_rest(3), SETTINGS)), controller=STOPPED)


def steps(facts: CutoverFacts) -> list[str]:
    return [transition.id for transition in FINISH.transitions(facts, SETTINGS)]


def test_aliases_prove_that_they_serve_alone_before_the_flag_is_cleared() -> None:
    """Whichever program deleted the routes."""
    assert steps(replace(PREPARED, routes=())) == ["barrier-aliases", "gate-aliases-alone", "clear-overlap-flag"]
    assert steps(PREPARED)[-3:] == ["gate-aliases-alone", "clear-overlap-flag", "clear-saved-routes"]


def test_it_differs_from_overlap_in_that_gate_alone() -> None:
    whole = [transition.id for transition in OVERLAP.transitions(PREPARED, SETTINGS)]
    assert [step for step in steps(PREPARED) if step != "gate-aliases-alone"] == whole


def test_a_finished_cluster_needs_nothing() -> None:
    assert steps(last(FINISH, PREPARED, SETTINGS)) == []
