"""A trial finds by packets what the simulated cloud does with them, with VMs that run the agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.clock import parse_rfc3339
from dualstack.plan.assumptions import BARRIERS, contradictions
from dualstack.trial.document import Trial, encode
from dualstack.trial.estimate import VM_HOUR, announcement, dollars, minutes
from dualstack.trial.experiments.registry import EXPERIMENTS, chosen
from dualstack.trial.measurements import read_measurements
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.rules.profiles import KNOBS, PROFILES, choose
from tests.sim.trial.expected import SELDOM, decidable
from tests.sim.trial.world import FEW_ROUTES, world
from tests.support.virtual_time import VirtualLoop

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(400)

LONGEST_MINUTES = 65
"""On a cloud that takes a minute to show a change."""


async def knobs_of(
    profile: str, knobs: Sequence[str] = (), *names: str, seed: int = 1, limits: Limits = FEW_ROUTES
) -> Trial:
    """A trial on this cloud, which leaves nothing."""
    async with world(profile, knobs, seed=seed, limits=limits) as made:
        before = made.resources()
        trial = await made.trial(*names)
        assert made.resources() == before
        assert (trial.left, trial.ended) == ((), "")
    return trial


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
async def test_a_whole_trial_finds_the_answers_of_the_profile_in_the_announced_time(
    profile: str, tmp_path: Path
) -> None:
    trial = await knobs_of(profile, limits=Limits() if profile == "documented" else FEW_ROUTES)
    answered = dict(PROFILES[profile])
    found = {name: value for name, value in trial.knobs.items() if name != SELDOM}
    assert found == {name: answered[name] for name in decidable(answered)}
    assert trial.knobs.get(SELDOM, answered[SELDOM]) == answered[SELDOM]
    assert [fact.id for fact in trial.facts] == [each.id for one in chosen(()) for each in one.questions]
    for fact in trial.facts:
        assert fact.explanation
    document = tmp_path / "trial.json"
    document.write_bytes(encode(trial))
    again = choose(str(document)).answers
    assert {name: again[name] for name in trial.knobs} == trial.knobs
    longest = read_measurements(document).longest
    assert {each.change for each in BARRIERS["overlap"]} < longest.keys()
    assert contradictions("overlap", {}, longest) == ()
    took = (parse_rfc3339(trial.ended_at) - parse_rfc3339(trial.started_at)) / 60
    if profile == "documented":
        assert took == pytest.approx(minutes(chosen(())), rel=0.1)
    assert took < LONGEST_MINUTES


def test_the_documents_state_the_time_and_the_cost_that_a_trial_announces() -> None:
    text = (ROOT / "docs" / "evidence.md").read_text()
    ((usual, longest),) = re.findall(r"take about (\d+) minutes, and up\s+to about (\d+)", text)
    assert int(usual) == round(minutes(chosen(())))
    assert int(longest) == LONGEST_MINUTES
    (bound,) = re.findall(r"At most ([\d.]+) US dollars for each hour", text)
    assert float(bound) == dollars(60)
    announced = " ".join(announcement(chosen(()), project="p", region="r", network="n", longest=90, lifetime=100))
    assert f"It takes about {usual} minutes, and ends after 90 minutes in any case." in announced
    assert f"at most {dollars(100):.2f} US dollars" in announced
    assert f"an assumed bound of {VM_HOUR:g} for each VM and hour (docs/evidence.md#cost)" in announced


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
    """An answer to each open question."""
    return [f"{knob.name}={draw(st.sampled_from(sorted(knob.settings)))}" for knob in KNOBS]


@pytest.mark.slow
@given(knobs=clouds(), seed=st.integers(1, 99))
@settings(max_examples=2, deadline=None, derandomize=True)
def test_a_whole_trial_finds_any_combination_of_answers(knobs: list[str], seed: int) -> None:
    loop = VirtualLoop()
    try:
        trial = loop.run_until_complete(knobs_of("documented", knobs, seed=seed))
    finally:
        loop.close()
    answered = dict(knob.split("=") for knob in knobs)
    assert trial.knobs.keys() - {SELDOM} == decidable(answered)
    assert trial.knobs.items() <= answered.items()
