"""Clients in other languages: programs that read steps, execute them and print the refusals.

google.golang.org/api/compute/v1 is built from tests/contract/go, @google-cloud/compute installed from
tests/contract/node/package-lock.json, both by `make test-clients`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.story import LIFE, SETTING, WORLDS, Step, check_end_of_life, populate, refused
from tests.sim.compute.cloud import make, served

HERE = Path(__file__).parent
PROGRAMS = {"go": [str(HERE / "go" / "build" / "contract")], "node": ["node", str(HERE / "node" / "run.mjs")]}
pytestmark = [pytest.mark.clients, pytest.mark.parametrize("language", PROGRAMS)]


def outcomes(language: str, root: str, steps: Sequence[Step]) -> list[str]:
    """The outcome of each step: "" or the text of the refusal."""
    said = json.dumps({"root": root, "port": urlsplit(root).port, "steps": [step.as_json() for step in steps]})
    ran = subprocess.run(PROGRAMS[language], check=False, input=said, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    found: list[str] = json.loads(ran.stdout)
    return found


def test_the_client_executes_the_migration(language: str) -> None:
    compute, _, _ = make(SETTING)
    with served(compute) as root:
        assert outcomes(language, root, LIFE) == [""] * len(LIFE)
        check_end_of_life(compute)


@pytest.mark.parametrize("world", WORLDS)
def test_the_client_is_refused(language: str, world: str) -> None:
    setting, steps = WORLDS[world]
    compute, _, _ = make(setting)
    populate(compute)
    with served(compute) as root:
        assert refused(outcomes(language, root, steps), steps) == []
