"""gardenlet and upstream's extensions as actors: what the owner of a Shoot sees of a migration."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.cli.rehearsal.owner import Owner as Habits
from dualstack.cli.rehearsal.record import GOLDEN_CONSTRAINTS
from dualstack.gardener.model.names import OPERATION, TASKS
from dualstack.model.kinds import Manifest
from tests.sim.landscape.driving import migrated
from tests.support.virtual_world import Owner, virtual_world


def failed(owner: Owner) -> list[str]:
    """The descriptions with which the Shoot was Failed."""
    return [description for _, state, description in owner.seen if state == "Failed"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_w1_upstream_migrates_after_the_owner_has_retried_a_failed_shoot() -> None:
    """The first run has no constraint in the Cluster, so that the range is refused while routes are there."""
    async with virtual_world("provider-gcp") as owner:
        record = await migrated(owner)
        traffic: dict[str, Any] = await owner.control("/traffic")
    seen = tuple((change.type, change.status, change.reason, change.message) for change in record.constraints)
    assert seen == GOLDEN_CONSTRAINTS
    assert failed(owner)
    first = failed(owner)[0]
    assert first.startswith(
        'Flow "Shoot cluster reconciliation" encountered task errors: [task "Waiting until shoot infrastructure has '
        'been reconciled" failed: error while waiting for Infrastructure shoot--foo--bar/bar to become ready: error '
        'during reconciliation: Error reconciling infrastructure: failed to "ensure worker subnet": '
    )
    assert 590.0 <= next(at for at, state, _ in owner.seen if state == "Failed") <= 660.0, "gardenlet waits 10 minutes"
    assert len(traffic["brokenPairs"]) == 6
    assert traffic["current"] == traffic["ipv6"]["current"] == 0


def a_shoot(state: str, **constraints: str) -> Manifest:
    return {
        "metadata": {"generation": 2},
        "status": {
            "observedGeneration": 2,
            "lastOperation": {"state": state, "description": ""},
            "constraints": [
                {"type": kind, "status": status, "reason": "", "message": ""} for kind, status in constraints.items()
            ],
        },
    }


def test_the_owner_requests_the_roll_out_once_and_then_reconciles() -> None:
    habits = Habits("auto")
    assert habits.next_request(a_shoot("Processing", DualStackNodesMigrationReady="Progressing")) is None
    settled = a_shoot("Succeeded", DualStackNodesMigrationReady="Progressing")
    assert [habits.next_request(settled) for _ in range(2)] == [
        {OPERATION: "rollout-workers=*"},
        {OPERATION: "reconcile"},
    ]
    assert habits.next_request(a_shoot("Succeeded", DNSServiceMigrationReady="True")) == {OPERATION: "reconcile"}
    assert habits.next_request(a_shoot("Succeeded")) is None


def test_w1_the_owner_of_a_prepared_cluster_requests_the_infrastructure_again_before_the_roll_out() -> None:
    habits = Habits("auto", prepared=True)
    settled = a_shoot("Succeeded", DualStackNodesMigrationReady="Progressing")
    assert [habits.next_request(settled) for _ in range(3)] == [
        {OPERATION: "reconcile", TASKS: "deployInfrastructure"},
        {OPERATION: "rollout-workers=*"},
        {OPERATION: "reconcile"},
    ]


def test_the_owner_gives_up_a_shoot_that_fails_again_and_again() -> None:
    habits = Habits("manual")
    settled = a_shoot("Succeeded", DualStackNodesMigrationReady="Progressing")
    assert habits.next_request(settled) == {OPERATION: "reconcile"}
    assert [habits.next_request(a_shoot("Failed")) for _ in range(6)] == [{OPERATION: "retry"}] * 6
    assert habits.gave_up
