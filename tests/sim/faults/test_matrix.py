"""Every combination of the knobs K1 to K5 (docs/reference/cut-over.md#knobs): no loss, or a stop in time."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest

from dualstack.cli.rehearsal.claims import measured_differences
from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.model.errors import Unsupported
from dualstack.model.events import OutageMeasured
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from tests.sim.faults.detector import detector
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import Scene, scene

AllowDeny = Literal["allow", "deny"]
AcceptRefuse = Literal["accept", "refuse"]
Order = Literal["fifo", "reordered"]
Shown = Literal["shown", "hidden"]

K1: tuple[AllowDeny, ...] = ("allow", "deny")
K2: tuple[AcceptRefuse, ...] = ("accept", "refuse")
K3 = (True, False)
K4: tuple[Order, ...] = ("fifo", "reordered")
K5: tuple[Shown, ...] = ("shown", "hidden")

DOCUMENTED = ("deny", "refuse", True, "reordered", "shown")
WORST = ("deny", "refuse", False, "reordered", "hidden")
UNMATCHED = ("deny", "accept", False, "reordered", "shown")
QUICKLY = (DOCUMENTED, WORST, UNMATCHED)


def combinations() -> list[object]:
    """All 32 combinations, three of them in the quick suite."""
    return [
        pytest.param(*values, marks=() if values in QUICKLY else pytest.mark.slow)
        for values in itertools.product(K1, K2, K3, K4, K5)
    ]


@pytest.mark.parametrize(("k1", "k2", "k3", "k4", "k5"), combinations())
async def test_no_loss_or_stopped_in_time(k1: AllowDeny, k2: AcceptRefuse, k3: bool, k4: Order, k5: Shown) -> None:
    knobs = Knobs(new_route_in_flagged_range=k1, clear_flag_over_routes=k2, overlap_flag=k5)
    fabric = FabricKnobs(alias_matched=k3, subnet_order=k4)
    async with scene(knobs=knobs, fabric_knobs=fabric) as made, detector(made):
        made.trigger()
        if k5 == "hidden":
            await assert_stopped_unharmed(made)
        elif not k3:
            await assert_stopped_at_the_canary(made)
        else:
            await made.reconcile()
            await assert_end_state(made)
            assert made.lost() == 0.0


async def assert_stopped_unharmed(made: Scene) -> None:
    """K5: a flag that is missing in the response counts as not set. Nothing changes, and the error explains it."""
    with pytest.raises(TaskFailed, match="the API does not show allowSubnetCidrRoutesOverlap"):
        await made.reconcile()
    assert "secondaryIpRanges" not in await made.subnet()
    assert len(await made.node_routes()) == 3
    assert not made.controller_manager_is_ignored()
    assert made.mutations() == 0
    assert made.lost() == 0.0


async def assert_stopped_at_the_canary(made: Scene) -> None:
    """K3: if hybrid subnets do not serve aliases, the deletion of the canary's route shows it, for one node only.

    Then every node gets its route back, for each value of K1. The strategy is not retried; another strategy is allowed.
    """
    with pytest.raises(TaskFailed, match="does not count an alias IP range as a matched") as stopped:
        await made.reconcile()
    assert isinstance(stopped.value.__cause__, Unsupported)
    assert "rolled back to routes only" in str(stopped.value)
    assert made.infrastructure()["status"]["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    (measured,) = [event for event in made.events if isinstance(event, OutageMeasured)]
    assert "the pods of 1 node could not reach other nodes for" in measured.detail
    await made.clock.sleep(60.0)
    assert measured_differences([measured], made.ledger()) == []
    report = made.fabric.traffic.report(made.clock.now())
    assert len({pair.destination for pair in report.broken_pairs}) == 1
    assert report.current == 0
    assert len(await made.node_routes()) == 3
    assert not made.controller_manager_is_ignored()

    before = made.mutations()
    made.request()
    with pytest.raises(TaskFailed, match="as observed in an earlier cut-over; annotate the Shoot with"):
        await made.reconcile()
    assert made.mutations() == before

    made.trigger(annotations={"dualstack.dev/strategy": "compressed"})
    await made.reconcile()
    await assert_end_state(made)
