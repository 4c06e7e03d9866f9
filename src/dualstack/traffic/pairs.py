"""Which nodes probe which, and the plan that tells the probers so: one ConfigMap.

Every prober derives its own targets from the same list, so the plan grows with the nodes and not with the pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import msgspec

from dualstack.model.kinds import Manifest
from dualstack.model.manifests import config_map

ALL_PAIRS_UP_TO = 100
"""Nodes up to which all ordered pairs are probed."""
SAMPLED_TARGETS = 20
"""Nodes that each node probes beyond that."""
PLAN = "dualstack-traffic-plan"
"""Name of the ConfigMap."""
INTERVAL = 0.1
"""Seconds between two packets of a flow, unless a plan says otherwise."""
_KEY = "plan.json"


class ProberAddress(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the prober of a node answers: its addresses, at most one of each family."""

    node: str
    addresses: tuple[str, ...]
    zone: str = ""


class ProbePlan(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the probers do. `services`: cluster IPs. `internet`: ADDRESS:PORT or [ADDRESS]:PORT.

    `interval`: seconds between two packets of a flow. `generation` grows when the content changes.
    """

    generation: int
    probers: tuple[ProberAddress, ...]
    services: tuple[str, ...] = ()
    internet: tuple[str, ...] = ()
    interval: float = INTERVAL


def targets(node: str, probers: Iterable[ProberAddress]) -> tuple[ProberAddress, ...]:
    """The probers that the prober of `node` probes; empty if it is not among `probers`.

    Up to `ALL_PAIRS_UP_TO` nodes: all others. Beyond: the next `SAMPLED_TARGETS` nodes on a ring in the order of the
    hashes of their names, so that every node is source and destination of as many pairs and a node that joins or leaves
    changes few of them; and of each zone that is not among these, the next node on the ring.
    """
    every = {each.node: each for each in probers}
    if node not in every:
        return ()
    if len(every) <= ALL_PAIRS_UP_TO:
        return tuple(every[name] for name in sorted(every) if name != node)
    ring = sorted(every, key=_position)
    start = ring.index(node) + 1
    following = [every[name] for name in (*ring[start:], *ring[: start - 1])]
    chosen = following[:SAMPLED_TARGETS]
    zones = {each.zone for each in chosen}
    for each in following[SAMPLED_TARGETS:]:
        if each.zone not in zones:
            zones.add(each.zone)
            chosen.append(each)
    return tuple(chosen)


def plan_manifest(plan: ProbePlan, namespace: str) -> Manifest:
    """The ConfigMap of a plan."""
    return config_map(PLAN, namespace, {_KEY: msgspec.json.encode(plan).decode()})


def read_plan(found: Mapping[str, object] | None) -> ProbePlan | None:
    """The plan in a ConfigMap; None if it has none that can be read."""
    data = (found or {}).get("data")
    text = data.get(_KEY) if isinstance(data, Mapping) else None
    try:
        return msgspec.json.decode(str(text), type=ProbePlan)
    except msgspec.DecodeError:
        return None


def endpoint_of(text: str) -> tuple[str, int]:
    """Address and port of ADDRESS:PORT or [ADDRESS]:PORT. Raises ValueError."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = ip_address(host[1:-1] if bracketed else host)
    if bracketed != (address.version == 6) or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    return str(address), int(port)


def family(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def shared_addresses(own: ProberAddress, other: ProberAddress) -> tuple[str, ...]:
    """The addresses of `other` in the families that both have."""
    families = {family(address) for address in own.addresses}
    return tuple(address for address in other.addresses if family(address) in families)


def _position(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
