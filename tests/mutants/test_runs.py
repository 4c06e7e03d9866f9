"""The runs of mutated tests: every folder counts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mutants.__main__ import accepted
from tests.mutants.mutations import SOURCES

PROGRAM = """
from tests.mutants.__main__ import TESTS
from tests.mutants.runs import passes, preload

preload(TESTS)
first, second = "tests/unit/plan/test_until.py", "tests/unit/plan/test_blocks.py"
print(passes([first, second]) is not None, passes([first, "absent"]))
"""


@pytest.mark.slow
def test_tests_pass_only_if_those_of_every_folder_pass() -> None:
    unwatched = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, env=unwatched)
    assert ran.stdout.split() == ["True", "None"], ran.stderr


def test_each_accepted_mutation_is_of_a_line_that_exists_and_has_a_reason() -> None:
    for (path, was, becomes), reason in accepted().items():
        source = " ".join(line.strip() for line in (SOURCES.parent / path).read_text(encoding="utf-8").splitlines())
        assert was in source
        assert was != becomes
        assert reason
