"""The cluster that the benchmarks build: the example Shoot, at any size."""

from __future__ import annotations

from pathlib import Path

from dualstack_sim.fabric import Fabric
from dualstack_sim.world.gardener.builder import World

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"


def join_pairs(fabric: Fabric, world: World, at: float) -> None:
    """Watch the traffic between every pair of nodes from `at`."""
    for node in world.nodes:
        fabric.traffic.join(at, node.name, [node.pod_cidr])
    fabric.rest(at)
    fabric.traffic.mark(at)
