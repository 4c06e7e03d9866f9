"""What the conditions of a Node mean for the facts that gates are checked with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from dualstack.cutover.decoys import Decoys
from dualstack.cutover.observation import Observer
from dualstack.cutover.platform import Member
from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.steps.base import Gate
from tests.sim.cutover.memory_cluster import MemoryCluster, memory_cluster
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform

GATES = [gate for gate in vars(gates).values() if isinstance(gate, Gate) and gate not in gates.DECOYS]
READY = {"type": "Ready", "status": "True"}


async def observed_with(made: MemoryCluster, change: Callable[[list[Member]], list[Member]]) -> CutoverFacts:
    """The facts when the platform shows these members."""

    class Platform(MemoryPlatform):
        async def members(self) -> tuple[Member, ...]:
            return tuple(change(list(await super().members())))

    no_kubernetes: Any = Mock(spec=[])
    decoys = Decoys(made.client, no_kubernetes, made.clock, made.events.append, CLUSTER)
    return (await Observer(made.client, Platform(), CLUSTER, decoys).observe()).facts


async def observed(made: MemoryCluster, conditions: list[dict[str, str]]) -> CutoverFacts:
    """The facts when the first Node has these conditions."""

    def change(members: list[Member]) -> list[Member]:
        first, *others = members
        node: dict[str, Any] = {**(first.node or {}), "status": {"conditions": conditions}}
        return [Member(first.name, first.zone, node), *others]

    return await observed_with(made, change)


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


NO_NODE = "runs, but the API server shows no Node of its name"
NO_VM = "has no provider ID, and no VM of the cluster has its name"


def first_with(provider_id: str) -> Callable[[list[Member]], list[Member]]:
    """The members when Node worker-0 has this provider ID."""

    def change(members: list[Member]) -> list[Member]:
        node: dict[str, Any] = {
            **(members[0].node or {}),
            "spec": {"podCIDR": "10.96.0.0/24", "providerID": provider_id},
        }
        node["metadata"] = {**node["metadata"], "labels": {"topology.kubernetes.io/zone": "europe-west1-b"}}
        return [Member.of(NODES[0], node, node), *members[1:]]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda members: members, {}),
        (lambda members: members[1:], {"VM worker-0": NO_NODE}),
        (lambda members: [], {f"VM {name}": NO_NODE for name in NODES}),
        (lambda members: [Member(each.name, each.zone) for each in members], {f"VM {name}": NO_NODE for name in NODES}),
        (
            lambda members: [Member(f"other-{each.name}", each.zone, each.node) for each in members],
            {f"VM {name}": NO_NODE for name in NODES} | {f"node other-{name}": NO_VM for name in NODES},
        ),
    ],
    ids=["complete", "one missing", "empty", "machines without Nodes", "Nodes of another cluster"],
)
async def test_x1_a_running_vm_without_its_node_closes_every_gate(
    change: Callable[[list[Member]], list[Member]], expected: dict[str, str]
) -> None:
    async with memory_cluster() as made:
        facts = await observed_with(made, change)
    assert facts.unidentified == expected
    for gate in GATES:
        assert {f"{what} {why}" for what, why in expected.items()} <= set(gates.problems(gate, facts))


@pytest.mark.parametrize("slashes", ["//", "///"])
async def test_p20_a_node_with_either_spelling_is_identified(slashes: str) -> None:
    async with memory_cluster() as made:
        facts = await observed_with(made, first_with(f"gce:{slashes}proj-1/europe-west1-b/worker-0"))
    assert facts.unidentified == {}
    assert facts.node_of["worker-0"].zone == "europe-west1-b"


@pytest.mark.parametrize(
    ("provider_id", "why"),
    [
        ("gce://europe-west1-b/worker-0", "which is not gce://<project>/<zone>/<name>"),
        ("gce:////europe-west1-b/worker-0", "which is not gce://<project>/<zone>/<name>"),
        ("aws:///europe-west1-b/worker-0", "which is not gce://<project>/<zone>/<name>"),
        ("gce://proj-2/europe-west1-b/worker-0", "which names another VM"),
        ("gce://proj-1/europe-west1-b/worker-1", "which names another VM"),
    ],
)
async def test_p20_a_provider_id_that_does_not_name_the_vm_is_a_finding_and_the_label_no_substitute(
    provider_id: str, why: str
) -> None:
    async with memory_cluster() as made:
        facts = await observed_with(made, first_with(provider_id))
    assert facts.unidentified == {"node worker-0": f"has provider ID {provider_id!r}, {why}"}


async def test_p20_of_two_vms_of_one_name_the_one_in_the_zone_of_the_provider_id_counts() -> None:
    async with memory_cluster() as made:
        facts = await observed_with(made, first_with("gce://proj-1/europe-west1-c/worker-0"))
    assert "worker-0" not in facts.node_of
