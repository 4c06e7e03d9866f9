"""What the conditions of a Node mean for the facts that gates are checked with."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from dualstack.cutover.decoys import Decoys
from dualstack.cutover.observation import Observer
from dualstack.cutover.platform import Member
from dualstack.plan.facts import CutoverFacts
from tests.sim.cutover.memory_platform import CLUSTER, NODES, MemoryCluster, MemoryPlatform, memory_cluster

READY = {"type": "Ready", "status": "True"}


async def observed(made: MemoryCluster, conditions: list[dict[str, str]]) -> CutoverFacts:
    """The facts when the first Node has these conditions."""

    class Platform(MemoryPlatform):
        async def members(self) -> tuple[Member, ...]:
            first, *others = await super().members()
            node: dict[str, Any] = {**(first.node or {}), "status": {"conditions": conditions}}
            return (Member(first.name, first.zone, node), *others)

    no_kubernetes: Any = Mock(spec=[])
    decoys = Decoys(made.client, no_kubernetes, made.clock, made.events.append, CLUSTER)
    return (await Observer(made.client, Platform(), CLUSTER, decoys).observe()).facts


@pytest.mark.parametrize(
    ("conditions", "problem", "complains"),
    [
        ([READY], "", False),
        ([], "is not Ready", False),
        ([{"type": "Ready", "status": "False"}], "is not Ready", False),
        ([{"type": "Ready", "status": "Unknown"}], "is not Ready", False),
        ([READY, {"type": "NetworkUnavailable", "status": "False"}], "", False),
        ([READY, {"type": "NetworkUnavailable", "status": "True"}], "reports that its network is unavailable", False),
        ([READY, {"type": "ClusterNetworkProblem", "status": "False", "message": "ok"}], "", False),
        (
            [READY, {"type": "ClusterNetworkProblem", "status": "True", "message": "1 of 3 Pods"}],
            "reports ClusterNetworkProblem: 1 of 3 Pods",
            True,
        ),
        ([READY, {"type": "HostNetworkProblem", "status": "True"}], "reports HostNetworkProblem: no details", True),
        ([READY, {"type": "DiskPressure", "status": "True"}], "", False),
    ],
)
async def test_the_conditions_of_a_node_decide_whether_it_is_healthy(
    conditions: list[dict[str, str]], problem: str, complains: bool
) -> None:
    async with memory_cluster() as made:
        facts = await observed(made, conditions)
    assert facts.unhealthy == ({NODES[0]: problem} if problem else {})
    assert facts.with_network_problem == (frozenset({NODES[0]}) if complains else frozenset())
