"""google.golang.org/api/compute/v1, built from tests/contract/go by `make test-clients`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.story import LIFE, SETTING, WORLDS, Step, check_end_of_life, furnish, refused
from tests.sim.compute.cloud import make, served

PROGRAM = Path(__file__).parent / "go" / "build" / "contract"
pytestmark = pytest.mark.clients


def outcomes(root: str, steps: Sequence[Step]) -> list[str]:
    said = json.dumps({"root": root, "steps": [step.as_json() for step in steps]})
    ran = subprocess.run([PROGRAM], check=False, input=said, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    found: list[str] = json.loads(ran.stdout)
    return found


def test_the_go_client_lives_the_migration() -> None:
    compute, _, _ = make(SETTING)
    with served(compute) as root:
        assert outcomes(root, LIFE) == [""] * len(LIFE)
        check_end_of_life(compute)


@pytest.mark.parametrize("world", WORLDS)
def test_the_go_client_is_refused(world: str) -> None:
    setting, steps = WORLDS[world]
    compute, _, _ = make(setting)
    furnish(compute)
    with served(compute) as root:
        assert refused(outcomes(root, steps), steps) == []
