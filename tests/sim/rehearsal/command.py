"""The `dualstack` command as a user runs it: a process with arguments, two streams and an exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "shoot.yaml"
LARGE = ROOT / "examples" / "shoot-large.yaml"
SPEED = "400"


@dataclass(frozen=True)
class Outcome:
    """How the command ended."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """Standard output as the one JSON object that it must be."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


def dualstack(*arguments: str, within: float = 110.0, given: str | None = None) -> Outcome:
    """Run the command to its end, with `given` as its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "dualstack", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def rehearse(*arguments: str, shoot: Path = EXAMPLE, speed: str = SPEED, within: float = 110.0) -> Outcome:
    """`dualstack rehearse SHOOT --output json` with more arguments."""
    return dualstack("rehearse", str(shoot), "--output", "json", "--speed", speed, *arguments, within=within)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; interrupted at the end, as by Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dualstack", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise


@contextmanager
def served(*arguments: str) -> Iterator[dict[str, Any]]:
    """What `dualstack sim serve` says of itself, while it serves."""
    with started("sim", "serve", *arguments) as process:
        if process.stdout is None:
            raise RuntimeError("standard output is not a pipe")
        yield json.loads(process.stdout.readline())
