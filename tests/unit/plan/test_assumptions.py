"""What a trial has measured, against what the strategies assume."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.plan.assumptions import ASSUMPTIONS, BARRIERS, UPSTREAM, contradictions, open_questions
from dualstack.plan.automatic import NetworkFacts, decide
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import STRATEGIES
from dualstack.trial.experiments import propagation
from dualstack_sim.rules.profiles import KNOBS, PROFILES
from tests.support.cluster_facts import PODS, RANGE, at_rest

SMALL = NetworkFacts(interfaces=3, surge=1, custom_routes=3, hybrid_subnets=0)
SETTINGS = {knob.name: knob.settings for knob in KNOBS}
ANSWERS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(sorted(values)) for name, values in SETTINGS.items()}
)


def test_every_strategy_says_what_it_assumes_in_the_words_of_the_knobs() -> None:
    assert set(ASSUMPTIONS) == set(STRATEGIES)
    for assumption in (*(each for assumed in ASSUMPTIONS.values() for each in assumed), UPSTREAM):
        assert set(assumption.answers) < set(SETTINGS[assumption.question])


@pytest.mark.parametrize("profile", ["documented", "optimistic"])
def test_nothing_contradicts_a_favourable_cloud(profile: str) -> None:
    for name in STRATEGIES:
        assert contradictions(name, PROFILES[profile], {}, gardener=True) == ()
        assert open_questions(name, PROFILES[profile], gardener=True) == ()


def test_the_pessimistic_cloud_contradicts_every_assumption() -> None:
    found = contradictions("overlap", PROFILES["pessimistic"], {}, gardener=True)
    assert len(found) == len(ASSUMPTIONS["overlap"]) + 1
    assert found[3] == "an alias range counts as a matched resource of a hybrid subnet, but alias-matched is no"


def test_every_barrier_is_a_wait_for_a_change_that_a_trial_times() -> None:
    assert set(BARRIERS) == set(STRATEGIES)
    code = inspect.getsource(propagation)
    for barrier in BARRIERS["overlap"]:
        assert f'"{barrier.change}"' in code
        assert getattr(Settings(), barrier.setting) > 0


@given(st.dictionaries(st.sampled_from([each.change for each in BARRIERS["overlap"]]), st.floats(0.1, 400.0)))
def test_t7_a_change_that_takes_longer_than_its_barrier_contradicts(longest: dict[str, float]) -> None:
    late = [each for each in BARRIERS["overlap"] if longest.get(each.change, 0) > getattr(Settings(), each.setting)]
    found = contradictions("overlap", {}, longest)
    assert len(found) == len(late)
    for clause, barrier in zip(found, late, strict=True):
        assert clause.startswith(f"every host sees {barrier.seen} within ")
    assert contradictions("compressed", {}, longest) == ()


def test_a_change_that_takes_as_long_as_its_barrier_contradicts_nothing() -> None:
    for barrier in BARRIERS["overlap"]:
        limit = getattr(Settings(), barrier.setting)
        assert contradictions("overlap", {}, {barrier.change: limit}) == ()
        assert contradictions("overlap", {}, {barrier.change: limit + 1})


@given(ANSWERS)
def test_only_a_measured_answer_contradicts(measured: dict[str, str]) -> None:
    found = contradictions("overlap", measured, {})
    unknown = open_questions("overlap", measured)
    agreed = [each for each in ASSUMPTIONS["overlap"] if measured.get(each.question) in each.answers]
    assert len(found) + len(unknown) + len(agreed) == len(ASSUMPTIONS["overlap"])
    choice = decide(at_rest(3), SMALL, contradicted="; ".join(found))
    assert choice.strategy == ("compressed" if found else "overlap")
    assert not found or choice.reason == "; ".join(found)


def test_a_cut_over_without_loss_that_has_begun_stays_one() -> None:
    begun = at_rest(3)
    subnet = replace(begun.subnet, secondary_ranges=((RANGE, PODS),))
    assert decide(replace(begun, subnet=subnet), SMALL, contradicted="x").strategy == "overlap"
