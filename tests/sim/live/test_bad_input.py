"""Input that cannot be used, and an interrupted question: one sentence and the documented exit status; no world."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sim.rehearsal.command import dualstack

DEEP = "[" * 100_000
REFUSED = "an input is nested too deeply to be read"


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--kubeconfig"),
        ("plan", "--snapshot"),
        ("report", "--out=unused.html"),
        ("snapshot", "--output=unused.json", "--from"),
    ],
)
def test_an_input_that_is_nested_too_deeply_is_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_text(DEEP)
    outcome = dualstack(*words, str(file))
    assert (outcome.status, outcome.err) == (2, f"dualstack: {REFUSED}\n")


QUESTION = """
import asyncio
from dualstack.cli.live.change import confirm
async def ask():
    confirm("Go on?", yes=False)
try:
    asyncio.run(ask())
except BaseException as error:
    print(type(error).__name__, flush=True)
"""


def _wait_for_sleep(pid: int) -> None:
    """Until the process waits for input: CPython loses a signal that arrives right before it begins to."""
    asleep = 0
    while asleep < 4:
        time.sleep(0.05)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0


def test_ctrl_c_at_a_question_ends_it_at_once() -> None:
    """An event loop runs, whose own handler of SIGINT would wait for the answer."""
    terminal, given = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", QUESTION], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            seen = b""
            while b"Go on?" not in seen:
                seen += os.read(process.stderr.fileno(), 100)
            _wait_for_sleep(process.pid)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert out == b"Abort\n"
    finally:
        os.close(terminal)
        os.close(given)
