"""Words that several commands show."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable

import click

from dualstack.model.events import (
    AnyEvent,
    Notice,
    OutageExpected,
    OutageMeasured,
    PropagationMeasured,
    StrategyChosen,
)

WIDTH = 80
"""Columns of text results, and of messages on a terminal that does not tell its width."""


def wrapped(text: str, first: str = "", further: str = "", width: int = WIDTH) -> list[str]:
    """The text in lines of at most `width` columns where its words allow it, with the indents of the first and the
    other lines."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


def tell(message: str, before: str = "") -> None:
    """Print progress or an error on standard error: each line of the message is one line, which a terminal gets in
    lines of its width (docs/live-clusters.md#messages). before: what the message begins with, which indents its further
    lines."""
    if not sys.stderr.isatty():
        click.echo(before + message, err=True)
        return
    width = os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    for line in message.split("\n"):
        indent = " " * (len(before) + len(line) - len(line.lstrip()))
        further = indent if before else f"{indent}  "
        click.echo("\n".join(wrapped(line, before, further, width)), err=True)
        before = " " * len(before)


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
