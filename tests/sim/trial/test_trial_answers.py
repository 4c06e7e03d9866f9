"""A trial finds the answers that the simulated cloud has."""

from __future__ import annotations

import pytest

from dualstack.trial.experiments.registry import EXPERIMENTS, chosen
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.faults import parse_faults
from dualstack_sim.rules.profiles import KNOBS, PROFILES
from tests.sim.trial.expected import BY_REQUESTS, QUICK, answers
from tests.sim.trial.world import world


def test_the_knobs_of_the_questions_are_knobs_of_the_simulated_cloud() -> None:
    named = {question.knob for each in EXPERIMENTS for question in each.questions if question.knob}
    assert named <= {knob.name for knob in KNOBS}
    assert len(EXPERIMENTS) == len({each.name for each in EXPERIMENTS})
    identities = [question.id for each in EXPERIMENTS for question in each.questions]
    assert len(identities) == len(set(identities))


async def test_requests_alone_find_the_answers_of_the_profile() -> None:
    async with world("pessimistic") as made:
        before = made.resources()
        trial = await made.trial(*QUICK)
        assert made.resources() == before
    assert trial.knobs == {name: PROFILES["pessimistic"][name] for name in BY_REQUESTS - {"network-quotas"}}
    assert {fact.id for fact in trial.facts if not fact.answer} == {"T8", "T9", "T15"}
    assert all(fact.explanation for fact in trial.facts)


@pytest.mark.parametrize(
    ("knob", "fact", "answer"),
    [
        ("repeated-alias=operation", "T16", "refused in the operation"),
        ("repeated-alias=request", "T16", "refused in the request"),
        ("route-conflict=request", "route-conflict", "refused in the request"),
        ("subnetwork-patch=single", "subnetwork-patch", "single"),
        ("K1=allow", "T8", "allow"),
        ("K2=accept", "T9", "accept"),
        ("K5=hidden", "T1", "hidden"),
    ],
)
async def test_a_single_knob_changes_the_answer(knob: str, fact: str, answer: str) -> None:
    (name,) = [each.name for each in EXPERIMENTS if fact in {question.id for question in each.questions}]
    async with world(knobs=[knob]) as made:
        assert answers(await made.trial(name))[fact] == answer


ON_A_VM = ("route-in-range", "route-under-flag", "clear-flag", "repeated-alias")


async def test_a_refusal_that_is_not_about_the_question_is_no_answer() -> None:
    """Given a VM that is deleted, when a route to it or an alias of it is refused, then this answers no question."""
    faults = parse_faults({"faults": [{"method": "instances.testIamPermissions", "vm": {"becomes": "deleted"}}]})
    async with world(faults=faults) as made:
        before = made.resources()
        trial = await made.trial(*ON_A_VM)
        assert made.resources() == before
    late = [fact for fact in trial.facts if not fact.answer]
    assert {"T8", "T9", "T16"} <= {fact.id for fact in late}
    assert all("found" in fact.explanation for fact in late)
    # A route in a range may have been tried before the deletion took effect.
    assert answers(trial)["route-conflict"] in ("", "refused in the operation")


@pytest.mark.parametrize("name", ["route-under-flag", "clear-flag"])
async def test_a_used_up_quota_of_routes_is_no_answer(name: str) -> None:
    async with world(knobs=["K1=allow"], limits=Limits(static_routes_per_network=0)) as made:
        (fact,) = (await made.trial(name)).facts
    assert (fact.answer, fact.knobs) == ("", {})
    assert "quota" in fact.explanation.lower()


async def test_a_used_up_quota_of_requests_is_refilled_at_a_full_minute() -> None:
    assert "request-quota" not in {each.name for each in chosen(())}
    async with world(limits=Limits(requests_per_minute=120)) as made:
        trial = await made.trial("request-quota")
    assert answers(trial) == {"request-quota": "at a full minute"}


@pytest.mark.slow
@pytest.mark.parametrize("limits", ["advice", "enforced"])
async def test_a_larger_quota_of_routes_shows_whether_the_limits_of_hybrid_subnets_are_enforced(limits: str) -> None:
    async with world(knobs=[f"hybrid-limits={limits}"], limits=Limits(static_routes_per_network=400)) as made:
        trial = await made.trial("network-quota")
    assert answers(trial) == {"network-quotas": "", "hybrid-limits": limits}
    assert trial.knobs == {"hybrid-limits": limits}
