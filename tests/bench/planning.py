"""What planning a cut-over costs: CPU of one core, and memory."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

from dualstack.model import names
from dualstack.plan.facts import ControllerFacts, CutoverFacts, NodeFacts, RouteFacts, SubnetFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import STRATEGIES


def plan(size: int, strategy: str) -> dict[str, Any]:
    """Seconds and memory for the whole plan, every step of it, from a cluster of `size` nodes at rest."""
    planner, settings, facts = STRATEGIES[strategy], Settings(), at_rest(size)
    begun = time.process_time()
    steps = sum(1 for _ in planner.transitions(facts, settings))
    seconds = time.process_time() - begun
    tracemalloc.start()
    for _ in planner.transitions(at_rest(size), settings):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"steps": steps, "seconds": round(seconds, 3), "megabytes": round(peak / 2**20, 1)}


def at_rest(size: int) -> CutoverFacts:
    """Every node has its route, and nothing of the cut-over has begun."""
    machines = [(f"node-{index:05}", f"100.{96 + index // 256}.{index % 256}.0/24") for index in range(size)]
    return CutoverFacts(
        pods_cidr="100.96.0.0/11",
        range_name=names.POD_RANGE_NAME,
        subnet=SubnetFacts("nodes", "europe-west1"),
        routes=tuple(RouteFacts(f"route-{name}", cidr, name, "europe-west1-b") for name, cidr in machines),
        nodes=tuple(NodeFacts(name, "europe-west1-b", cidr) for name, cidr in machines),
        saved_routes=(),
        controller=ControllerFacts(replicas=1, pods=1, ignored=False),
    )
