"""Finds unused blocks of the pod CIDR, in which a test affects no node."""

from __future__ import annotations

from ipaddress import IPv4Network

from dualstack.model.cidr import parse
from dualstack.plan.facts import CutoverFacts


def unused_block(facts: CutoverFacts, *, holding: int = 1) -> str | None:
    """The last unused block of the pod CIDR with room for `holding` node-sized blocks; None when there is none.

    holding: a power of two. The search starts at the end, because cloud-controller-manager allocates from the start.
    """
    pods = parse(facts.pods_cidr)
    used = [parse(cidr) for cidr in _used(facts)]
    size = max((block.prefixlen for block in used), default=min(pods.prefixlen + 8, 32)) - (holding.bit_length() - 1)
    if not isinstance(pods, IPv4Network):
        return None
    step = 1 << (32 - size)
    for first in range(int(pods.broadcast_address) + 1 - step, int(pods.network_address) - 1, -step):
        block = IPv4Network((first, size))
        if not any(isinstance(taken, IPv4Network) and block.overlaps(taken) for taken in used):
            return str(block)
    return None


def parts(block: str, count: int) -> tuple[str, ...]:
    """`block` in `count` equal parts, a power of two."""
    return tuple(str(part) for part in parse(block).subnets(prefixlen_diff=count.bit_length() - 1))


def _used(facts: CutoverFacts) -> set[str]:
    routes = {route.destination for route in (*facts.routes, *facts.foreign_routes)}
    pods = {node.pod_cidr for node in facts.nodes if node.pod_cidr}
    saved = {entry.destination_cidr for entry in facts.saved_routes}
    return routes | pods | saved | set(facts.holders) | facts.decoys.routes | ({facts.decoys.home} - {""})
