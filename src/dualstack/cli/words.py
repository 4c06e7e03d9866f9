"""Words that several commands show."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from dualstack.model.events import (
    AnyEvent,
    Notice,
    OutageExpected,
    OutageMeasured,
    PropagationMeasured,
    StrategyChosen,
)

WIDTH = 80
"""Columns of text output."""


def wrapped(text: str, first: str = "", further: str = "") -> list[str]:
    """The text in lines of at most `WIDTH` columns where its words allow it, with the indents of the first and the
    other lines."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


def bullets(sentences: Iterable[str]) -> list[str]:
    """The lines of a list below a result."""
    return [line for each in sentences for line in wrapped(each, "  - ", "    ")]


def duration(seconds: float) -> str:
    """`seconds` in words: 12 s, 3 min 05 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def announced(event: AnyEvent) -> str | None:
    """The sentence of a notice, or of an event about the strategy or the outage; None for other events."""
    match event:
        case StrategyChosen(strategy=strategy, reason=reason):
            return f"strategy {strategy}: {reason}"
        case OutageExpected(detail=detail):
            return detail
        case OutageMeasured(detail=detail) | PropagationMeasured(detail=detail):
            return f"Measured: {detail}"
        case Notice(detail=detail):
            return f"Note: {detail}"
        case _:
            return None
