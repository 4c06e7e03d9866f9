"""Blocks of the pod CIDR that nothing uses: what may be tried in them touches nobody."""

from __future__ import annotations

from ipaddress import IPv4Network

from dualstack.plan.facts import CutoverFacts, network


def unused_blocks(facts: CutoverFacts, count: int) -> tuple[str, ...]:
    """The last `count` blocks of the pod CIDR, each as large as a node's, that nothing uses; fewer if there are fewer.

    From the end, because cloud-controller-manager hands blocks out from the start.
    """
    pods = network(facts.pods_cidr)
    used = [network(cidr) for cidr in _used(facts)]
    size = max((block.prefixlen for block in used), default=min(pods.prefixlen + 8, 32))
    if not isinstance(pods, IPv4Network) or size < pods.prefixlen:
        return ()
    step, found = 1 << (32 - size), list[str]()
    for first in range(int(pods.broadcast_address) + 1 - step, int(pods.network_address) - 1, -step):
        block = IPv4Network((first, size))
        if not any(isinstance(taken, IPv4Network) and block.overlaps(taken) for taken in used):
            found.append(str(block))
        if len(found) == count:
            break
    return tuple(found)


def _used(facts: CutoverFacts) -> set[str]:
    routes = {route.destination for route in (*facts.routes, *facts.foreign_routes)}
    pods = {node.pod_cidr for node in facts.nodes if node.pod_cidr}
    saved = {entry.destination_cidr for entry in facts.saved_routes}
    return routes | pods | saved | set(facts.holders) | set(facts.decoys.blocks) | facts.decoys.routes
