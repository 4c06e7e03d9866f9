"""The ports of a forwarding rule (docs/reference/compute-engine.md#forwarding-rule-ports)."""

from __future__ import annotations

import re

from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.rules import enforced

MOST_PORTS = 5
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def check_ports(scheme: str, protocol: str, body: Json) -> Json:
    """The checked fields `ports`, `portRange` and `allPorts` of a forwarding rule of a passthrough load balancer."""
    given = [field for field in ("ports", "portRange", "allPorts") if body.get(field)]
    if len(given) > 1 and enforced("balancing.one-kind-of-ports"):
        raise invalid(f"resource.{given[1]}", "", f"Must not be specified together with {given[0]}.")
    if protocol in ("L3_DEFAULT", "ESP", "AH", "ICMP"):
        if given and given != ["allPorts"]:
            raise invalid(f"resource.{given[0]}", "", f"Protocol {protocol} has no single ports; use allPorts.")
    elif not given:
        raise invalid("resource.ports", "", f"One of ports, portRange and allPorts is required for {protocol}.")
    if scheme == "INTERNAL" and "portRange" in given:
        raise invalid("resource.portRange", body["portRange"], "Not supported for loadBalancingScheme INTERNAL.")
    if len(body.get("ports", ())) > MOST_PORTS and enforced("balancing.five-ports"):
        raise invalid("resource.ports", "", f"At most {MOST_PORTS} ports are allowed.")
    fields: Json = {}
    if body.get("ports"):
        fields["ports"] = [str(port_range(text, f"resource.ports[{n}]")[0]) for n, text in enumerate(body["ports"])]
        low, high = min(map(int, fields["ports"])), max(map(int, fields["ports"]))
        if scheme == "EXTERNAL" and high - low + 1 == len(fields["ports"]):
            fields["portRange"] = f"{low}-{high}"
    if body.get("portRange"):
        low, high = port_range(body["portRange"], "resource.portRange")
        fields["portRange"] = f"{low}-{high}"
    if body.get("allPorts"):
        fields["allPorts"] = True
    return fields


def port_range(text: str, field: str) -> tuple[int, int]:
    """The first and the last port of a port or a range."""
    match = _RANGE.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise invalid(field, text, "Must be a port or a range of ports.")
    return low, high


def ranges_of(rule: Json) -> list[tuple[int, int]]:
    """The port ranges that a forwarding rule serves."""
    if rule.get("allPorts") or not (rule.get("ports") or rule.get("portRange")):
        return [(0, 65535)]
    texts = rule.get("ports") or [rule["portRange"]]
    return [port_range(text, "ports") for text in texts]
