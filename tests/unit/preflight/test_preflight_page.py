"""docs/preflight.md has one row for each check, with the words of the check."""

from __future__ import annotations

import re
from pathlib import Path

from dualstack.gardener.controllers.infrastructure.shoot_findings import NODES, SPEC
from dualstack.preflight.registry import ALL_CHECKS, CHECKS, LIVE_CHECKS

PAGE = Path(__file__).parents[3] / "docs/preflight.md"


def test_the_table_equals_the_registry() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    table = [row for row in rows if len(row) == 5]
    assert table == [
        (f"`{check.id}`", check.severity, ", ".join(check.reads), check.consequence, check.remedy)
        for check in ALL_CHECKS
    ]


def section(title: str) -> str:
    """The tables of a section."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def named_in(title: str) -> set[str]:
    """The ids in the tables of a section; a single word is none."""
    return set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", section(title)))


def test_every_finding_stands_in_the_table_of_steps() -> None:
    assert named_in("What stops each step") == {check.id for check in CHECKS} | {SPEC, NODES, LIVE_CHECKS[0].id}


def test_every_finding_about_a_live_cluster_answers_a_known_problem() -> None:
    named = named_in("Known problems")
    assert named >= {check.id for check in LIVE_CHECKS}
    assert named <= {check.id for check in ALL_CHECKS}
    numbers = re.findall(r"^\| (\d+) \|", section("Known problems"), re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 23)]
