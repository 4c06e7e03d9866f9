"""The bounds that the cut-over of large clusters must keep, and whether it keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

LARGE = 1000
"""At this size calls are counted."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`value` must not be above `limit`."""

    name: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.value <= self.limit

    def as_json(self) -> Row:
        return {"name": self.name, "value": self.value, "limit": round(self.limit, 3), "holds": self.holds}


def bounds_of(rows: Iterable[Row]) -> list[Bound]:
    """Every bound that these rows allow to check."""
    by = {(row["nodes"], row["strategy"]): row for row in rows}
    return [bound for row in by.values() for bound in _of_one(row)]


def _of_one(row: Row) -> Iterator[Bound]:
    name = f"{row['strategy']} {row['nodes']}"
    yield Bound(f"{name}: not succeeded", float(row["state"] != "Succeeded"), 0.0)
    yield Bound(f"{name}: seconds of the planner", row["planner"]["seconds"], 1.0)
    yield Bound(f"{name}: MB of the planner", row["planner"]["megabytes"], 200.0)
    outage = {"overlap": 0.0, "compressed": 1.15 * row["boundSeconds"]}[row["strategy"]]
    yield Bound(f"{name}: blackout of a node", row["blackoutSeconds"]["max"], outage)
    if row["pairs"] is not None:
        yield Bound(f"{name}: blackout of a pair", row["pairs"]["blackoutSeconds"]["max"], outage)
    yield Bound(f"{name}: seconds without cloud-controller-manager", row["controllerAwaySeconds"], 60.0)
    yield Bound(f"{name}: total seconds", row["totalSeconds"], 1.2 * row["permittedSeconds"])
    if row["nodes"] == LARGE:
        yield Bound(f"{name}: calls per node", row["callsPerNode"], 2.3)
        yield Bound(f"{name}: changes per node", row["mutationsPerNode"], 2.05)
