"""docs/reference/weaknesses.md has a row with a test for each of the 49, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/reference/weaknesses.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| W")
]


def test_there_is_a_line_for_each_weakness() -> None:
    assert [row[0] for row in ROWS] == [f"W{number}" for number in range(1, 50)]
    assert all(len(row) == 4 and row[1] and row[2] for row in ROWS)


def test_every_test_that_the_page_names_exists() -> None:
    files = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {name for text in files for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}
    named = {row[0]: re.findall(r"`(test_\w+)`", row[3]) for row in ROWS}
    assert {name for names in named.values() for name in names} - there == set()
    assert [number for number, names in named.items() if not names] == []
