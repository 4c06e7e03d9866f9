"""What the product says about an outage, compared with the ledger of the simulated network."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from dualstack.cli.rehearsal.claims import announced_differences, measured_differences
from dualstack.model.events import OutageExpected, StrategyChosen
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.fabric import LagProfile
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.world import LONGEST, storm_world, virtually
from tests.support.probing import probing


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("nodes", [1, 2, 12])
def test_p09_what_compressed_announces_and_measures_is_what_the_network_lost(nodes: int, seed: int) -> None:
    async def main() -> None:
        async with storm_world(nodes=nodes, seed=seed, strategy="compressed") as world:
            assert await world.operate(attempts=1)
            await world.clock.sleep(30.0)
            assert measured_differences(world.measured(), world.ledger()) == []
            assert announced_differences(world.at_most(), world.ledger()) == []
            assert [event.bound for event in world.measured()] == [""] * (nodes > 1)
            assert (world.ledger().longest > 10.0) == (nodes > 1)

    virtually(main)


def test_p09_hosts_that_are_slow_explain_no_more_than_their_delay() -> None:
    async def main() -> None:
        async with storm_world(nodes=5, lag=LagProfile(alias=(1.0, 60.0)), strategy="compressed") as world:
            assert await world.operate(attempts=1)
            await world.clock.sleep(90.0)
            assert world.ledger().propagation == 60.0
            assert measured_differences(world.measured(), world.ledger()) == []
            assert measured_differences(world.measured(), replace(world.ledger(), propagation=1.0)) != []
            assert announced_differences(world.at_most(), world.ledger()) == []

    virtually(main)


@pytest.mark.parametrize("step", ["delete-routes", "add-secondary-range", "add-aliases"])
@pytest.mark.parametrize("after", [0.1, 6.0])
def test_p36_an_outage_is_measured_from_its_begin_across_a_restart(step: str, after: float) -> None:
    async def main() -> None:
        async with storm_world(nodes=5, strategy="compressed") as world:
            assert await world.killed_at(step, after=after)
            await world.clock.sleep(100.0)
            assert await world.operate(attempts=1)
            await world.clock.sleep(30.0)
            (event,) = world.measured()
            assert event.bound == ("" if step == "add-secondary-range" else "at most")
            assert event.seconds > 90.0
            assert measured_differences([event], world.ledger()) == []
            annotations = world.infrastructure()["metadata"]["annotations"]
            assert "cut-over.dualstack.dev/outage-since" not in annotations

    virtually(main)


@pytest.mark.parametrize("knobs", [FabricKnobs(alias_matched=False), FabricKnobs(unmatched_to_instances=False)])
def test_p09_a_canary_that_was_unreachable_is_measured_and_announced_as_possible(knobs: FabricKnobs) -> None:
    async def main() -> None:
        async with storm_world(nodes=5, fabric_knobs=knobs) as world:
            assert await world.reconcile() is not None
            await world.clock.sleep(60.0)
            assert [event.bound for event in world.measured()] == [""]
            assert measured_differences(world.measured(), world.ledger()) == []
            assert announced_differences(world.at_most(), world.ledger()) == []
            assert len([event for event in world.events if isinstance(event, OutageExpected)]) == 1

    virtually(main)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "slow"), [(1, False), (2, False), (12, True), (35, True)])
def test_p24_without_an_image_for_decoys_the_canary_of_25_nodes_is_back_within_a_minute_unless_an_operation_is_slow(
    seed: int, slow: bool
) -> None:
    """With the latency of requests; seeds 12 and 35 have an update of an interface that takes five times the median."""
    unmatched = FabricKnobs(alias_matched=False)

    async def main() -> None:
        latency = LatencyProfile(requests=OBSERVED_REQUESTS)
        async with storm_world(nodes=25, seed=seed, fabric_knobs=unmatched, latency=latency) as world:
            assert await world.reconcile() is not None
            await world.clock.sleep(60.0)
            assert (world.longest() > LONGEST) == slow
            assert 0.0 < world.longest() <= world.at_most()
            assert measured_differences(world.measured(), world.ledger()) == []
            (chosen,) = [event for event in world.events if isinstance(event, StrategyChosen)]
            assert chosen.reason.endswith(
                "; the decoy check is not made: no image for the probing pods is configured (--prober-image)"
            )
            assert set.intersection(*({pair.source, pair.destination} for pair in world.broken()))

    virtually(main)


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "seed"), [(25, 12), (25, 35), (40, 1), (100, 2)])
def test_p24_in_a_large_cluster_a_temporary_vm_shows_without_an_outage_that_aliases_are_not_matched(
    nodes: int, seed: int
) -> None:
    unmatched = FabricKnobs(alias_matched=False)

    async def main() -> None:
        latency = LatencyProfile(requests=OBSERVED_REQUESTS)
        made = storm_world(nodes=nodes, seed=seed, fabric_knobs=unmatched, latency=latency, prober_image="any")
        async with made as world, probing(world):
            error = str(await world.reconcile())
            await world.clock.sleep(60.0)
            assert "an alias range without a route carries no traffic" in error
            assert error.endswith("rolled back to routes only")
            assert (world.longest(), world.at_most()) == (0.0, 0.0)
            assert (len(await world.routes()), await world.aliases()) == (nodes, {})
            assert not (await world.subnet()).get("secondaryIpRanges")
            assert "delete-route-canary" not in world.steps()

    virtually(main)


@pytest.mark.slow
@pytest.mark.parametrize("annotations", [{}, {"dualstack.dev/decoys": "false"}])
def test_a_large_cluster_loses_nothing_where_the_facts_hold_with_decoys_and_without(
    annotations: dict[str, str],
) -> None:
    async def main() -> None:
        async with storm_world(nodes=25, prober_image="any") as world, probing(world):
            world.trigger(annotations)
            assert await world.operate(attempts=1)
            assert ("create-decoys" in world.steps(), "remove-decoys" in world.steps()) == (not annotations,) * 2
            (chosen,) = [event for event in world.events if isinstance(event, StrategyChosen)]
            assert ("the decoy check is made first" in chosen.reason) == (not annotations)
            assert (world.longest(), world.at_most() > 0.0) == (0.0, bool(annotations))
            assert (await world.routes(), len(await world.aliases())) == (set(), 25)

    virtually(main)


def test_p09_an_outage_that_is_not_measured_is_found() -> None:
    async def main() -> None:
        async with storm_world(nodes=3, strategy="compressed") as world:
            assert await world.operate(attempts=1)
            await world.clock.sleep(30.0)
            (silent,) = measured_differences([], world.ledger())
            assert "was not measured" in silent
            (event,) = world.measured()
            doubled = msgspec.structs.replace(event, seconds=2 * event.seconds + 30.0)
            assert "was measured as" in measured_differences([doubled], world.ledger())[0]

    virtually(main)
