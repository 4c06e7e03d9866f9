"""`dualstack trial` as a user runs it, on a served simulated Compute Engine."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dualstack.trial.document import load
from tests.sim.control.served import ask
from tests.sim.rehearsal.command import dualstack, started

pytestmark = pytest.mark.slow

SHORT = ("--experiment", "overlap-flag", "--experiment", "patch-grouping")
SLOWER = ("--experiment", "overlap-flag", "--experiment", "ipv6-prefix")
NETWORKS = "/compute/v1/projects/proj-1/global/networks"


@contextmanager
def cloud(*arguments: str, speed: int = 300) -> Iterator[tuple[str, list[str]]]:
    """The endpoint of a simulated Compute Engine, and the options of a trial on it."""
    with started("sim", "compute", "--speed", str(speed), *arguments) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        yield (
            facts["computeEndpoint"],
            [
                *("trial", "--project", "proj-1", "--region", "europe-west1", "--compute-endpoint"),
                *(facts["computeEndpoint"], "--clock-origin", str(facts["clock"]["origin"])),
                *("--clock-speed", str(speed)),
            ],
        )


def networks(endpoint: str) -> list[str]:
    found: dict[str, Any] = ask(endpoint + NETWORKS)
    return [network["name"] for network in found.get("items", ())]


def test_a_trial_announces_itself_and_writes_its_document(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    with cloud("--profile", "pessimistic") as (endpoint, options):
        asked = dualstack(*options, *SHORT)
        assert asked.status == 2
        assert "pass --yes" in asked.err
        assert networks(endpoint) == []
        outcome = dualstack(*options, *SHORT, "--yes", "-o", str(path))
        assert outcome.status == 0, outcome.err
        assert networks(endpoint) == []
    for said in (
        "costs nothing",
        "compute.subnetworks: create, delete",
        "It takes about",
        "VPC network dualstack-trial-",
    ):
        assert said in " ".join(outcome.err.split())
    assert max(map(len, outcome.out.replace(str(path), path.name).splitlines())) <= 80
    assert load(path).knobs == {"overlap-flag": "hidden", "subnetwork-patch": "single"}
    assert "overlap-flag=hidden, subnetwork-patch=single" in outcome.out


def test_an_interrupted_trial_removes_everything_and_keeps_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    with cloud() as (endpoint, options):
        with started(*options, *SLOWER, "--yes", "-o", str(path)) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("  T1:"):
                    process.send_signal(signal.SIGINT)
                    break
            process.communicate(timeout=60)
            assert process.returncode == 130
        assert networks(endpoint) == []
    trial = load(path)
    assert trial.ended == "it was interrupted"
    assert trial.knobs["overlap-flag"] == "shown"


def test_cleanup_removes_what_a_killed_trial_has_left() -> None:
    with cloud() as (endpoint, options):
        with started(*options, "--experiment", "repeated-alias", "--yes") as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("Creating the VMs"):
                    time.sleep(0.2)
                    process.kill()
                    break
            process.communicate(timeout=60)
        assert len(networks(endpoint)) == 1
        outcome = dualstack(*options, "--cleanup", "--yes")
        assert outcome.status == 0, outcome.err
        assert outcome.out.startswith("Removed dualstack-trial-")
        assert networks(endpoint) == []
        assert dualstack(*options, "--cleanup", "--yes").out == "No resources of a trial are left.\n"


def test_input_that_cannot_be_used_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    with cloud() as (endpoint, options):
        for arguments, word in (
            (("--experiment", "nothing"), "must be one of overlap-flag"),
            (("--zone", "europe-west1-z"), "--zone europe-west1-z: must be one of"),
            (("-o", str(tmp_path / "nowhere" / "trial.json")), "does not exist or is not writable"),
            (("--region", "nowhere1"), "has no such region"),
        ):
            outcome = dualstack(*options, *arguments, "--yes")
            assert outcome.status == 2, outcome.err
            assert word in outcome.err
        assert networks(endpoint) == []
    listed = dualstack("trial", "--list")
    assert listed.status == 0
    assert "T6: " in listed.out
    assert dualstack("trial", "--region", "europe-west1").status == 2
