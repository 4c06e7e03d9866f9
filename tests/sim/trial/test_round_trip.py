"""Profile, simulated cloud, trial, and the same profile again from the trial's document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualstack.trial.document import Trial, encode
from dualstack_sim.rules.profiles import KNOBS, PROFILES, choose
from tests.sim.trial.expected import NEED_FLAG, QUICK, decidable
from tests.sim.trial.world import world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SETTINGS = {knob.name: sorted(knob.settings) for knob in KNOBS}
MEASURED = sorted(
    {"overlap-flag", "route-conflict", "repeated-alias", "subnetwork-patch", "prefix-arrival", *NEED_FLAG}
)
"""What requests alone decide."""
BY_PACKETS = [
    "address-manager-key",
    "alias-matched",
    "alias-over-route",
    "established-flows",
    "unmatched-to-instances",
]
EXHAUSTIVE = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def chosen(names: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({name: st.sampled_from(SETTINGS[name]) for name in names})


async def trial_of(profile: str, answers: dict[str, str], *names: str) -> Trial:
    """A trial that leaves nothing on a cloud with these answers."""
    async with world(profile, [f"{name}={value}" for name, value in answers.items()]) as made:
        before = made.resources()
        trial = await made.trial(*names)
        assert made.resources() == before
    assert (trial.left, trial.ended) == ((), "")
    return trial


def written(folder: Path, trial: Trial) -> str:
    path = folder / "trial.json"
    path.write_bytes(encode(trial))
    return str(path)


@settings(EXHAUSTIVE, max_examples=6)
@given(answers=chosen(MEASURED))
async def test_what_requests_decide_comes_back_from_the_document(
    tmp_path_factory: Any, answers: dict[str, str]
) -> None:
    trial = await trial_of("documented", answers, *QUICK)
    wanted = {**PROFILES["documented"], **answers}
    assert trial.knobs == {name: wanted[name] for name in decidable(wanted) & trial.knobs.keys()}
    assert set(MEASURED) & decidable(wanted) <= trial.knobs.keys()
    profile = choose(written(tmp_path_factory.mktemp("trial"), trial))
    assert profile.measured.keys() == trial.knobs.keys()
    assert {name: profile.answers[name] for name in trial.knobs} == trial.knobs


@settings(EXHAUSTIVE, max_examples=2)
@given(answers=chosen(BY_PACKETS))
async def test_what_packets_decide_comes_back_from_the_document(tmp_path_factory: Any, answers: dict[str, str]) -> None:
    trial = await trial_of("optimistic", answers, "guest-agent", "transitions")
    wanted = {**PROFILES["optimistic"], **answers}
    assert trial.knobs == {name: wanted[name] for name in decidable(wanted) & set(BY_PACKETS)}
    profile = choose(written(tmp_path_factory.mktemp("trial"), trial))
    assert {name: profile.answers[name] for name in trial.knobs} == trial.knobs
