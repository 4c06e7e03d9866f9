"""A document of `dualstack trial` as the profile of the simulated cloud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.errors import InvalidInput
from dualstack.trial.measurements import read_measurements
from dualstack_sim.fabric.profile import assumptions
from dualstack_sim.rules import RULES
from dualstack_sim.rules.profiles import KNOBS, PROFILES, choose
from dualstack_sim.world.control import inferred_rules
from tests.sim.rehearsal.command import dualstack, rehearse
from tests.support.trial_document import written

MEASURED = "measured on 2026-11-29 in europe-west1"
ANSWERS = st.fixed_dictionaries(
    {}, optional={knob.name: st.sampled_from(sorted(knob.settings)) for knob in KNOBS}
).filter(bool)


@given(answers=ANSWERS)
def test_measured_answers_replace_those_of_the_documents(tmp_path_factory: Any, answers: dict[str, str]) -> None:
    path = written(tmp_path_factory.mktemp("trial"), *({name: value} for name, value in answers.items()))
    profile = choose(path)
    assert profile.answers == {**PROFILES["documented"], **answers}
    assert profile.measured == dict.fromkeys(answers, MEASURED)
    assert profile.name == MEASURED
    named = choose("documented", tuple(f"{name}={value}" for name, value in answers.items()))
    assert (profile.knobs, profile.fabric, profile.lag, profile.latency, profile.garden) == (
        named.knobs, named.fabric, named.lag, named.latency, named.garden,
    )  # fmt: skip


def test_a_knob_overrides_what_was_measured(tmp_path: Path) -> None:
    profile = choose(written(tmp_path, {"alias-matched": "no", "subnet-order": "fifo"}), ("K3=yes",))
    assert profile.name == f"{MEASURED} with alias-matched=yes"
    assert profile.fabric.alias_matched
    assert profile.measured == {"subnet-order": MEASURED}


@pytest.mark.parametrize(
    ("facts", "changes", "words"),
    [
        (
            ({"K9": "yes"},),
            {},
            "K9=yes: this version of dualstack has no such knob; rehearse with .* 0.1.0, or a newer",
        ),
        (({"alias-matched": "perhaps"},), {}, "alias-matched=perhaps: must be one of yes, no"),
        (({"alias-matched": "yes"}, {"alias-matched": "no"}), {}, "measured as yes and, by T2, as no"),
        (({},), {}, "has measured nothing that a rehearsal could use"),
        (({"alias-matched": "yes"},), {"schema": "dualstack.trial/v2"}, r"/v2; .* reads dualstack.trial/v1"),
        (({"alias-matched": "yes"},), {"schema": "dualstack.preflight/v1"}, "is a document dualstack.preflight/v1; "),
        (({"alias-matched": "yes"},), {"facts": 3}, "is not a document of `dualstack trial`"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused(
    tmp_path: Path, facts: tuple[Mapping[str, str], ...], changes: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        choose(written(tmp_path, *facts, **changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": 3}'])
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trial.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"trial\.json"):
        choose(str(path))


def test_assumptions_say_what_was_measured_when_and_where(tmp_path: Path) -> None:
    measured = {"alias-matched": "yes", "propagation": "slow", "subnet-order": "fifo", "established-flows": "move"}
    profile = choose(written(tmp_path, measured, {"unmatched-to-instances": "yes"}))
    plain, found = (
        assumptions(profile.lag, profile.fabric, overlap_used=True, most_interfaces=0, measured=given)
        for given in (None, profile.measured)
    )
    assert sum("inferred" in sentence for sentence in plain) == len(plain)
    assert sum(MEASURED in sentence for sentence in found) == len(found) - 1  # the flag over resources is no knob
    assert all(("inferred" in sentence) is (MEASURED not in sentence) for sentence in found)


def test_lost_packets_and_broken_connections_are_risks(tmp_path: Path) -> None:
    broken = {"id": "a", "answer": "break", "knobs": {"established-flows": "break"}}
    facts = [
        {"question": "?", "experiment": "transitions", **each} for each in (broken, {"id": "T3", "answer": "no loss"})
    ]
    lossy = {"question": "?", "experiment": "transitions", "id": "T10", "answer": "lost 3 packets"}
    measured = read_measurements(Path(written(tmp_path, facts=[*facts, lossy])))
    assert measured.lost == {"T10": "lost 3 packets"}
    assert len(measured.risks) == 2
    profile = choose(str(tmp_path / "trial.json"))
    sentences = assumptions(profile.lag, profile.fabric, overlap_used=True, most_interfaces=0)
    assert any("established flows break when their path changes, which no figure of this" in each for each in sentences)


def test_a_rule_that_a_knob_decides_counts_as_measured(tmp_path: Path) -> None:
    profile = choose(written(tmp_path, {"clear-flag-over-routes": "refuse"}))
    RULES.enforced("subnetworks.flag-off-over-routes")
    for measured, evidence in (({}, "inferred"), (profile.measured, MEASURED)):
        (sentence,) = (each for each in inferred_rules(measured) if "subnetworks.flag-off-over-routes" in each)
        assert sentence.endswith(f"; {evidence})")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("sim", "compute"), ("sim", "serve", "examples/shoot.yaml"), ("rehearse", "examples/shoot.yaml")]
)
def test_a_command_refuses_a_document_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = written(tmp_path, {"alias-matched": "perhaps"})
    outcome = dualstack(*command, "--profile", path)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome.err
    assert outcome.err.startswith(f"dualstack: {path}: alias-matched=perhaps: must be one of yes, no")


@pytest.mark.slow
def test_a_rehearsal_rests_on_what_was_measured(tmp_path: Path) -> None:
    outcome = rehearse("--profile", written(tmp_path, {"alias-matched": "yes", "propagation": "usual"}))
    assert outcome.status == 0
    assert outcome.result["profile"] == MEASURED
    assert sum(MEASURED in sentence for sentence in outcome.result["assumptions"]) == 2
