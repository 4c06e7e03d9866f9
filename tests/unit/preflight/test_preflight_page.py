"""docs/preflight.md has one row for each check, with the words of the check."""

from __future__ import annotations

from pathlib import Path

from dualstack.preflight.registry import CHECKS

PAGE = Path(__file__).parents[3] / "docs/preflight.md"


def test_the_table_equals_the_registry() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    table = [row for row in rows if len(row) == 5]
    assert table == [
        (f"`{check.id}`", check.severity, ", ".join(check.reads), check.consequence, check.remedy) for check in CHECKS
    ]
