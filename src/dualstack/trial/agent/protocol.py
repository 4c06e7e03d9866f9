"""What the agent on a VM of a trial is sent and what it reports (docs/evidence.md#agent).

The agent itself, `startup.py`, imports nothing of ours: this is the side of the program that reads and writes for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

import msgspec

ORDERS = "dualstack-trial-orders"
"""The metadata attribute of a VM that has the orders as JSON."""
SERIAL_PORT = 2
"""The serial port that has the reports, as instances.getSerialPortOutput numbers them."""
PREFIX = "dualstack-trial "
"""The beginning of each line that is a report."""
MARK = "dualstack-trial-agent 1"
"""A line of the start-up script that identifies the agent and its protocol."""

Fact = Literal["local-routes", "addresses6", "agent"]


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One packet every `interval` seconds to `target`. source: an address of the VM or one of `Orders.addresses`.

    A TCP flow holds one connection and makes a new one when it breaks.
    """

    id: str
    kind: Literal["udp", "tcp"]
    target: str
    port: int
    source: str | None = None
    interval: float = 0.1


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What one VM does. `until`: seconds since the epoch; then the VM shuts itself down.

    addresses: CIDRs of the loopback interface, which stand for pods. echo: ports that send back what arrives.
    """

    sequence: int
    until: float
    addresses: tuple[str, ...] = ()
    flows: tuple[Flow, ...] = ()
    echo: tuple[int, ...] = ()
    facts: tuple[Fact, ...] = ()

    def text(self) -> str:
        """The value of the metadata attribute."""
        return msgspec.json.encode(self).decode()


class FlowWindows(msgspec.Struct, frozen=True, kw_only=True, rename={"begin": "from"}):
    """Packets of one flow for each window since `begin` (seconds since the epoch), without gaps between reports.

    answered: packets that were sent in the window and answered within a second. connections: made so far.
    """

    begin: float
    sent: tuple[int, ...]
    answered: tuple[int, ...]
    connections: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `sequence` is that of the orders in force, 0 before there are any. `window`: seconds.

    facts: by name; null for what could not be read. errors: what went wrong under these orders.
    """

    sequence: int
    vm: str
    time: float
    window: float
    flows: dict[str, FlowWindows] = {}
    facts: dict[Fact, Any] = {}
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SerialText:
    """The reports in a part of the output of a serial port. `rest`: its last line, if that is not complete.

    `unreadable`: lines that begin like a report and are none, such as the first one when older output was dropped.
    """

    reports: tuple[Report, ...]
    rest: str
    unreadable: tuple[str, ...] = field(default=())


def parse_serial(text: str) -> SerialText:
    """Read a part of the output; put `rest` before the next part. Lines of other programs are left out."""
    *lines, rest = text.split("\n")
    reports: list[Report] = []
    unreadable: list[str] = []
    for line in lines:
        _, found, document = line.strip("\r").partition(PREFIX)
        if found:
            try:
                reports.append(_REPORT.decode(document))
            except msgspec.DecodeError:
                unreadable.append(line)
    return SerialText(tuple(reports), rest, tuple(unreadable))


def startup_script() -> str:
    """The agent, as the metadata attribute `startup-script` has it."""
    return files("dualstack.trial.agent").joinpath("startup.py").read_text()


_REPORT = msgspec.json.Decoder(Report)
