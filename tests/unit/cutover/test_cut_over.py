"""A cut-over from its first request to its last, in memory; and what it leaves when it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dualstack.cutover.cut_over import CutOver, is_final, nothing_deleted
from dualstack.cutover.interface import DirectionChanged
from dualstack.cutover.platform import Member
from dualstack.gce.errors import Invalid, Transient
from dualstack.kube.interface import Unavailable
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.model.events import OutageExpected
from dualstack.plan.facts import CutoverFacts, SavedRoute
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import choose
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.cluster_facts import at_rest, cidr, node, route
from tests.support.memory_compute import MemoryCompute
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform
from tests.support.store_kube import StoreKube
from tests.unit.cutover.clouds import SUBNET, ZONE, Parts, alias

OVERLAP, COMPRESSED = choose("overlap"), choose("compressed")
ROUTES = [f"global/routes/kubernetes-uid-{name}" for name in NODES]


def denied() -> Invalid:
    return Invalid("invalid", "denied")


def cut_over(parts: Parts, **options: Any) -> CutOver:
    return parts.cut_over(parts.decoys(**options), settings=Settings(decoys=bool(options)))


@pytest.mark.parametrize(
    ("error", "final"),
    [(GateFailed("g"), True), (denied(), True), (Transient("t", "t"), False), (Unavailable("u"), False)],
)
def test_an_error_is_final_when_the_same_attempt_fails_again(error: DualstackError, final: bool) -> None:
    assert is_final(error) is final


async def test_forward_and_back() -> None:
    parts = Parts()
    await cut_over(parts).forward(OVERLAP)
    assert [event.seconds for event in parts.events if isinstance(event, OutageExpected)] == [0.0]
    assert [parts.aliases(name) for name in NODES] == [[alias(number)] for number in range(3)]
    assert parts.routes == []
    assert parts.compute.resources[SUBNET]["allowSubnetCidrRoutesOverlap"] is False
    assert parts.platform.calls == ["stop"]
    assert (await cut_over(parts).observe()).finished
    await cut_over(parts).back()
    assert [parts.aliases(name) for name in NODES] == [[], [], []]
    assert parts.routes == ROUTES
    assert parts.platform.calls == ["stop", "restore"]
    assert sum(isinstance(event, OutageExpected) for event in parts.events) == 2


@pytest.mark.parametrize("strategy", [OVERLAP, COMPRESSED], ids=lambda strategy: strategy.name)
async def test_a_failure_restores_the_controller_while_every_route_exists(strategy: Any) -> None:
    parts = Parts()
    parts.compute.refusals[f"DELETE {ROUTES[0]}"] = [denied()]
    with pytest.raises(Invalid):
        await cut_over(parts).forward(strategy)
    assert parts.routes[0] == ROUTES[0]
    left = parts.routes == ROUTES
    assert parts.platform.calls == (["stop", "restore"] if left else ["stop"])


async def test_once_a_route_is_deleted_the_controller_stays_stopped() -> None:
    parts = Parts()
    parts.compute.refusals[f"DELETE {ROUTES[1]}"] = [denied()]
    with pytest.raises(Invalid) as refused:
        await cut_over(parts).forward(OVERLAP)
    assert parts.routes != ROUTES
    assert parts.platform.calls == ["stop"]
    assert refused.value.retry_after is None


async def test_p30_where_no_range_serves_unreachable_nodes_their_routes_return() -> None:
    for strategy in (COMPRESSED, OVERLAP):
        parts = Parts()
        parts.compute.resources[SUBNET]["stackType"] = "IPV4_IPV6"
        if strategy is OVERLAP:  # as a compressed one that was killed left it
            for path in ROUTES:
                del parts.compute.resources[path]
        parts.compute.refusals[f"PATCH {SUBNET}"] = [denied()]
        with pytest.raises(Invalid):
            await cut_over(parts).forward(strategy)
        assert f"PATCH {SUBNET}" in parts.compute.changes
        assert parts.routes == ROUTES


async def test_p30_where_aliases_are_refused_every_route_stays_and_no_range_is_left() -> None:
    parts = Parts()
    for name in NODES:
        parts.compute.refusals[f"PATCH {ZONE}/instances/{name}/updateNetworkInterface"] = [denied()]
    with pytest.raises(Invalid) as refused:
        await cut_over(parts).forward(COMPRESSED)
    assert not parts.compute.resources[SUBNET].get("secondaryIpRanges")
    assert parts.routes == ROUTES
    assert refused.value.retry_after is None


async def test_p25_a_node_that_gets_no_alias_returns_a_compressed_cut_over_to_routes_without_the_flag() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {ZONE}/instances/{NODES[1]}/updateNetworkInterface"] = [denied()] * 100
    with pytest.raises(Invalid):
        await cut_over(parts).forward(COMPRESSED)
    assert parts.routes == ROUTES
    assert [parts.aliases(name) for name in NODES] == [[], [], []]
    assert not any(body.get("allowSubnetCidrRoutesOverlap") for body in parts.compute.bodies)


class TooLarge(MemoryPlatform):
    """A node that reports a network problem as long as any VM has an alias, as above the limits of hybrid subnets."""

    compute: MemoryCompute

    async def members(self) -> tuple[Member, ...]:
        vms = [vm for path, vm in self.compute.resources.items() if "/instances/" in path]
        if any(vm["networkInterfaces"][0].get("aliasIpRanges") for vm in vms):
            problem = {"type": "ClusterNetworkProblem", "status": "True", "reason": "FailedChecks"}
            ready = {"type": "Ready", "status": "True"}
            last = dict(self.nodes[NODES[-1]] or {}, status={"conditions": [ready, problem]})
            return tuple(replace(it, node=last) if it.name == NODES[-1] else it for it in await super().members())
        return await super().members()


async def test_p31_a_network_problem_that_the_range_causes_does_not_keep_the_range() -> None:
    """The gate of the way back cannot pass while the range is there, and every route is."""
    platform = TooLarge()
    parts = Parts(platform=platform)
    platform.compute = parts.compute
    with pytest.raises(GateFailed, match="rolled back to routes only"):
        await cut_over(parts).forward(OVERLAP)
    assert sum(isinstance(event, OutageExpected) for event in parts.events) == 1
    assert [parts.aliases(name) for name in NODES] == [[], [], []]
    assert not parts.compute.resources[SUBNET].get("secondaryIpRanges")
    assert parts.compute.resources[SUBNET]["allowSubnetCidrRoutesOverlap"] is False
    assert parts.routes == ROUTES
    assert platform.calls == ["stop", "restore"]


async def test_a_failure_before_the_first_deletion_is_retried_as_usual() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {SUBNET}"] = [denied()]
    with pytest.raises(Invalid) as refused:
        await cut_over(parts).forward(COMPRESSED)
    assert refused.value.retry_after is None
    assert parts.routes == ROUTES


async def test_the_first_error_is_reported_even_if_the_cluster_cannot_be_read_afterwards() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {SUBNET}"] = [denied()]

    class Silent(MemoryPlatform):
        async def members(self) -> tuple[Member, ...]:
            if f"PATCH {SUBNET}" in parts.compute.calls:
                raise Unavailable("no answer")
            return await super().members()

    parts.platform = Silent()
    with pytest.raises(Invalid, match="denied"):
        await cut_over(parts).forward(OVERLAP)


async def test_a_change_of_direction_leaves_the_cluster_as_it_is() -> None:
    parts = Parts()

    async def redirection() -> str | None:
        return "the owner requests a rollback" if parts.platform.calls else None

    with pytest.raises(DirectionChanged):
        await cut_over(parts).forward(OVERLAP, redirection)
    assert parts.platform.calls == ["stop"]
    await cut_over(parts).back()
    assert parts.platform.calls == ["stop", "restore"]


async def test_a_failure_removes_the_decoys() -> None:
    parts = Parts()
    parts.kube = StoreKube(KubeStore(parts.clock, Chance(1)))
    parts.compute.refusals["POST global/routes"] = [denied()]
    with pytest.raises(Invalid):
        await cut_over(parts, wanted=True, image="prober:1").forward(OVERLAP)
    assert f"POST {ZONE}/instances" in parts.compute.changes
    assert f"{ZONE}/instances/kubernetes-dualstack-decoy" not in parts.compute.resources
    assert parts.routes == ROUTES


async def test_without_decoys_a_failure_removes_none() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {SUBNET}"] = [denied()]
    with pytest.raises(Invalid):
        await cut_over(parts).forward(OVERLAP)
    assert not [call for call in parts.compute.changes if call.startswith("DELETE")]


def saved(number: int) -> SavedRoute:
    return SavedRoute(f"node-{number}", cidr(number), node(number).zone)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (at_rest(2), True),
        (replace(at_rest(2), saved_routes=(saved(0),)), True),
        (replace(at_rest(2), saved_routes=(saved(0), saved(1))), True),
        (replace(at_rest(2), routes=(route(0),)), False),
        (replace(at_rest(2), routes=(route(0),), saved_routes=(saved(0), saved(1))), False),
        (replace(at_rest(2), saved_routes=(saved(7),)), True),  # its VM is gone
        (
            replace(at_rest(2), saved_routes=(replace(saved(1), destination_cidr=cidr(5)),)),
            False,
        ),  # an earlier pod CIDR
        (
            replace(
                at_rest(2),
                routes=(route(0),),
                nodes=(node(0), replace(node(1), pod_cidr=None)),
                saved_routes=(saved(1),),
            ),
            False,
        ),
    ],
)
def test_nothing_is_deleted_while_every_vm_and_every_saved_entry_has_its_route(
    facts: CutoverFacts, expected: bool
) -> None:
    assert nothing_deleted(facts) is expected


@pytest.mark.parametrize(("left", "kept"), [("nothing", ""), ("range", "aliases-not-matched")])
async def test_what_a_trial_has_shown_is_forgotten_once_nothing_of_it_is_left(left: str, kept: str) -> None:
    parts = Parts()
    await cut_over(parts)._actuator().keep_disproved("aliases-not-matched")
    if left == "range":
        parts.compute.resources[SUBNET]["secondaryIpRanges"] = [
            {"rangeName": CLUSTER.pod_range_name, "ipCidrRange": str(CLUSTER.pods)}
        ]
    await cut_over(parts).end_trial()
    assert (await cut_over(parts).observe()).disproved == kept
    assert list(parts.platform.kept.values()) == [kept] * bool(kept)
