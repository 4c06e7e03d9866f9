"""The engine executes plans: in order, with barriers and gates, through failures, and after a kill at any step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from dualstack.cutover.run import run_cutover
from dualstack.gce.errors import Invalid, NotReady, StaleFingerprint
from dualstack.kube.interface import Invalid as KubeInvalid
from dualstack.kube.interface import Unavailable
from dualstack.model.errors import DualstackError, GateFailed, InvariantBroken
from dualstack.model.events import AnyEvent, Progress, StepStarted
from dualstack.plan.facts import CutoverFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import DeleteRoutes, Gate, SaveRoutes, Transition
from dualstack.plan.strategies import STRATEGIES, choose
from tests.support.cluster_facts import RUNNING, STOPPED, alias, at_goal, at_rest, node, route
from tests.unit.cutover.fake_cluster import (
    OVERLAP,
    SETTINGS,
    SHOOT,
    FakeClock,
    FakeCluster,
    Killed,
    failed,
    finished,
    lose_nothing,
    once,
    run,
    started,
)


async def failing(cluster: FakeCluster, error: type[DualstackError], match: str) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    with pytest.raises(error, match=match):
        await run_cutover(cluster, OVERLAP, SETTINGS, FakeClock(), events.append, SHOOT)
    return events


def scaled_up(facts: CutoverFacts) -> CutoverFacts:
    """Another party has started cloud-controller-manager again (docs/reference/weaknesses.md#w10)."""
    return replace(facts, controller=RUNNING)


@pytest.mark.parametrize("name", STRATEGIES)
async def test_the_plan_is_carried_out_step_by_step(name: str) -> None:
    strategy, cluster = choose(name), FakeCluster(at_rest(3))
    events = await run(cluster, strategy)
    assert at_goal(cluster.facts)
    assert started(events) == finished(events) == [step.id for step in strategy.transitions(at_rest(3), SETTINGS)]
    assert failed(events) == []
    assert all(event.shoot == SHOOT for event in events)


async def test_barriers_take_their_time_and_gates_are_checked() -> None:
    clock, cluster = FakeClock(), FakeCluster(at_rest(3))
    begun = clock.now()
    await run(cluster, clock=clock)
    assert clock.now() - begun == pytest.approx(120 + 90 + 120 + 60 + 300 + 300 + 120)
    assert max(clock.slept) <= SETTINGS.observe_every
    assert cluster.observed < 60
    assert cluster.checked == [
        "gate-flag",
        "gate-range-canary",
        "gate-alias-canary",
        "gate-aliases",
        "gate-route-canary",
        "gate-routes",
    ]
    lose_nothing(cluster)


async def test_a_gate_has_to_pass_again_after_each_stage_of_deletes() -> None:
    cluster = FakeCluster(at_rest(10))
    await run(cluster)
    deleted = [len(step.targets) for step in cluster.performed if isinstance(step, DeleteRoutes)]
    assert deleted == [1, 4, 5]
    assert cluster.checked.count("gate-routes") == 1
    larger = FakeCluster(at_rest(20))
    await run(larger)
    deleted = [len(step.targets) for step in larger.performed if isinstance(step, DeleteRoutes)]
    assert deleted == [1, 1, 8, 10]
    assert larger.checked.count("gate-routes") == 2


@dataclass
class Gated(FakeCluster):
    """Its gates take `seconds`. `looks`: for each gate the number of observations until the next change."""

    clock: FakeClock = field(default_factory=FakeClock)
    seconds: float = 0.0
    looks: list[int] = field(default_factory=list)
    _at_gate: int | None = None

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        self._at_gate = self.observed
        await self.clock.sleep(self.seconds)
        return await super().check(gate, facts)

    async def perform(self, transition: Transition) -> None:
        if self._at_gate is not None:
            self.looks.append(self.observed - self._at_gate)
            self._at_gate = None
        await super().perform(transition)


@pytest.mark.parametrize(("seconds", "looks"), [(0.0, 0), (5.0, 0), (5.1, 1)])
async def test_what_follows_a_gate_is_planned_from_fresh_facts(seconds: float, looks: int) -> None:
    """The observation before a gate is used again only when the gate answered at once."""
    clock = FakeClock()
    cluster = Gated(at_rest(20), clock=clock, seconds=seconds)
    await run(cluster, clock=clock)
    assert cluster.looks == [looks] * 7
    lose_nothing(cluster)


async def test_a_finished_cluster_is_only_observed() -> None:
    cluster = FakeCluster(at_rest(2))
    await run(cluster)
    again = FakeCluster(cluster.facts)
    assert await run(again) == []
    assert again.performed == []
    assert again.observed == 1


@pytest.mark.parametrize("name", STRATEGIES)
async def test_killed_after_every_perform_and_started_again_it_finishes(name: str) -> None:
    whole = FakeCluster(at_rest(5))
    await run(whole, choose(name))
    for number in range(len(whole.performed)):
        cluster = FakeCluster(at_rest(5), kill_after=number)
        with pytest.raises(Killed):
            await run(cluster, choose(name))
        cluster.kill_after = None
        await run(cluster)
        assert at_goal(cluster.facts), number
        if name == "overlap":
            lose_nothing(cluster)
            # A canary whose gate had not passed yet is tried again.
            again = cluster.steps.count("add-range-canary") - 1
            assert len(cluster.performed) == len(whole.performed) + 2 * again
            assert again <= 1


async def test_killed_again_and_again_it_still_finishes() -> None:
    cluster = FakeCluster(at_rest(4), kill_after=0)
    for _ in range(30):
        try:
            await run(cluster)
        except Killed:
            cluster.kill_after = len(cluster.performed)
        else:
            break
    assert at_goal(cluster.facts)
    lose_nothing(cluster)


async def test_progress_counts_down() -> None:
    events = await run(FakeCluster(at_rest(3)))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.routes_left for event in progress] == sorted((e.routes_left for e in progress), reverse=True)
    assert progress[0].routes_left == 3
    assert progress[-1].routes_left == 0
    assert all(event.nodes == 3 and event.eta is not None for event in progress)
    assert (progress[0].eta or 0) > 1000
    assert progress[-1].eta == 0.0


async def test_a_step_event_has_its_targets() -> None:
    events = await run(FakeCluster(at_rest(3)))
    batch = next(event for event in events if isinstance(event, StepStarted) and event.step == "add-aliases")
    assert batch.targets == ("node-1", "node-2")
    assert batch.detail == "node-1, node-2"


@pytest.mark.parametrize(
    "error",
    [
        NotReady("resourceNotReady", "The resource is not ready"),
        StaleFingerprint("conditionNotMet", "Invalid fingerprint."),
        Unavailable("connection refused"),
    ],
    ids=["not-ready", "stale", "unavailable"],
)
@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])
async def test_a_retryable_error_leads_to_a_new_plan(error: DualstackError, late: bool) -> None:
    cluster = FakeCluster(at_rest(3), errors={6: error}, late=late)
    events = await run(cluster)
    assert at_goal(cluster.facts)
    assert failed(events) == [("add-alias-canary", False)]
    assert cluster.steps.count("add-alias-canary") == (1 if late else 2)
    lose_nothing(cluster)


@pytest.mark.parametrize("error", [Invalid("invalid", "overlaps"), KubeInvalid("422")], ids=["compute", "kubernetes"])
async def test_an_error_that_is_not_retryable_is_raised_at_once(error: DualstackError) -> None:
    cluster = FakeCluster(at_rest(3), errors={5: error})
    events = await failing(cluster, type(error), str(error))
    assert failed(events) == [("add-secondary-range", True)]
    assert cluster.facts.unreachable == ()
    assert cluster.steps[-1] == "add-secondary-range"


async def test_retries_are_bounded() -> None:
    error = NotReady("resourceNotReady", "The resource is not ready")
    cluster = FakeCluster(at_rest(3), errors=dict.fromkeys(range(2, 100), error))
    events = await failing(cluster, NotReady, "not ready")
    assert len(cluster.performed) == 2 + SETTINGS.attempts
    assert failed(events)[-1] == ("set-overlap-flag", True)


async def test_waits_between_retries_grow_and_respect_the_reason() -> None:
    clock = FakeClock()
    error = NotReady("resourceNotReady", "The resource is not ready")
    cluster = FakeCluster(at_rest(0), errors=dict.fromkeys(range(1, 5), error))
    await run(cluster, clock=clock)
    assert clock.slept[:4] == [5.0, 5.0, 8.0, 16.0]


async def test_reading_is_retried_too() -> None:
    cluster = FakeCluster(at_rest(2), read_errors={0: Unavailable("503"), 7: Unavailable("503")})
    assert failed(await run(cluster)) == []
    assert at_goal(cluster.facts)
    await failing(FakeCluster(at_rest(2), read_errors={3: KubeInvalid("422")}), KubeInvalid, "422")


async def test_a_flag_that_the_api_ignores_stops_before_the_range() -> None:
    cluster = FakeCluster(at_rest(2), ignored=frozenset({"set-overlap-flag"}))
    events = await failing(cluster, GateFailed, "reports success, but the change is not visible")
    assert "add-secondary-range" not in cluster.steps
    assert failed(events)[-1] == ("set-overlap-flag", True)
    assert cluster.facts.unreachable == ()


async def test_a_step_that_keeps_being_undone_fails() -> None:
    cluster = FakeCluster(at_rest(2), meanwhile=lambda c: scaled_up(c.facts) if c.observed % 2 else c.facts)
    await failing(cluster, GateFailed, "stop-cloud-controller-manager was done 8 times and is needed again")
    lose_nothing(cluster)


async def test_obstacles_stop_a_cut_over_that_has_begun_while_every_node_is_reachable() -> None:
    begun = replace(at_rest(2), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),), controller=STOPPED)
    assert begun.begun
    cluster = FakeCluster(begun)
    await failing(cluster, GateFailed, "vpn")
    assert cluster.performed == []


@pytest.mark.parametrize("routes", [2, 1])
async def test_obstacles_stop_it_before_anything_is_changed(routes: int) -> None:
    """Also where a node is unreachable for a reason of its own."""
    facts = replace(at_rest(2), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),))
    facts = replace(facts, routes=facts.routes[:routes])
    cluster = FakeCluster(facts)
    await failing(cluster, GateFailed, "route vpn")
    assert cluster.performed == []


async def test_an_obstacle_of_one_vm_does_not_keep_the_others_unreachable() -> None:
    facts = replace(at_rest(3), routes=())
    facts = replace(facts, nodes=(replace(facts.nodes[0], subnet_ok=False), *facts.nodes[1:]))
    ranged = replace(facts, subnet=replace(facts.subnet, secondary_ranges=((facts.range_name, facts.pods_cidr),)))
    cluster = FakeCluster(ranged)
    await failing(cluster, GateFailed, "nic0 of VM node-0 is not in subnet")
    assert cluster.facts.unreachable == ("node-0",)


async def test_a_gate_is_retried_and_then_fails_in_a_safe_state() -> None:
    patient = FakeCluster(at_rest(3), problems={"gate-alias-canary": ["node-0 is not Ready"] * 3})
    await run(patient)
    assert patient.checked.count("gate-alias-canary") == 4

    cluster = FakeCluster(at_rest(3), problems={"gate-route-canary": ["node-0 is not Ready"] * 1000})
    events = await failing(cluster, GateFailed, "node-0 is not Ready")
    assert failed(events) == [("gate-route-canary", False)]
    assert cluster.steps[-3:] == ["delete-route-canary", "rollback-drill", "restore-routes"]
    lose_nothing(cluster)


async def test_a_barrier_starts_again_when_its_aspect_changes() -> None:
    def appears(facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, nodes=(*facts.nodes, replace(node(9), aliases=(alias(9),))))

    plain, disturbed = FakeClock(), FakeClock()
    await run(FakeCluster(at_rest(1)), clock=plain)
    soaking = once(lambda c: disturbed.now() > 1000 + 120 + 120 + 60 + 200, appears)
    cluster = FakeCluster(at_rest(1), meanwhile=soaking)
    await run(cluster, clock=disturbed)
    delay = disturbed.now() - plain.now()
    assert 200 - SETTINGS.observe_every <= delay <= 300
    assert at_goal(cluster.facts)


async def test_a_barrier_whose_aspect_keeps_changing_fails() -> None:
    def flips(cluster: FakeCluster) -> CutoverFacts:
        if "add-alias-canary" not in cluster.steps:
            return cluster.facts
        first, *others = cluster.facts.nodes
        young = replace(
            node(9), name="young", pod_cidr=None, aliases=() if others and others[0].aliases else (alias(9),)
        )
        return replace(cluster.facts, nodes=(first, young))

    cluster = FakeCluster(at_rest(1), meanwhile=flips)
    events = await failing(cluster, GateFailed, "aliases keep changing; find and stop the program that changes them")
    (begun,) = (event.at for event in events if isinstance(event, StepStarted) and event.step == "barrier-aliases")
    assert events[-1].at - begun == SETTINGS.attempts * SETTINGS.soak_aliases + SETTINGS.observe_every
    lose_nothing(cluster)


async def test_nodes_are_looked_at_between_two_observations_and_not_together_with_one() -> None:
    looks, observations = set[float](), set[float]()

    def look(cluster: FakeCluster) -> CutoverFacts:
        looks.add(cluster.clock.now())
        return cluster.facts

    def observe(cluster: FakeCluster) -> CutoverFacts:
        observations.add(cluster.clock.now())
        return cluster.facts

    await run(FakeCluster(at_rest(3), meanwhile=observe, joining=look))
    assert len(looks) > len(observations)
    assert not looks & observations


async def test_nodes_are_looked_at_each_second_only_while_one_is_on_trial() -> None:
    looks: dict[bool, list[float]] = {True: [], False: []}

    def look(cluster: FakeCluster) -> CutoverFacts:
        looks[bool(cluster.facts.on_trial)].append(cluster.clock.now())
        return cluster.facts

    await run(FakeCluster(at_rest(3), joining=look))
    on_trial, otherwise = ({later - earlier for earlier, later in pairwise(times)} for times in looks.values())
    assert min(on_trial) == 1.0 < min(otherwise)


async def test_a_barrier_is_left_when_something_more_urgent_turns_up() -> None:
    cluster = FakeCluster(at_rest(2), meanwhile=once(lambda c: c.observed == 5, scaled_up))
    events = await run(cluster)
    assert failed(events) == [("barrier-flag", False)]
    assert cluster.steps.count("stop-cloud-controller-manager") == 2
    assert at_goal(cluster.facts)


@pytest.mark.parametrize("after", [125, 300, 700, 1050])
async def test_a_node_that_joins_during_a_barrier_is_served_within_seconds(after: float) -> None:
    """It has no route while the route controller is stopped, and is Ready within a minute."""
    clock = FakeClock()
    begun = clock.now()

    def joined(cluster: FakeCluster) -> CutoverFacts:
        known = {each.name for each in cluster.facts.nodes}
        fresh = (node(9),) if clock.now() >= begun + after and node(9).name not in known else ()
        return replace(cluster.facts, nodes=(*cluster.facts.nodes, *fresh))

    cluster = FakeCluster(at_rest(4), meanwhile=joined, joining=joined)
    events = await run(cluster, clock=clock)
    served = next(event.at for event in events if isinstance(event, StepStarted) and node(9).name in event.targets)
    assert served - (begun + after) <= SETTINGS.node_every
    assert at_goal(cluster.facts)


async def test_a_gate_is_left_when_something_more_urgent_turns_up() -> None:
    gate = "gate-alias-canary"
    cluster = FakeCluster(
        at_rest(2), problems={gate: ["not Ready"]}, meanwhile=once(lambda c: c.checked[-1:] == [gate], scaled_up)
    )
    events = await run(cluster)
    assert failed(events) == [(gate, False)]
    assert at_goal(cluster.facts)


async def test_a_vm_that_disappears_during_the_batch_is_skipped() -> None:
    def vanish(facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, nodes=tuple(known for known in facts.nodes if known.name != "node-2"))

    cluster = FakeCluster(at_rest(4), meanwhile=once(lambda c: c.steps[-1:] == ["add-aliases"], vanish))
    await run(cluster)
    assert at_goal(cluster.facts)
    assert {known.name for known in cluster.facts.nodes} == {"node-0", "node-1", "node-3"}


async def test_a_route_that_comes_back_is_deleted_again() -> None:
    def back(facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, routes=(*facts.routes, route(0)))

    cluster = FakeCluster(at_rest(2), meanwhile=once(lambda c: "delete-routes" in c.steps, back))
    await run(cluster)
    assert at_goal(cluster.facts)
    deleted = [target for step in cluster.performed if isinstance(step, DeleteRoutes) for target in step.targets]
    assert deleted.count("route-0") == 2
    lose_nothing(cluster)


async def test_a_partly_failed_batch_is_planned_again_for_the_failed_part() -> None:
    def lose_one(facts: CutoverFacts) -> CutoverFacts:
        nodes = tuple(replace(known, aliases=()) if known.name == "node-2" else known for known in facts.nodes)
        return replace(facts, nodes=nodes)

    cluster = FakeCluster(at_rest(3), meanwhile=once(lambda c: c.steps[-1:] == ["add-aliases"], lose_one))
    events = await run(cluster)
    assert failed(events) == [("add-aliases", False)]
    added = [step.targets for step in cluster.performed if step.id == "add-aliases"]
    assert added == [("node-1", "node-2"), ("node-2",)]
    lose_nothing(cluster)


async def test_a_plan_that_would_break_an_invariant_is_not_carried_out() -> None:
    def hasty(facts: CutoverFacts, _: Settings) -> Transition | None:
        if facts.unsaved:
            return SaveRoutes()
        return DeleteRoutes(("route-0",), alias_first=False) if facts.routes else None

    cluster = FakeCluster(at_rest(1))
    with pytest.raises(InvariantBroken, match="pod-cidr-reachable"):
        await run(cluster, replace(OVERLAP, next_transition=hasty))
    assert cluster.steps == ["save-routes"]
    assert cluster.facts.routes == at_rest(1).routes
