"""Our Infrastructure controller alone among gardenlet and upstream's extensions."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.cli.rehearsal.owner import is_settled
from dualstack.gardener.model.names import OPERATION, PREPARE
from dualstack.model.conditions import condition_status
from dualstack.model.kinds import Manifest
from tests.support.infrastructure_process import our_infrastructure
from tests.support.virtual_world import Owner, virtual_world


async def until_infrastructure(owner: Owner, reached: Any, within: float) -> Manifest:
    deadline = owner.clock.now() + within
    while not reached(found := await owner.infrastructure()):
        assert owner.clock.now() < deadline, found["status"]
        await owner.shoot()
        await owner.clock.sleep(5.0)
    return found


def is_prepared(infrastructure: Manifest) -> bool:
    return condition_status(infrastructure["status"].get("conditions") or (), "DualStackPrepared") == "True"


def is_reconciled(shoot: Manifest) -> bool:
    """Whether the infrastructure is dual-stack and the reconcile that made it so has ended."""
    status = shoot["status"]
    return len(status["networking"]["nodes"]) == 2 and is_settled(shoot)


def unexpected(owner: Owner) -> list[tuple[float, str, str]]:
    """What the owner saw besides work and success."""
    return [entry for entry in owner.seen if entry[1] not in ("Processing", "Succeeded")]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p17_p23_gardenlet_times_out_and_repeats_without_harm_and_nothing_is_failed() -> None:
    """Unprepared, the cut-over takes longer than gardenlet waits."""
    async with virtual_world("dualstack") as owner, our_infrastructure(owner):
        owner.begun = owner.clock.now()
        await owner.control("/trigger", "POST")
        await owner.edit("IPv4", "IPv6")
        await owner.until(is_reconciled, 3600.0, every=2.0)
        traffic = await owner.control("/traffic")
        stamp = (await owner.infrastructure())["metadata"]["annotations"]["gardener.cloud/timestamp"]
    assert traffic["blackoutSeconds"]["max"] == 0.0
    assert traffic["current"] == 0
    waits = [text for text in owner.errors if "Infrastructure" in text]
    assert waits, "this test is about the wait that ends"
    assert not [entry for entry in owner.seen if entry[1] == "Failed"]
    assert not any("during reconciliation" in text for text in waits), waits
    assert stamp.endswith("Z"), "nothing but gardenlet writes it"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p17_a_prepared_shoot_shows_no_error_and_is_migrated_while_gardenlet_waits() -> None:
    async with virtual_world("dualstack") as owner:
        owner.begun = owner.clock.now()
        await owner.control("/trigger", "POST")
        async with our_infrastructure(owner):
            await owner.annotate(PREPARE, "true")
            await owner.annotate(OPERATION, "reconcile")
            await until_infrastructure(owner, is_prepared, 3600.0)
            await owner.clock.sleep(300.0)
        async with our_infrastructure(owner) as process:  # a restart changes nothing
            await owner.annotate(OPERATION, "reconcile")
            await owner.clock.sleep(120.0)
            assert process.events == []
            await owner.shoot()
            await owner.edit("IPv4", "IPv6")
            await owner.until(is_reconciled, 900.0)
            assert not is_prepared(await owner.infrastructure())
        traffic = await owner.control("/traffic")
    assert unexpected(owner) == []
    assert owner.errors == []
    assert traffic["blackoutSeconds"]["max"] == 0.0
