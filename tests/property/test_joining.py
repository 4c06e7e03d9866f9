"""Nodes that join or end while a cut-over runs are no reason for an outage, and not taken for the result of a trial.

The planners, then the whole Infrastructure reconcile with a machine controller (`tests.storm.machines`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import RemoveSecondaryRange, RestoreRoutes
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.base import Strategy
from tests.storm.machines import Loss, lose
from tests.storm.outcomes import faults
from tests.storm.world import LONGEST, StormWorld, storm_world, virtually
from tests.support.cluster_facts import at_rest, node, restarted, states

SETTINGS = Settings(batch_size=2)
OVERLAP, COMPRESSED = choose("overlap"), choose("compressed")


def joined(facts: CutoverFacts) -> CutoverFacts:
    """The same cluster after another node joined, which has neither route nor alias."""
    return restarted(replace(facts, nodes=(*facts.nodes, node(9))))


@pytest.mark.parametrize("order", [OVERLAP, COMPRESSED], ids=["overlap", "compressed"])
@pytest.mark.parametrize("step", ["stop-cloud-controller-manager", "save-routes"])
def test_p24_a_node_that_joins_before_the_range_gets_a_route_at_once(order: Strategy, step: str) -> None:
    facts = next(joined(after) for taken, after in states(order, at_rest(3), SETTINGS) if taken.id == step)
    if facts.unsaved:
        facts = replace(facts, saved_routes=facts.unsaved)
    assert order.next_transition(facts, SETTINGS) == RestoreRoutes(("node-9",), optional=True)
    refused = facts.with_runtime_state(refused=frozenset({"restore-routes"}))
    following = order.next_transition(refused, SETTINGS)
    assert following is not None
    assert following.id not in ("restore-routes", "delete-routes")


def test_p24_an_outage_that_has_begun_is_not_delayed_by_a_trial() -> None:
    facts = next(after for step, after in states(COMPRESSED, at_rest(3), SETTINGS) if step.id == "gate-ready")
    begun = restarted(replace(facts, routes=facts.routes[1:]))
    step = COMPRESSED.next_transition(begun, SETTINGS)
    assert step is not None
    assert step.id == "delete-routes"


def test_p24_a_second_node_ends_the_range_that_was_not_tried() -> None:
    facts = next(after for step, after in states(OVERLAP, at_rest(1), SETTINGS) if step.id == "add-secondary-range")
    assert OVERLAP.next_transition(joined(facts), SETTINGS) == RemoveSecondaryRange()
    proven = replace(joined(facts), range_proven=True)
    step = OVERLAP.next_transition(proven, SETTINGS)
    assert step is not None
    assert step.id == "add-aliases"


def test_p24_a_report_does_not_count_while_a_node_joins() -> None:
    for _, facts in states(OVERLAP, at_rest(3), SETTINGS):
        if len(facts.routes) == 2 and not facts.without_alias:
            break
    reporting = replace(facts, with_network_problem=frozenset(facts.unrouted))
    assert reporting.unmatched
    assert not reporting.with_runtime_state(since_joined=29.0).unmatched
    assert not replace(reporting, nodes=(*facts.nodes, node(9))).unmatched


async def joins(world: StormWorld, step: str, number: int = 0) -> None:
    """Replace a VM once `step` was started, and let the reconcile end."""
    run = asyncio.ensure_future(world.reconcile())
    while step not in world.steps() and not run.done():
        await world.clock.sleep(1.0)
    await lose(world, Loss(0.0, number, replaced=True))
    await run


@pytest.mark.parametrize("step", ["barrier-flag", "barrier-range-canary", "barrier-route-canary"])
@pytest.mark.parametrize("number", [0, 2])
def test_p24_a_replaced_vm_is_not_taken_for_the_result_of_a_trial(step: str, number: int) -> None:
    async def main() -> None:
        async with storm_world(nodes=3) as world:
            await joins(world, step, number)
            assert await world.operate(attempts=3)
            await world.clock.sleep(60.0)
            assert world.broken() == ()
            assert world.longest_wait() <= LONGEST
            assert world.measured() == []
            annotations = world.infrastructure()["metadata"]["annotations"]
            assert "dualstack.dev/overlap-unsupported" not in annotations
            assert set(await world.aliases()) == {each.name for each in world.nodes}

    virtually(main)


def test_p10_a_node_that_joins_is_no_reason_to_try_an_outage_again() -> None:
    rule = {"method": "instances.updateNetworkInterface", "nth": 3, "count": 99, "errorBefore": {"status": 403}}

    async def main() -> None:
        async with storm_world(*faults(rule), nodes=3, strategy="compressed") as world:
            assert await world.reconcile() is not None
            await world.clock.sleep(60.0)
            outages = world.ledger().outages
            joining = asyncio.ensure_future(lose(world, Loss(0.0, 1, replaced=True)))
            for _ in range(40):
                assert await world.reconcile() is not None
                await world.clock.sleep(5.0)
            await joining
            assert "not tried again" in str(world.errors[-1])
            assert world.steps().count("delete-routes") == 1
            assert world.ledger().outages == outages

    virtually(main)
