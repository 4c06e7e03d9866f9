"""Rehearsals with profiles: under the pessimistic one the product stops before traffic is lost."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.cli.rehearsal.record import Record
from dualstack.model.events import StepFailed
from tests.sim.rehearsal.command import rehearse


def failed(detail: str, *, final: bool = True) -> StepFailed:
    return StepFailed(at=1.0, shoot="shoot--foo--bar", step="set-overlap-flag", detail=detail, final=final)


def test_five_final_failures_for_one_reason_end_the_rehearsal() -> None:
    record = Record()
    for _ in range(4):
        record.add(failed("unknown to this version"))
        record.add(failed("busy"))
        record.add(failed("state changed; replanning", final=False))
        record.add(failed("state changed; replanning", final=False))
    assert record.stuck_on() is None
    record.add(failed("unknown to this version"))
    assert record.stuck_on() == "set-overlap-flag: unknown to this version"


@pytest.mark.slow
def test_under_the_pessimistic_profile_the_product_stops_before_loss() -> None:
    outcome = rehearse("--profile", "pessimistic")
    assert outcome.status == 1
    assert outcome.result["profile"] == "pessimistic"
    assert "does not show allowSubnetCidrRoutesOverlap" in outcome.result["reason"]
    assert outcome.result["traffic"]["blackoutSeconds"] == {"max": 0.0, "p99": 0.0, "total": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    "knobs",
    ["K1=allow", "K2=accept", "K4=fifo", "hybrid-limits=enforced", "route-conflict=request", "propagation=slow"],
)
def test_most_knobs_do_not_change_the_result(knobs: str) -> None:
    outcome = rehearse("--knob", knobs)
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded")
    assert outcome.result["traffic"]["blackoutSeconds"]["max"] == 0.0


@pytest.mark.slow
def test_under_the_optimistic_profile_nothing_is_lost() -> None:
    outcome = rehearse("--profile", "optimistic")
    assert (outcome.status, outcome.result["traffic"]["blackoutSeconds"]["max"]) == (0, 0.0)


def assert_one_node_for_a_minute(traffic: dict[str, Any]) -> None:
    broken = [pair for pair in traffic["brokenPairs"] if pair["family"] == "IPv4"]
    assert len({pair["to"] for pair in broken}) == 1
    assert traffic["blackoutSeconds"]["max"] <= 60.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("--no-decoys", "--knob", "K3=no"), ("--no-decoys", "--profile", "pessimistic", "--knob", "K5=shown")],
)
def test_p24_aliases_without_traffic_affect_the_canary_at_most(arguments: tuple[str, ...]) -> None:
    """With K3=no the canary and all other nodes go back to their routes, and none stays unreachable.

    At a speed at which the processes' own time does not count.

    Under the pessimistic profile the check of the routes under the range fails before that.
    """
    outcome = rehearse(*arguments, speed="40")
    assert outcome.status == 1
    traffic = outcome.result["traffic"]
    assert traffic["current"] == 0
    if "K3=no" in arguments:
        assert "does not count an alias IP range as a matched resource" in outcome.result["reason"]
        assert "annotate the Shoot with dualstack.dev/strategy: compressed" in outcome.result["reason"]
        assert_one_node_for_a_minute(traffic)
    else:
        assert "static routes do not carry traffic to unassigned addresses" in outcome.result["reason"]


@pytest.mark.slow
def test_p24_one_node_is_unreachable_if_routes_carry_no_traffic_under_a_range() -> None:
    """Not documented for next hops that are VMs (docs/reference/compute-engine.md#open-unmatched-to-instances)."""
    # At a higher speed, the time of the processes themselves counts.
    outcome = rehearse("--no-decoys", "--knob", "unmatched-to-instances=no", speed="120")
    assert outcome.status == 1
    assert "static routes do not carry traffic to unassigned addresses" in outcome.result["reason"]
    assert outcome.result["traffic"]["current"] == 0
    assert_one_node_for_a_minute(outcome.result["traffic"])
    assert outcome.result["compute"]["mutations"] <= 5


@pytest.mark.slow
def test_knobs_and_assumptions_are_reported() -> None:
    outcome = rehearse("--knob", "K1=allow", "--knob", "propagation=prompt")
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded")
    assert outcome.result["profile"] == "documented with new-route-in-flagged-range=allow, propagation=prompt"
    assumptions = outcome.result["assumptions"]
    assert any("at most 0.5 s after" in assumption for assumption in assumptions)
    assert any("(rule aliases.routes-not-asked; " in assumption for assumption in assumptions)
