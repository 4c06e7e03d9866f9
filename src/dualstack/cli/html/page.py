"""What the template renders: plain values, ready to be shown. It escapes all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

Tone = Literal["good", "bad", "warning", "neutral"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is judged: its tone is shown as a colour beside its words."""

    text: str
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class Table:
    """rows: as many cells as headers; the first one is the heading of its row."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a time line. start, length: percent of the whole. when: both in words."""

    name: str
    when: str
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars on one scale, which ends at `end`."""

    caption: str
    end: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Block:
    """One node. state: a word of the legend; it also chooses the colour."""

    node: str
    state: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One block for each node. legend: the states that occur, each with what it means."""

    caption: str
    blocks: Sequence[Block]
    legend: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Track:
    """The course of one node. segments: state, start and length in percent. words: the same as text."""

    node: str
    segments: Sequence[tuple[str, float, float]]
    words: str


@dataclass(frozen=True, slots=True)
class Tracks:
    """One track for each node on one scale, which ends at `end`. legend: as that of a strip."""

    caption: str
    end: str
    tracks: Sequence[Track]
    legend: Sequence[tuple[str, str]]


Part = Table | Timeline | Strip | Tracks


@dataclass(frozen=True, slots=True)
class Section:
    """Words, then parts."""

    title: str
    parts: Sequence[Part] = ()
    paragraphs: Sequence[str] = ()
    items: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        return not (self.parts or self.paragraphs or self.items)


@dataclass(frozen=True, slots=True)
class Article:
    """One document. facts: name and value of what identifies it."""

    title: str
    verdict: str
    tone: Tone
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def kind(part: Part) -> str:
    """The name of the macro that renders the part."""
    return type(part).__name__.lower()


def code(text: str) -> Markup:
    """The text, escaped, with what is between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped first)


def render(articles: Iterable[Article]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("dualstack.cli.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = kind
    environment.filters["code"] = code
    return environment.get_template("report.html.j2").render(articles=list(articles), version=version("dualstack"))
