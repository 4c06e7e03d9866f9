"""NO_COLOR (https://no-color.org): the live panel of a rehearsal has no colour."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from dualstack.cli.rehearsal.display import panel
from dualstack.cli.rehearsal.record import FORWARD, Record

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


def shown() -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    console.print(panel(Record(FORWARD), {"current": 1, "pairs": 6}, 1.0, None))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_panel_has_colours_only_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOUR.search(shown())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(shown())
