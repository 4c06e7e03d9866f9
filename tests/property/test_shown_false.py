"""What a trial has shown not to work is not tried again, and the node on trial is served before anything else.

The planner alone, in every state that a new process may find; then whole Infrastructure reconciles, killed and refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.plan.facts import CutoverFacts, Limitation
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Barrier, Gate, RemoveAliases, StopController, Transition
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.serve import may_pass_later, refusal
from dualstack.plan.strategies.unmatched import UNMATCHED, to_routes
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.outcomes import ALIASES_NOT_MATCHED, ROUTES_NOT_SERVED, assert_back_on_routes, faults
from tests.storm.world import LONGEST, storm_world, virtually
from tests.support.cluster_facts import at_rest, on_routes, restarted, states

pytestmark = pytest.mark.slow

SETTINGS = Settings(batch_size=2)
INVALID = {"status": 400, "reason": "invalid", "message": "Invalid value for field"}


def on_trial(nodes: int) -> Iterator[CutoverFacts]:
    """Every state of the cut-over, as a new process finds it, in which a fact may have been shown not to hold."""
    for _, facts in states(choose("overlap"), at_rest(nodes), SETTINGS):
        found: list[Limitation] = []
        if facts.range_canary or (facts.range_present and facts.subnet.overlap_flag and not facts.unrouted):
            found.append("routes-not-served")
        if facts.range_present and facts.subnet.overlap_flag and facts.unrouted:
            found.append("aliases-not-matched")
        for limitation in found:
            yield replace(restarted(facts), disproved=limitation)


def without_some_aliases(facts: CutoverFacts, removed: int) -> CutoverFacts:
    """The same state after the aliases of the first `removed` holders were removed."""
    return restarted(RemoveAliases(facts.all_holders[:removed]).effect(facts)) if facts.all_holders else facts


@given(st.data())
def test_p24_unreachable_nodes_come_first_and_nothing_depends_on_what_was_shown_false(data: st.DataObject) -> None:
    """Whatever is refused, a number of times: another way follows, and every node ends on its route."""
    begun = data.draw(st.sampled_from(list(on_trial(data.draw(st.integers(1, 5))))))
    facts = without_some_aliases(begun, data.draw(st.integers(0, 5)))
    refusals = data.draw(st.lists(st.booleans(), max_size=12))
    k1_holds = data.draw(st.booleans())
    restarts = data.draw(st.sets(st.integers(0, 20), max_size=4))
    remembered, before = set[str](), ""
    for number in range(80):
        step = UNMATCHED.next_transition(facts.with_runtime_state(refused=frozenset(remembered)), SETTINGS)
        if step is None and facts.unreachable:
            remembered = {known for known in remembered if not may_pass_later(known)}
            continue
        if step is None:
            break
        assert step.precondition(facts) == []
        dark = facts.unreachable
        if dark:
            assert not isinstance(step, Barrier | Gate | StopController)
            assert not (step.id == "add-aliases" and facts.aliases_carry_nothing)
            route_denied = step.id == "restore-routes" and facts.range_present and not k1_holds
            if route_denied or (refusals and refusals.pop()):
                assert refusal(step.id, facts) not in remembered
                remembered.add(refusal(step.id, facts))
                continue
        facts, before = step.effect(facts), step.id
        assert facts.disproved == "routes-not-served" or set(facts.unreachable) <= set(dark)
        if number in restarts:
            facts, remembered = restarted(facts), set()
    assert on_routes(facts), before
    assert not facts.unreachable


def test_the_way_to_routes_is_the_one_of_the_trial_while_it_is_remembered() -> None:
    (facts, *_) = on_trial(3)
    assert to_routes(facts) is UNMATCHED
    assert to_routes(replace(facts, disproved="")).name == "back"


def first(facts: CutoverFacts) -> Transition:
    step = UNMATCHED.next_transition(facts, SETTINGS)
    assert step is not None
    return step


def test_a_way_that_was_refused_is_tried_again_only_after_the_others() -> None:
    facts = next(found for found in on_trial(3) if found.disproved == "aliases-not-matched")
    assert first(facts).id == "remove-aliases"
    refused = facts.with_runtime_state(refused=frozenset({"remove-aliases under the range"}))
    assert first(refused).id == "restore-routes"
    assert may_pass_later("remove-aliases under the range")
    assert not may_pass_later("restore-routes under the range")


def test_p24_refused_requests_of_the_way_back_do_not_lead_forward_again() -> None:
    """The node was unreachable for 196 s."""
    rules = (
        {"method": "routes.insert", "nth": 5, "count": 2, "errorBefore": INVALID},
        {"method": "instances.updateNetworkInterface", "nth": 6, "count": 3, "errorBefore": INVALID},
    )
    fabric = FabricKnobs(alias_matched=False, subnet_order="fifo")

    async def main() -> None:
        async with storm_world(*faults(*rules), nodes=3, seed=301, fabric_knobs=fabric) as world:
            assert await world.reconcile() is not None
            await assert_back_on_routes(world, ALIASES_NOT_MATCHED)

    virtually(main)


def test_p24_a_way_back_that_was_given_up_goes_on_with_the_next_reconcile() -> None:
    rule = {"method": "instances.updateNetworkInterface", "nth": 6, "count": 30, "errorBefore": INVALID}

    async def main() -> None:
        async with storm_world(*faults(rule), nodes=3, fabric_knobs=FabricKnobs(alias_matched=False)) as world:
            assert await world.reconcile() is not None
            assert "the rollback failed" in str(world.errors[0])
            begun = len(world.steps())
            assert not await world.operate(attempts=1)
            later = dict.fromkeys(world.steps()[begun:])
            assert list(later)[:3] == ["remove-aliases", "restore-routes", "remove-secondary-range"]
            assert "does not count an alias IP range" in str(world.errors[-1])
            annotations = world.infrastructure()["metadata"]["annotations"]
            assert "cut-over.dualstack.dev/disproved" not in annotations
            await world.clock.sleep(60.0)
            assert world.dark() == set()
            assert await world.routes() == {node.name for node in world.world.nodes}

    virtually(main)


@pytest.mark.parametrize("step", ["remove-aliases", "remove-secondary-range", "restore-routes", "clear-overlap-flag"])
@pytest.mark.parametrize("k1", ["deny", "allow"])
@pytest.mark.parametrize("after", [0.1, 4.0])
def test_p24_a_process_killed_on_the_way_back_goes_on_there(step: str, k1: str, after: float) -> None:
    async def main() -> None:
        cloud = Knobs(new_route_in_flagged_range="allow" if k1 == "allow" else "deny")
        async with storm_world(nodes=3, knobs=cloud, fabric_knobs=FabricKnobs(alias_matched=False)) as world:
            assert await world.killed_at(step, after=after)
            begun = len(world.steps())
            assert await world.reconcile() is not None
            assert not {"add-alias-canary", "add-aliases", "barrier-alias-canary"} & set(world.steps()[begun:])
            await assert_back_on_routes(world, ALIASES_NOT_MATCHED)
            assert await world.reconcile() is not None
            assert "as observed in an earlier cut-over" in str(world.errors[-1])

    virtually(main)


def test_p24_a_process_killed_while_the_range_canary_is_removed_removes_it_first() -> None:
    async def main() -> None:
        async with storm_world(nodes=3, fabric_knobs=FabricKnobs(unmatched_to_instances=False)) as world:
            assert await world.killed_at("remove-range-canary", after=0.1)
            begun = len(world.steps())
            assert await world.reconcile() is not None
            assert world.steps()[begun] == "remove-range-canary"
            await assert_back_on_routes(world, ROUTES_NOT_SERVED)
            assert world.longest() <= LONGEST

    virtually(main)
