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
from tests.mutants.runs import Run, exchanged, imported, preload

preload(TESTS)
first = "tests/unit/plan/test_until.py::test_the_subnet_becomes_dual_stack_once"
second = "tests/unit/plan/test_blocks.py::test_a_block_in_use_is_not_taken[a route]"


def run(tests, was="", becomes=""):
    source = (SOURCES / "dualstack/plan/blocks.py").read_text()
    mutation = Mutation("src/dualstack/plan/blocks.py", 1, "", "", source.replace(was, becomes) if was else becomes)
    return Run(mutation, dict.fromkeys(tests, 1.0))


wrong = ("if taken is None", "if taken is not None")
endless = ("pods, used = parse(facts.pods_cidr), _used(facts)", "while True: pass")
work = [run([first], *wrong), run([second], *wrong), run([second], *endless), run([second], "", "while True: pass")]
print([work.index(it) for it in exchanged(work, "tests/unit/plan", jobs=1)])
ten = [first, *(f"{first} {number}" for number in range(9))]
work = [run(ten, *wrong), run([*ten, second], *wrong), run([], *wrong), run([second], *endless)]
print([[id(it.mutation) for it in work].index(id(each)) for each in imported(work, jobs=1)])
"""


@pytest.mark.slow
def test_a_mutation_survives_only_if_all_its_tests_pass_in_time() -> None:
    unwatched = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, env=unwatched)
    assert ran.stdout.splitlines() == ["[0, 3]", "[0, 2]"], ran.stderr


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("    pods, used = parse", ["quick", "slow"]),  # executed by both
        ("            return str(block)", ["slow"]),
        ("from ipaddress", ["quick", "elsewhere", "slow"]),  # of an import, so any
        ("    return None", []),
    ],
)
def test_a_mutation_is_given_the_tests_that_it_can_affect(line: str, tests: list[str]) -> None:
    lines = (SOURCES.parent / BLOCKS).read_text(encoding="utf-8").splitlines()

    def number(start: str) -> int:
        return next(number for number, text in enumerate(lines, 1) if text.startswith(start))

    executed = {
        number("from ipaddress"): frozenset({AT_IMPORT}),
        number("    pods, used = parse"): frozenset({"slow", "quick"}),
        number("            return str(block)"): frozenset({"slow"}),
    }
    recorded = Recording({"slow": 2.0, "elsewhere": 1.5, "quick": 1.0}, {BLOCKS: executed})
    assert list(recorded.tests_of(Mutation(BLOCKS, number(line), "", "", ""))) == tests


def test_a_mutation_of_a_module_without_functions_is_given_every_test() -> None:
    recorded = Recording({"slow": 2.0, "quick": 1.0}, {BLOCKS: {3: frozenset({AT_IMPORT})}})
    assert recorded.tests_of(Mutation(BLOCKS, 3, "", "", "")) == {"quick": 1.0, "slow": 2.0}


def test_each_accepted_mutation_is_of_a_line_that_exists_and_has_a_reason() -> None:
    for (path, was, becomes), reason in accepted().items():
        source = " ".join(line.strip() for line in (SOURCES.parent / path).read_text(encoding="utf-8").splitlines())
        assert was in source
        assert was != becomes
        assert reason
