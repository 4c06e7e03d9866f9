"""Profiles answer every open question, and single knobs change one answer."""

from __future__ import annotations

import dataclasses

import pytest

from dualstack.model.errors import InvalidInput
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric import FabricKnobs, LagProfile
from dualstack_sim.rules.profiles import KNOBS, PROFILES, Knob, choose
from tests.support.pages import ROOT, anchors


def test_every_profile_answers_every_question() -> None:
    names = {knob.name for knob in KNOBS}
    for answers in PROFILES.values():
        assert set(answers) == names


def test_every_setting_of_the_code_is_a_knob() -> None:
    for part, settings in (("compute", Knobs), ("fabric", FabricKnobs)):
        fields = {field.name for field in dataclasses.fields(settings)}
        assert {knob.field for knob in KNOBS if knob.part == part} == fields


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_every_knob_has_a_section_in_the_reference(knob: Knob) -> None:
    path, _, anchor = knob.source.partition("#")
    assert anchor in anchors(ROOT / path)


def test_documented_is_the_default_of_the_code() -> None:
    profile = choose()
    assert (profile.name, profile.knobs, profile.fabric) == ("documented", Knobs(), FabricKnobs())
    assert profile.lag == LagProfile()


def test_profiles_answer_the_numbered_knobs_as_documented() -> None:
    numbered = [knob.name for knob in KNOBS if knob.number]
    answers = {name: [PROFILES[name][knob] for knob in numbered] for name in PROFILES}
    assert answers["documented"] == ["deny", "refuse", "yes", "reordered", "shown"]
    assert answers["pessimistic"] == ["deny", "refuse", "no", "reordered", "hidden"]
    assert answers["optimistic"] == ["allow", "accept", "yes", "fifo", "shown"]


@pytest.mark.parametrize("spelling", ["K3=no", "alias-matched=no"])
def test_a_knob_has_a_number_and_a_name(spelling: str) -> None:
    profile = choose("documented", (spelling,))
    assert profile.fabric == FabricKnobs(alias_matched=False)
    assert profile.name == "documented with alias-matched=no"


def test_a_knob_with_the_answer_of_the_profile_is_not_named() -> None:
    assert choose("optimistic", ("K1=allow",)).name == "optimistic"


@pytest.mark.parametrize(
    ("profile", "knobs", "words"),
    [
        ("hopeful", (), "must be one of documented, pessimistic, optimistic"),
        ("documented", ("K9=yes",), "K1 new-route-in-flagged-range"),
        ("documented", ("K1",), "must be NAME=VALUE"),
        (
            "documented",
            ("K1=perhaps",),
            "K1=perhaps: new-route-in-flagged-range must be one of deny, allow. May a route",
        ),
    ],
)
def test_unknown_names_and_values_are_refused(profile: str, knobs: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        choose(profile, knobs)
