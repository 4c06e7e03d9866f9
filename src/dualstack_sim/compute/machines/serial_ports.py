"""instances.getSerialPortOutput (docs/reference/compute-engine.md#serial-ports)."""

from __future__ import annotations

from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.api.resource_changes import Methods
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.compute.project.serial_output import SerialOutput
from dualstack_sim.rules import enforced

PORTS = range(1, 5)


class SerialPorts(Methods):
    """Shows what guests wrote. The output ends with its VM and is not part of a saved state."""

    def get(self, call: Call) -> Json:
        self._project.guests(call.now)
        key = Key("instances", call.scope, call.name)
        instance = self._project.inventory.get(key)
        port = _number(call, "port", 1)
        if port not in PORTS and enforced("instances.serial-ports"):
            raise invalid("port", port, "Serial port must be between 1 and 4.")
        output = self._project.serial.get((instance["id"], port), SerialOutput())
        start = min(max(_number(call, "start", output.begin), output.begin), output.end)
        return {
            "kind": "compute#serialPortOutput",
            "selfLink": f"{self._project.links.full(key)}/serialPort",
            "contents": output.content[start - output.begin :].decode(errors="replace"),
            "start": str(start),
            "next": str(output.end),
        }


def forget_output(project: Project, instance: Json) -> None:
    """Drop the output of a VM that is deleted."""
    for port in PORTS:
        project.serial.pop((instance["id"], port), None)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise invalid(name, text, "Must be an integer.") from None
