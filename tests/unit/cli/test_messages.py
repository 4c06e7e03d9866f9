"""Messages on standard error: one line each in a pipe, lines of its width on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from dualstack.cli.live.change import Progress
from dualstack.cli.words import WIDTH, tell
from dualstack.model.events import StepStarted

LONG = " ".join(["word"] * 50)


def on_terminal(columns: int, say: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that `say` prints on a terminal of this width; 0 for one that does not tell it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with closing(os.fdopen(theirs, "w")) as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        say()
    shown = b""
    with suppress(OSError):  # EIO: everything is read, and the other end is closed
        while True:
            shown += os.read(ours, 1 << 16)
    os.close(ours)
    return shown.decode().splitlines()


@pytest.mark.parametrize(("columns", "widest"), [(50, 50), (120, 120), (0, WIDTH)])
def test_a_terminal_gets_lines_of_its_width(columns: int, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_terminal(columns, lambda: tell(f"dualstack: {LONG}"), monkeypatch)
    assert widest - 6 < max(map(len, lines)) <= widest
    assert [line[:3] for line in lines[1:]] == ["  w"] * (len(lines) - 1)
    assert " ".join(" ".join(lines).split()) == f"dualstack: {LONG}"


def test_lines_of_a_list_keep_their_indent(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_terminal(80, lambda: tell(f"found:\n  - {LONG}"), monkeypatch)
    assert [line[:5] for line in lines[:3]] == ["found", "  - w", "    w"]


def test_steps_are_indented_below_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    step = StepStarted(at=5.0, shoot="s", step="add-aliases", detail=LONG)
    lines = on_terminal(60, lambda: Progress(0.0).event(step), monkeypatch)
    assert lines[0].startswith("           5 s  add-aliases: word")
    assert {line[:17] for line in lines[1:]} == {" " * 16 + "w"}


def test_a_pipe_gets_one_line_for_each_message(capfd: pytest.CaptureFixture[str]) -> None:
    tell(f"found:\n  - {LONG}", "at  ")
    assert capfd.readouterr().err == f"at  found:\n  - {LONG}\n"
