"""Nodes that join or end while a cut-over runs are no reason for an outage, and not taken for the result of a trial.

The planners, then the whole Infrastructure reconcile with a machine controller (`tests.storm.machines`).
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Literal

import pytest

from dualstack.cli.rehearsal.claims import measured_differences
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.gates import cloud_limitation
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases, Barrier, RemoveSecondaryRange, RestoreRoutes
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.base import Strategy
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.machines import Loss, lose
from tests.storm.outcomes import ALIASES_NOT_MATCHED, faults
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


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("proven", [False, True])
def test_p24_a_node_that_joins_before_the_first_alias_gets_its_route(nodes: int, proven: bool) -> None:
    """Seed 4722: its alias carried nothing, and it waited for 107 s."""
    ranged = (after for step, after in states(OVERLAP, at_rest(nodes), SETTINGS) if step.id == "add-secondary-range")
    facts = replace(joined(next(ranged)), range_proven=proven)
    steps = list(itertools.islice(OVERLAP.transitions(facts, SETTINGS), 2))
    assert steps == [RemoveSecondaryRange(), RestoreRoutes(("node-9",), optional=True)]


def test_p24_a_report_does_not_count_while_a_node_joins() -> None:
    for _, facts in states(OVERLAP, at_rest(3), SETTINGS):
        if len(facts.routes) == 2 and not facts.without_alias:
            break
    reporting = replace(facts, with_network_problem=frozenset(facts.unrouted))
    assert reporting.unmatched
    assert not reporting.with_runtime_state(since_joined=29.0).unmatched
    assert not replace(reporting, nodes=(*facts.nodes, node(9))).unmatched


def test_p24_the_alias_of_a_node_that_joined_has_time_until_the_slowest_host_knows_it() -> None:
    """Seed 9023 took the first report of such a node for the result of a trial, seed 9033 waited for the whole soak."""
    facts = next(after for step, after in states(OVERLAP, at_rest(3), SETTINGS) if step.id == "barrier-aliases")
    facts = AddAliases(("node-9",)).effect(joined(facts))
    reporting = replace(facts, with_network_problem=frozenset({"node-9"}))
    early, late = (reporting.with_runtime_state(since_joined=seconds) for seconds in (74.0, 76.0))
    assert cloud_limitation(early) == ""
    assert OVERLAP.next_transition(early, SETTINGS) == Barrier(what="aliases", aspects=("aliases",), seconds=300.0)
    assert cloud_limitation(late) == "aliases-not-matched"
    assert OVERLAP.next_transition(late, SETTINGS) == gates.ALIASES


async def joins(world: StormWorld, step: str, number: int = 0, *, after: float = 0.0) -> None:
    """Replace a VM `after` seconds after `step` was started, and let the reconcile end."""
    run = asyncio.ensure_future(world.reconcile())
    while step not in world.steps() and not run.done():
        await world.clock.sleep(1.0)
    await lose(world, Loss(after, number, replaced=True))
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


def test_p09_an_outage_that_a_node_that_joins_may_have_reported_is_measured_as_a_maximum() -> None:
    """It joins while the range canary, whose route carries nothing, is not 30 s old."""

    async def main() -> None:
        async with storm_world(nodes=3, fabric_knobs=FabricKnobs(unmatched_to_instances=False)) as world:
            await joins(world, "barrier-flag", 1, after=70.0)
            await world.operate(attempts=1)
            assert [outage.bound for outage in world.measured()] == ["at most", ""]
            assert measured_differences(world.measured(), world.ledger()) == []

    virtually(main)


@pytest.mark.parametrize(("step", "limit"), [("barrier-range", LONGEST), ("barrier-aliases", LONGEST + 75.0)])
def test_p24_a_node_that_joins_where_aliases_carry_nothing_gets_its_route(step: str, limit: float) -> None:
    async def main() -> None:
        async with storm_world(nodes=3, fabric_knobs=FabricKnobs(alias_matched=False)) as world:
            await joins(world, step)
            await world.operate(attempts=2)  # the first may end without a verdict, because a node has joined
            await world.clock.sleep(60.0)
            assert world.dark() == set()
            assert world.longest() <= LONGEST
            assert world.longest_wait() <= limit
            assert await world.routes() == {each.name for each in world.nodes}
            assert any(ALIASES_NOT_MATCHED in str(error) for error in world.errors)
            assert measured_differences(world.measured(), world.ledger()) == []

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


ALIAS = "instances.updateNetworkInterface"
NO_MORE_ALIASES = {"limit": "ALIASES_PER_NETWORK_GLOBAL", "value": 0}


@pytest.mark.parametrize(("new_routes", "limit"), [("allow", LONGEST), ("deny", LONGEST + SETTINGS.barrier_routes)])
def test_p31_a_node_that_joins_and_gets_no_alias_gets_its_route_when_the_range_is_gone(
    new_routes: Literal["allow", "deny"], limit: float
) -> None:
    async def main() -> None:
        knobs = Knobs(new_route_in_flagged_range=new_routes)
        async with storm_world(*faults({"method": ALIAS, "nth": 2, "quota": NO_MORE_ALIASES}), knobs=knobs) as world:
            await joins(world, "add-aliases", 1)
            await world.operate(attempts=1)
            await world.clock.sleep(60.0)
            assert world.dark() == set()
            assert world.broken() == ()
            assert world.longest_wait() <= limit
            assert await world.routes() == {each.name for each in world.nodes}
            assert await world.aliases() == {}
            assert not world.controller_stopped()
            assert "rolled back to routes only" in str(world.errors[0])

    virtually(main)


def test_p31_without_alias_route_and_lossless_way_back_only_the_node_that_joins_stays_dark_and_is_named() -> None:
    """The route canary is gone, so the range cannot go without an outage of other nodes."""

    async def main() -> None:
        async with storm_world(*faults({"method": ALIAS, "nth": 4, "quota": NO_MORE_ALIASES})) as world:
            await joins(world, "barrier-route-canary", 1)
            await world.operate(attempts=1)
            await world.clock.sleep(60.0)
            assert world.broken() == ()
            (dark,) = set.intersection(*(set(pair) for pair in world.dark()))
            assert f"among them {dark}, stay unreachable: the cloud refused every way" in str(world.errors[0])
            assert error_codes(world.errors[0]) == ("ERR_INFRA_QUOTA_EXCEEDED",)

    virtually(main)


def test_p31_a_node_that_joins_gets_its_alias_also_while_the_shoot_is_failed() -> None:
    """The flag could not be cleared, and the route controller stays stopped."""
    forbidden = {"status": 403, "reason": "forbidden", "message": "Required permission"}
    refusal = {"method": "subnetworks.patch", "nth": 5, "count": 99, "errorBefore": forbidden}

    async def main() -> None:
        async with storm_world(*faults(refusal)) as world:
            assert not await world.operate(attempts=2)
            assert (await world.subnet())["allowSubnetCidrRoutesOverlap"]
            failed = {"spec": {"shoot": {"status": {"lastOperation": {"state": "Failed"}}}}}
            world.store.patch(gardener_kinds.CLUSTER, world.namespace, failed)
            before = world.infrastructure()["status"]
            async with world.nodes_followed():
                await lose(world, Loss(0.0, 1, replaced=True))
                await world.clock.sleep(60.0)
            assert world.dark() == set()
            assert world.longest_wait() <= LONGEST
            assert set(await world.aliases()) == {each.name for each in world.nodes}
            assert world.infrastructure()["status"] == before

    virtually(main)
