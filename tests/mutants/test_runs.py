"""Which tests run against a mutation, and what their results mean."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mutants.__main__ import accepted
from tests.mutants.mutations import SOURCES, Mutation
from tests.mutants.recording import AT_IMPORT, Recording

BLOCKS = "src/dualstack/plan/blocks.py"
PROGRAM = """
from tests.mutants.__main__ import TESTS
from tests.mutants.mutations import SOURCES, Mutation
from tests.mutants.runs import Run, preload, survivors

preload(TESTS)
source = (SOURCES / "dualstack/plan/blocks.py").read_text()
changed = source.replace("if taken is None", "if taken is not None")
mutation = Mutation("src/dualstack/plan/blocks.py", 1, "", "", changed)
first = "tests/unit/plan/test_until.py::test_the_subnet_becomes_dual_stack_once"
second = "tests/unit/plan/test_blocks.py::test_a_block_in_use_is_not_taken[a route]"
for tests in ([first] * 10, [first] * 10 + [second], []):
    print(len(list(survivors([Run(mutation, tests, 100)], jobs=1))))
endless = Mutation("src/dualstack/plan/blocks.py", 1, "", "", "while True: pass")
print(len(list(survivors([Run(endless, [second], 2)], jobs=1))))
"""


@pytest.mark.slow
def test_a_mutation_survives_only_if_all_its_tests_pass_in_time() -> None:
    unwatched = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, env=unwatched)
    assert ran.stdout.split() == ["1", "0", "1", "0"], ran.stderr


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("    pods, used = parse", ["quick", "slow"]),  # executed by both
        ("            return str(block)", ["slow"]),
        ("from ipaddress", ["quick", "slow"]),  # of an import, so whatever executes the module
        ("    return None", []),
    ],
)
def test_a_mutation_is_given_the_tests_that_execute_its_statement(line: str, tests: list[str]) -> None:
    lines = (SOURCES.parent / BLOCKS).read_text(encoding="utf-8").splitlines()

    def number(start: str) -> int:
        return next(number for number, text in enumerate(lines, 1) if text.startswith(start))

    executed = {
        number("from ipaddress"): frozenset({AT_IMPORT}),
        number("    pods, used = parse"): frozenset({"slow", "quick"}),
        number("            return str(block)"): frozenset({"slow"}),
    }
    recorded = Recording({"slow": 2.0, "elsewhere": 1.5, "quick": 1.0}, {BLOCKS: executed})
    assert recorded.tests_of(Mutation(BLOCKS, number(line), "", "", "")) == tests


def test_a_mutation_of_a_module_without_functions_is_given_every_test() -> None:
    recorded = Recording({"slow": 2.0, "quick": 1.0}, {BLOCKS: {3: frozenset({AT_IMPORT})}})
    assert recorded.tests_of(Mutation(BLOCKS, 3, "", "", "")) == ["quick", "slow"]


def test_each_accepted_mutation_is_of_a_line_that_exists_and_has_a_reason() -> None:
    for (path, was, becomes), reason in accepted().items():
        source = " ".join(line.strip() for line in (SOURCES.parent / path).read_text(encoding="utf-8").splitlines())
        assert was in source
        assert was != becomes
        assert reason
