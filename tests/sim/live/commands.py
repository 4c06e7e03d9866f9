"""The commands for live clusters against a served world, as a user types them."""

from __future__ import annotations

import json
import urllib.request
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
