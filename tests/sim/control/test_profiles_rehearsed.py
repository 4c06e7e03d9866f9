"""A rehearsal under a profile: it names the profile, and under the worst it stops before anything is lost."""

from __future__ import annotations

import pytest

from dualstack.cli.rehearsal.record import Record
from dualstack.model.events import StepFailed
from tests.sim.rehearsal.command import rehearse


def failed(detail: str, *, final: bool = True) -> StepFailed:
    return StepFailed(at=1.0, shoot="shoot--foo--bar", step="set-overlap-flag", detail=detail, final=final)


def test_giving_up_five_times_for_one_reason_is_hopeless() -> None:
    record = Record()
    for _ in range(4):
        record.hear(failed("unknown to this version"))
        record.hear(failed("busy"))
        record.hear(failed("planned again", final=False))
        record.hear(failed("planned again", final=False))
    assert record.hopeless() is None
    record.hear(failed("unknown to this version"))
    assert record.hopeless() == "set-overlap-flag: unknown to this version"


@pytest.mark.slow
def test_under_the_pessimistic_profile_the_product_stops_before_loss() -> None:
    outcome = rehearse("--profile", "pessimistic")
    assert outcome.status == 1
    assert outcome.result["profile"] == "pessimistic"
    assert "does not know allowSubnetCidrRoutesOverlap" in outcome.result["reason"]
    assert outcome.result["traffic"]["blackoutSeconds"] == {"max": 0.0, "p99": 0.0, "total": 0.0}


@pytest.mark.slow
def test_a_knob_is_named_and_what_the_verdict_rests_on_is_told() -> None:
    outcome = rehearse("--knob", "K1=allow", "--knob", "propagation=prompt")
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded")
    assert outcome.result["profile"] == "documented with new-route-in-flagged-range=allow, propagation=prompt"
    assumptions = outcome.result["assumptions"]
    assert any("at most 0.5 s after" in assumption for assumption in assumptions)
    assert any("(rule aliases.routes-not-asked; " in assumption for assumption in assumptions)
