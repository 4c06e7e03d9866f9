"""The engine with decoys: killed at any step, and stopped by a decoy gate that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.cutover.run import run_cutover
from dualstack.model.errors import GateFailed, Unsupported
from dualstack.plan.gates import ALIASES_NOT_MATCHED as REASON
from dualstack.plan.gates import DECOYS as GATES
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import at_goal, at_rest, on_routes
from tests.unit.cutover.fake_cluster import SETTINGS, FakeClock, FakeCluster, Killed, lose_nothing

WANTED = replace(SETTINGS, decoys=True)
OVERLAP = choose("overlap")


async def run(cluster: FakeCluster) -> None:
    await run_cutover(cluster, OVERLAP, WANTED, FakeClock(), lambda _: None, "shoot--foo--bar")


async def test_every_decoy_gate_is_checked_and_nothing_is_left() -> None:
    cluster = FakeCluster(at_rest(4))
    await run(cluster)
    assert at_goal(cluster.facts)
    assert not cluster.facts.decoys.present
    assert [gate for gate in cluster.checked if "decoy" in gate] == [gate.id for gate in GATES]
    lose_nothing(cluster)


@pytest.mark.parametrize("killed_after", range(15))
async def test_after_a_kill_at_any_change_it_finishes_and_leaves_nothing(killed_after: int) -> None:
    cluster = FakeCluster(at_rest(3), kill_after=killed_after)
    with pytest.raises(Killed):
        await run(cluster)
    cluster.kill_after = None
    await run(cluster)
    assert at_goal(cluster.facts)
    assert not cluster.facts.decoys.present
    lose_nothing(cluster)


@pytest.mark.parametrize("gate", [gate.id for gate in GATES])
async def test_a_failed_decoy_gate_rolls_back_to_routes(gate: str) -> None:
    cluster = FakeCluster(at_rest(3), problems={gate: ["a route is in the way"] * 1000})
    with pytest.raises(GateFailed) as error:
        await run(cluster)
    assert str(error.value) == "a route is in the way; rolled back to routes only"
    assert not isinstance(error.value, Unsupported)
    assert on_routes(cluster.facts)
    assert not any("alias-canary" in step or step.startswith("delete-route") for step in cluster.steps)
    lose_nothing(cluster)


async def test_a_limitation_of_the_cloud_is_an_unsupported_error() -> None:
    cluster = FakeCluster(at_rest(3), problems={"gate-decoy-alias": [REASON] * 1000})
    with pytest.raises(Unsupported) as error:
        await run(cluster)
    assert error.value.because == REASON
    assert on_routes(cluster.facts)
