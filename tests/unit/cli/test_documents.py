"""The JSON documents of commands have the published schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dualstack.cli.live.findings import Difference, Report
from dualstack.cli.live.plan_document import Plan
from dualstack.cli.rehearsal.result import Result

SCHEMAS = Path(__file__).parents[3] / "docs/schemas"


@pytest.mark.parametrize(
    ("name", "document"),
    [("preflight-v1", Report), ("preflight-diff-v1", Difference), ("plan-v1", Plan), ("rehearsal-v2", Result)],
)
def test_the_published_schema_is_that_of_the_document(name: str, document: type[Any]) -> None:
    generated = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(document)), indent=2).decode() + "\n"
    assert (SCHEMAS / f"{name}.json").read_text(encoding="utf-8") == generated
