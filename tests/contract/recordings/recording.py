"""Loads recordings: one file is one run of one upstream program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

FOLDER = Path(__file__).parents[2] / "data" / "recordings"

Json = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """One request and its answer.

    `at`: seconds since the first request of the run; `path`: after `/compute/v1/`, percent-encoded, without a query;
    `body`: None without one; `error`: the message of a refusal, "" otherwise.
    """

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    body: Json | None
    status: int
    error: str

    @property
    def changes(self) -> bool:
        """Whether the request changes something; `operations.wait` is a POST that does not."""
        return self.method != "GET" and not self.path.endswith("/wait")

    @property
    def operation(self) -> str:
        """The name of the operation that the request reads or awaits, "" for other requests."""
        _, found, rest = self.path.partition("/operations/")
        return rest.partition("/")[0] if found else ""

    @property
    def scope(self) -> str:
        """`global`, `regions/R` or `zones/Z`; "" for a request above all scopes, such as the list of zones."""
        parts = self.path.split("/")[2:]
        if parts[:1] == ["global"]:
            return "global"
        return "/".join(parts[:2]) if len(parts) > 2 else ""


def names() -> list[str]:
    """The names of all recordings, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@cache
def recording(name: str) -> tuple[Recorded, ...]:
    """The requests of a recording in the order of arrival."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_recorded(json.loads(line)) for line in lines)


def _recorded(line: Json) -> Recorded:
    return Recorded(
        line["at"],
        line["method"],
        line["path"],
        dict(parse_qsl(line.get("query", ""), keep_blank_values=True)),
        line.get("body"),
        line["status"],
        line.get("error", ""),
    )
