"""Finds unused blocks of the pod CIDR, in which a test affects no node."""

from __future__ import annotations

from collections.abc import Set
from ipaddress import IPv4Network

from dualstack.model.cidr import parse
from dualstack.plan.facts import CutoverFacts

SMALLEST_RANGE = 29
"""Prefix length of the smallest range of a subnet (docs/reference/compute-engine.md#smallest-range)."""


def unused_block(facts: CutoverFacts, *, longest: int = 32) -> str | None:
    """The last unused block of the pod CIDR; None when there is none.

    It is as large as that of a node, or larger if its prefix would be longer than `longest`.
    """
    node_sized = max((block.prefixlen for block in _of_nodes(facts)), default=parse(facts.pods_cidr).prefixlen + 8)
    return unused_range(facts, min(node_sized, longest))


def unused_range(facts: CutoverFacts, length: int) -> str | None:
    """The last unused block of the pod CIDR with this prefix length; None when there is none.

    The search starts at the end, because cloud-controller-manager allocates from the start.
    """
    pods, used = parse(facts.pods_cidr), _used(facts)
    if not isinstance(pods, IPv4Network):
        return None
    size = 1 << (32 - length)
    first = int(pods.broadcast_address) + 1 - size
    while first >= int(pods.network_address):
        block = IPv4Network((first, length))
        taken = next((each for each in used if block.overlaps(each)), None)
        if taken is None:
            return str(block)
        first = int(taken.network_address) // size * size - size
    return None


def parts(block: str, count: int) -> tuple[str, ...]:
    """`block` in `count` equal parts, a power of two."""
    return tuple(str(part) for part in parse(block).subnets(prefixlen_diff=count.bit_length() - 1))


def _of_nodes(facts: CutoverFacts) -> list[IPv4Network]:
    routes = {route.destination for route in (*facts.routes, *facts.foreign_routes)}
    pods = {node.pod_cidr for node in facts.nodes if node.pod_cidr}
    saved = {entry.destination_cidr for entry in facts.saved_routes}
    return _blocks(routes | pods | saved | set(facts.holders))


def _used(facts: CutoverFacts) -> list[IPv4Network]:
    return _of_nodes(facts) + _blocks(facts.decoys.routes | ({facts.decoys.home} - {""}))


def _blocks(texts: Set[str]) -> list[IPv4Network]:
    return [block for block in map(parse, texts) if isinstance(block, IPv4Network)]
