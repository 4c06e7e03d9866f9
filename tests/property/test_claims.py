"""What the product says about an outage, compared with the ledger of the simulated network."""

from __future__ import annotations

from dualstack.model.events import OutageExpected, OutageMeasured
from dualstack_sim.fabric import LagProfile
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.world import StormWorld, storm_world, virtually

INTERVAL = 10.0
"""Seconds between two looks of the network problem detector."""


def measured(world: StormWorld) -> list[float]:
    return [event.seconds for event in world.events if isinstance(event, OutageMeasured)]


def test_p36_an_outage_is_measured_from_its_begin_across_a_restart() -> None:
    async def main() -> None:
        async with storm_world(nodes=5, strategy="compressed") as world:
            assert await world.killed_at("add-secondary-range", after=1.0)
            await world.clock.sleep(100.0)
            assert await world.operate(attempts=1)
            await world.clock.sleep(30.0)
            (seconds,) = measured(world)
            assert world.longest() - LagProfile().longest <= seconds <= world.longest() + INTERVAL
            assert seconds > 100.0
            annotations = world.infrastructure()["metadata"]["annotations"]
            assert "cut-over.dualstack.dev/outage-since" not in annotations

    virtually(main)


def test_p09_a_canary_that_was_unreachable_is_measured_and_no_loss_is_denied_meanwhile() -> None:
    async def main() -> None:
        async with storm_world(nodes=5, fabric_knobs=FabricKnobs(alias_matched=False)) as world:
            assert await world.reconcile() is not None
            await world.clock.sleep(60.0)
            (seconds,) = measured(world)
            assert world.longest() - LagProfile().longest <= seconds <= world.longest() + INTERVAL
            assert len([event for event in world.events if isinstance(event, OutageExpected)]) == 1

    virtually(main)
