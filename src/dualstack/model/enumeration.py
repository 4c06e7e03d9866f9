"""Lists in messages: the first entries, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 3
"""Entries that are named."""


def listed(entries: Iterable[object], most: int = MOST) -> str:
    """`a, b, c and 2 more`; empty without entries."""
    found = [str(entry) for entry in entries]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def clauses(entries: Iterable[str], most: int = MOST, what: str = "") -> str:
    """`a; b; c; 2 more`, with what they are in the end; empty without entries."""
    found = list(entries)
    return "; ".join([*found[:most], *([f"{len(found) - most} more{what}"] if len(found) > most else [])])


def nodes(names: Iterable[str]) -> str:
    """`node a`, or `nodes a, b, c and 2 more`."""
    found = list(names)
    return f"node{'s' if len(found) > 1 else ''} {listed(found)}"
