"""What one serial port of a VM has written, as far as it is kept (docs/reference/compute-engine.md#serial-ports)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualstack_sim.rules import enforced

KEPT = 1 << 20
"""Bytes of each port that are kept."""


@dataclass(slots=True)
class SerialOutput:
    """The kept end of the output; `begin` is the position of its first byte."""

    begin: int = 0
    content: bytearray = field(default_factory=bytearray)

    @property
    def end(self) -> int:
        return self.begin + len(self.content)

    def write(self, text: str) -> None:
        self.content += text.encode()
        dropped = max(0, len(self.content) - KEPT) if enforced("instances.serial-port-kept") else 0
        self.begin += dropped
        del self.content[:dropped]
