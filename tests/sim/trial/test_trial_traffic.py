"""A trial finds by packets what the simulated cloud does with them, with VMs that run the agent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.trial.document import Trial
from dualstack.trial.experiments.registry import EXPERIMENTS
from dualstack_sim.rules.profiles import KNOBS, PROFILES
from tests.sim.trial.expected import BY_REQUESTS, NEED_FLAG, QUICK, SELDOM, answers, decidable
from tests.sim.trial.world import world
from tests.support.virtual_time import VirtualLoop

pytestmark = pytest.mark.timeout(400)

BY_TRAFFIC = tuple(each.name for each in EXPERIMENTS if each.traffic)
PART = (*QUICK, "propagation", "transitions")


async def knobs_of(profile: str, knobs: Sequence[str] = (), *names: str, seed: int = 1) -> Trial:
    """A trial on this cloud, which leaves nothing."""
    async with world(profile, knobs, seed=seed) as made:
        before = made.resources()
        trial = await made.trial(*names)
        assert made.resources() == before
        assert (trial.left, trial.ended) == ((), "")
    return trial


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
async def test_packets_find_the_answers_of_the_profile(profile: str) -> None:
    """Those that requests alone decide are in test_trial_answers.py."""
    trial = await knobs_of(profile, (), *BY_TRAFFIC)
    answered = dict(PROFILES[profile])
    found = {name: value for name, value in trial.knobs.items() if name != SELDOM}
    assert found == {name: answered[name] for name in decidable(answered) - BY_REQUESTS - NEED_FLAG}
    assert trial.knobs.get(SELDOM, answered[SELDOM]) == answered[SELDOM]


@pytest.mark.slow
async def test_the_profile_that_a_trial_measures_gives_the_same_trial_again() -> None:
    first = await knobs_of("optimistic", ["K3=no", "repeated-alias=operation"], *PART)
    again = await knobs_of("documented", [f"{name}={value}" for name, value in first.knobs.items()], *PART)
    assert len(first.knobs) >= 9
    assert again.knobs == first.knobs
    assert answers(again) == answers(first)


@pytest.mark.slow
async def test_an_alias_that_is_not_matched_is_found_by_packets() -> None:
    trial = await knobs_of("optimistic", ["K3=no"], "transitions")
    (fact,) = [fact for fact in trial.facts if fact.id == "T6"]
    assert (fact.answer, fact.confidence, fact.knobs) == ("no", "certain", {"alias-matched": "no"})
    packets = [each for each in fact.packets if each.transition.startswith("S3>S4") and each.flow.endswith("/udp")]
    assert len(packets) == 12
    for each in packets:
        assert sum(each.answered[:10]) > 0
        assert sum(each.sent[-50:]) >= 40
        assert sum(each.answered[-50:]) == 0


def test_every_experiment_says_how_long_it_takes() -> None:
    assert all(each.minutes > 0 and each.questions for each in EXPERIMENTS)


@st.composite
def clouds(draw: st.DrawFn) -> list[str]:
    """An answer to each open question that a trial may decide."""
    chosen = {knob.name: draw(st.sampled_from(sorted(knob.settings))) for knob in KNOBS}
    chosen["propagation"] = draw(st.sampled_from(["prompt", "usual"]))  # slow ones take an hour each
    return [f"{name}={value}" for name, value in chosen.items()]


@pytest.mark.slow
@given(knobs=clouds(), seed=st.integers(1, 99))
@settings(max_examples=2, deadline=None, derandomize=True)
def test_a_trial_finds_any_combination_of_answers(knobs: list[str], seed: int) -> None:
    loop = VirtualLoop()
    try:
        trial = loop.run_until_complete(knobs_of("documented", knobs, *PART, seed=seed))
    finally:
        loop.close()
    answered = dict(knob.split("=") for knob in knobs)
    others = {"network-quotas", "address-manager-key", "interface-stack-type", "ipv6-lease"}
    assert trial.knobs.keys() == decidable(answered) - others
    assert trial.knobs.items() <= answered.items()
