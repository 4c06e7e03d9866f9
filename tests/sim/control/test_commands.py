"""`dualstack sim compute` and `dualstack sim rules` from the command line."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.sim.control.served import ask
from tests.sim.rehearsal.command import dualstack, started

pytestmark = pytest.mark.slow

NETWORKS = "/compute/v1/projects/mine/global/networks"


def test_the_state_outlives_the_server(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    arguments = ("sim", "compute", "--state", str(path), "--project", "mine", "--profile", "pessimistic")
    with started(*arguments) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert (facts["project"], facts["profile"]) == ("mine", "pessimistic")
        ask(facts["computeEndpoint"] + NETWORKS, {"name": "vpc", "autoCreateSubnetworks": False})
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
    with started(*arguments) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        network = ask(facts["computeEndpoint"] + NETWORKS + "/vpc")
        assert network["selfLink"] == facts["computeEndpoint"] + NETWORKS + "/vpc"
        assert ask(facts["controlEndpoint"] + "/dump")["digest"] == json.loads(path.read_text())["digest"]


def test_a_bad_state_file_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{}")
    outcome = dualstack("sim", "compute", "--state", str(path))
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == f"dualstack: {path}: The state cannot be loaded: its schema is not dualstack.compute/v1\n"


def test_unknown_knobs_and_profiles_are_reported_in_one_line() -> None:
    for arguments in (("--profile", "hopeful"), ("--knob", "K9=x"), ("--knob", "K1=x")):
        outcome = dualstack("sim", "compute", *arguments)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome.err


def test_invalid_names_and_a_missing_folder_are_reported_in_one_line(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere" / "state.json")
    for option, value in (("--project", ""), ("--project", "a/b"), ("--region", "Europe"), ("--state", nowhere)):
        outcome = dualstack("sim", "compute", option, value)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome.err
        assert outcome.err.startswith(f"dualstack: {option} {value}: ")


def test_the_rules_are_printed_with_source_and_tag() -> None:
    rules = json.loads(dualstack("sim", "rules", "--output", "json").out)
    assert len(rules) >= 80
    assert {"id", "statement", "source", "tag"} == set(rules[0])
    text = dualstack("sim", "rules").out
    for rule in rules:
        assert f"{rule['id']}  [{rule['tag']}]  {rule['source']}\n    {rule['statement']}\n" in text


def test_every_command_of_the_control_endpoint_works_on_a_running_server() -> None:
    with started("sim", "compute", "--project", "mine", "--speed", "50") as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        compute, control = facts["computeEndpoint"], facts["controlEndpoint"]
        assert ask(f"{control}/seed", {"seed": 7}) == {"seed": 7}
        assert ask(f"{control}/clock", {"speed": 0})["speed"] == 0.0
        before = ask(f"{control}/dump")["digest"]
        ask(compute + NETWORKS, {"name": "vpc", "autoCreateSubnetworks": False})
        now = ask(f"{control}/clock")["now"]
        assert ask(f"{control}/clock", {"step": 600})["now"] == now + 600
        assert ask(f"{compute}{NETWORKS}/vpc")["name"] == "vpc"
        dump = ask(f"{control}/dump")
        assert ask(f"{control}/reset", {})["digest"] == before
        assert "error" in ask(f"{compute}{NETWORKS}/vpc")
        assert ask(f"{control}/load", dump)["digest"] == dump["digest"]
        assert ask(f"{compute}{NETWORKS}/vpc")["name"] == "vpc"
        served = [(entry["method"], entry["status"]) for entry in ask(f"{control}/requests")["requests"]]
        assert served == [("networks.get", 404), ("networks.get", 200)]
        assert ask(f"{control}/finish", {}) == {"running": 0}
        assert ask(f"{control}/probe")["message"].startswith("from: ")
        assert ask(f"{control}/faults", {"faults": []}) == {"rules": 0}
        assert len(ask(f"{control}/rules")) >= 80
