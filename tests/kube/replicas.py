"""Operators that wait for a Lease, with tokens that the audit log tells apart."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dualstack.cli.rehearsal.processes import operator_arguments
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.operator.landscape import CONTROLLERS, STANDALONE
from dualstack_sim.world.kubeconfig import kubeconfig

CREDENTIAL = "authentication.kubernetes.io/credential-id"


class Replica:
    """One operator of several. `credential` names its token in the audit log."""

    def __init__(self, address: WorldAddress, folder: Path, name: str, token: str) -> None:
        self.credential = f"JTI={claims(token)['jti']}"
        self.log, self._events = folder / f"{name}.log", folder / f"{name}.events"
        file = folder / f"{name}.kubeconfig"
        file.write_text(kubeconfig(address.garden(), token))
        words = with_kubeconfig(operator_arguments(address, STANDALONE, "overlap", "auto", CONTROLLERS), file)
        self._port = free_port()
        self._command = [*words, "--leader-elect", "--lease-namespace=dualstack", f"--health-port={self._port}"]
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log, self._events.open("ab") as events:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dualstack", *self._command], stdout=events, stderr=log, start_new_session=True
            )

    def leads(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "event=leads" in self.log.read_text()

    def stands_by(self) -> bool:
        return 'event="stands by"' in self.log.read_text()

    def unready(self) -> str:
        """Why `/readyz` is not good; empty if it is."""
        assert self.process.poll() is None, self.log.read_text()
        return unready(self._port)

    def has_begun(self, step: str) -> bool:
        """Whether it has reported the step."""
        return any(event.get("step") == step for event in self._reported())

    def end(self) -> None:
        """Kill it, also while it is stopped."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _reported(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._events.read_text().splitlines() if line.endswith("}")]


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def unready(port: int) -> str:
    """What `/readyz` answers if it is not good, or why it does not answer; empty if it is good."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return "" if answer.status == 200 else str(answer.status)
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError as error:
        return str(error)


def with_kubeconfig(arguments: Sequence[str], file: Path) -> list[str]:
    """The operator's arguments with this kubeconfig for seed and garden."""
    taken = ("--kubeconfig=", "--garden-kubeconfig=")
    kept = [each for each in arguments if not each.startswith(taken)]
    return [*kept, f"--kubeconfig={file}", f"--garden-kubeconfig={file}"]


def claims(token: str) -> dict[str, Any]:
    """What a token of a ServiceAccount says of itself."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found
