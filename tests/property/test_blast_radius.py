"""No inferred fact is tried on more than one node at once, and that node is unreachable for at most a minute.

The whole Infrastructure reconcile in virtual time (`tests.storm.world`), judged by the simulated network.
"""

from __future__ import annotations

import asyncio

import pytest

from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.outcomes import ALIASES_NOT_MATCHED, ROUTES_NOT_SERVED, assert_back_on_routes
from tests.storm.world import LONGEST, storm_world, virtually


@pytest.mark.parametrize("nodes", [2, 12])
@pytest.mark.parametrize("k1", ["deny", "allow"])
@pytest.mark.parametrize(
    ("knobs", "fact"),
    [
        (FabricKnobs(unmatched_to_instances=False), ROUTES_NOT_SERVED),
        (FabricKnobs(alias_matched=False), ALIASES_NOT_MATCHED),
        (FabricKnobs(alias_matched=False, unmatched_to_instances=False), ROUTES_NOT_SERVED),
    ],
    ids=["routes-not-served", "aliases-not-matched", "neither"],
)
def test_p24_a_fact_that_does_not_hold_costs_one_node_less_than_a_minute(
    nodes: int, k1: str, knobs: FabricKnobs, fact: str
) -> None:
    async def main() -> None:
        cloud = Knobs(new_route_in_flagged_range="allow" if k1 == "allow" else "deny")
        async with storm_world(nodes=nodes, knobs=cloud, fabric_knobs=knobs) as world:
            assert await world.reconcile() is not None
            await assert_back_on_routes(world, fact)
            assert await world.reconcile() is not None
            assert "as observed in an earlier cut-over" in str(world.errors[-1])
            await world.clock.sleep(60.0)
            assert world.longest() <= LONGEST

    virtually(main)


@pytest.mark.parametrize("nodes", [1, 2, 12])
def test_p24_with_the_facts_as_assumed_nothing_is_lost(nodes: int) -> None:
    async def main() -> None:
        async with storm_world(nodes=nodes) as world:
            assert await world.operate()
            await world.clock.sleep(60.0)
            assert world.broken() == ()
            assert await world.routes() == set()
            assert len(await world.aliases()) == nodes
            assert ("add-range-canary" in world.steps()) == (nodes > 1)

    virtually(main)


@pytest.mark.parametrize("step", ["add-range-canary", "barrier-range-canary", "remove-range-canary"])
@pytest.mark.parametrize("after", [0.1, 20.0])
@pytest.mark.parametrize("holds", [True, False], ids=["as-assumed", "not-served"])
def test_p24_a_kill_leaves_no_range_of_one_node(step: str, after: float, holds: bool) -> None:
    async def main() -> None:
        async with storm_world(nodes=3, fabric_knobs=FabricKnobs(unmatched_to_instances=holds)) as world:
            await world.killed_at(step, after=after)
            await world.clock.sleep(5.0)
            finished = await world.operate(attempts=1)
            assert finished == holds
            await world.clock.sleep(60.0)
            names = [entry["rangeName"] for entry in (await world.subnet()).get("secondaryIpRanges") or ()]
            assert names == (["ipv4-pod-cidr"] if holds else [])
            if holds:
                assert world.broken() == ()
            else:
                assert 0.0 < world.longest() <= LONGEST

    virtually(main)


def test_p24_a_node_that_stays_unreachable_without_the_range_is_not_blamed_on_the_cloud() -> None:
    """The cloud would be taken for one that lacks what `overlap` needs, for good."""

    async def main() -> None:
        async with storm_world(nodes=3) as world:
            run = asyncio.ensure_future(world.reconcile())
            while "barrier-range-canary" not in world.steps():
                await world.clock.sleep(1.0)
            name = min(node.name for node in world.world.nodes)
            world.complain(name)
            await run
            assert "still reports a network problem without the range" in str(world.errors[-1])
            annotations = world.infrastructure()["metadata"].get("annotations") or {}
            assert "dualstack.dev/overlap-unsupported" not in annotations
            assert await world.routes() == {node.name for node in world.world.nodes}
            assert not (await world.subnet()).get("secondaryIpRanges")

    virtually(main)


def test_p24_a_foreign_range_with_the_name_of_the_canary_is_an_obstacle_before_the_first_change() -> None:
    async def main() -> None:
        async with storm_world(nodes=3) as world:
            await world.add_range("dualstack-canary", "10.77.0.0/24")
            before = world.compute.statistics()["mutations"]
            assert await world.reconcile() is not None
            assert "range dualstack-canary (10.77.0.0/24)" in str(world.errors[0])
            assert world.compute.statistics()["mutations"] == before

    virtually(main)
