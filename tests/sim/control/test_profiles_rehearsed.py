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
@pytest.mark.parametrize(
    "knobs",
    ["K1=allow", "K2=accept", "K4=fifo", "hybrid-limits=enforced", "route-conflict=request", "propagation=slow"],
)
def test_most_open_questions_may_be_answered_either_way(knobs: str) -> None:
    outcome = rehearse("--knob", knobs)
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded")
    assert outcome.result["traffic"]["blackoutSeconds"]["max"] == 0.0


@pytest.mark.slow
def test_under_the_optimistic_profile_nothing_is_lost() -> None:
    outcome = rehearse("--profile", "optimistic")
    assert (outcome.status, outcome.result["traffic"]["blackoutSeconds"]["max"]) == (0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--knob", "K3=no"), ("--profile", "pessimistic", "--knob", "K5=shown")])
def test_aliases_that_carry_nothing_cost_the_canary_at_most(arguments: tuple[str, ...]) -> None:
    """K3: the canary is taken back to its route, and so is everybody else; nothing is left in the dark.

    Where nothing else is in our favour either, routes carry nothing under the range, which shows before that.
    """
    outcome = rehearse(*arguments)
    assert outcome.status == 1
    traffic = outcome.result["traffic"]
    assert traffic["current"] == 0
    if arguments == ("--knob", "K3=no"):
        assert "does not count an alias IP range as a matched resource" in outcome.result["reason"]
        assert "annotate the Shoot with dualstack.dev/strategy: compressed" in outcome.result["reason"]
        assert len({pair["to"] for pair in traffic["brokenPairs"] if pair["family"] == "IPv4"}) == 1
    else:
        assert "does not serve addresses that no resource" in outcome.result["reason"]


@pytest.mark.slow
def test_routes_that_carry_nothing_under_the_range_take_it_back() -> None:
    """No document says it of next hops that are VMs (compute-api.md 11.2), and no canary can tell before the range."""
    outcome = rehearse("--knob", "unmatched-to-instances=no")
    assert outcome.status == 1
    assert "does not serve addresses that no resource" in outcome.result["reason"]
    assert outcome.result["traffic"]["current"] == 0
    assert outcome.result["compute"]["mutations"] <= 5


@pytest.mark.slow
def test_a_knob_is_named_and_what_the_verdict_rests_on_is_told() -> None:
    outcome = rehearse("--knob", "K1=allow", "--knob", "propagation=prompt")
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded")
    assert outcome.result["profile"] == "documented with new-route-in-flagged-range=allow, propagation=prompt"
    assumptions = outcome.result["assumptions"]
    assert any("at most 0.5 s after" in assumption for assumption in assumptions)
    assert any("(rule aliases.routes-not-asked; " in assumption for assumption in assumptions)
