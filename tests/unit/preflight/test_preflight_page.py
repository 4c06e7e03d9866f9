"""docs/preflight.md has one row for each check, with the words of the check."""

from __future__ import annotations

import re
from pathlib import Path

from dualstack.gardener.controllers.infrastructure.shoot_findings import SPEC
from dualstack.preflight.registry import ALL_CHECKS

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


def test_every_finding_stands_in_the_table_of_steps() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## What stops each step")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z0-9-]+)`", table)) - {"unknown"}
    assert named == {check.id for check in ALL_CHECKS} | {SPEC}
