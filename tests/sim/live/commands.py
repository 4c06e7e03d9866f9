"""The commands for live clusters against a served world, as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.sim.rehearsal.command import Outcome, dualstack


def of_world(facts: dict[str, Any]) -> list[str]:
    """The options that name the served world."""
    clock = facts["clock"]
    return [
        *("--kubeconfig", facts["kubeconfig"], "--compute-endpoint", facts["computeEndpoint"]),
        *("--clock-origin", str(clock["origin"]), "--clock-speed", str(clock["speed"])),
    ]


def run(facts: dict[str, Any], command: str, *arguments: str) -> Outcome:
    """One command to its end."""
    return dualstack(*command.split(), *of_world(facts), *arguments)


def read(url: str) -> Any:
    """The JSON document at a URL of this machine."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 (loopback)
        return json.load(answer)


def mutations(facts: dict[str, Any]) -> int:
    """How many changes our programs have requested of Compute."""
    return int(read(f"{facts['controlEndpoint']}/compute/statistics?caller=dualstack/")["mutations"])


class Running:
    """A command while it runs; its standard error is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def until(self, pattern: str, within: float = 240.0) -> str:
        """The first line in which the pattern is found. The bound is for a command that hangs, on a loaded machine."""

        def found() -> str:
            ended = self.process.poll() is not None and not self._reader.is_alive()
            line = next((line for line in self.lines if re.search(pattern, line)), "")
            assert line or not ended, self.lines
            return line

        return str(eventually(found, within))

    def ended(self, within: float = 90.0) -> int:
        status = self.process.wait(within)
        self._reader.join(within)
        return status


@contextmanager
def started(facts: dict[str, Any], name: str, *arguments: str) -> Iterator[Running]:
    """A command that changes a cluster, while it runs; killed at the end if it has not ended."""
    words = [sys.executable, "-m", "dualstack", name, *of_world(facts), "--yes", "-o", "json", *arguments]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def eventually(found: Callable[[], Any], within: float = 60.0) -> Any:
    deadline = time.monotonic() + within
    while not (answer := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer
