"""A failed gate rolls its stage back; the drill and a change of direction stop the run between two steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from dualstack.cutover.interface import DirectionChanged
from dualstack.cutover.measurements import Begin
from dualstack.cutover.run import run_cutover
from dualstack.gardener.error_codes import error_codes
from dualstack.gce.errors import NotReady
from dualstack.kube.interface import Unavailable
from dualstack.model.errors import GateFailed, Unsupported
from dualstack.model.events import AnyEvent, OutageExpected, OutageMeasured, StepStarted
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.gates import cloud_limitation
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import AddAliases, Transition
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import Strategy
from tests.support.cluster_facts import at_goal, at_rest, on_routes, restarted, states
from tests.unit.cutover.fake_cluster import SETTINGS, FakeClock, FakeCluster, failed, lose_nothing, run, started

OVERLAP, COMPRESSED = choose("overlap"), choose("compressed")
NEVER = ["node-0 is not Ready"] * 1000


@dataclass
class Refusing(FakeCluster):
    """The cloud refuses static routes inside the range (docs/reference/cut-over.md#k1)."""

    async def perform(self, transition: Transition) -> None:
        if transition.id == "rollback-drill":
            raise GateFailed("the cloud refuses a static route inside the range")
        await super().perform(transition)


async def stopped(cluster: FakeCluster, settings: Settings = SETTINGS) -> tuple[str, list[AnyEvent]]:
    """The error of the run, and its events."""
    events: list[AnyEvent] = []
    with pytest.raises(GateFailed) as refused:
        await run_cutover(cluster, OVERLAP, settings, FakeClock(), events.append, "shoot--foo--bar")
    return str(refused.value), events


@pytest.mark.parametrize(
    ("gate", "stage"),
    [
        ("gate-alias-canary", Stage.RANGE),
        ("gate-aliases", Stage.RANGE),
        ("gate-route-canary", Stage.ALIASES),
        ("gate-routes", Stage.ALIASES),
    ],
)
async def test_a_failed_gate_rolls_its_stage_back_without_loss(gate: str, stage: Stage) -> None:
    cluster = FakeCluster(at_rest(4), problems={gate: list(NEVER)})
    said, events = await stopped(cluster)
    assert said == f"node-0 is not Ready; rolled back to {stage.words}"
    assert stage_of(cluster.facts) is stage
    assert (gate, False) in failed(events)
    lose_nothing(cluster)
    cluster.problems = {}
    await run(cluster)
    assert at_goal(cluster.facts)
    lose_nothing(cluster)


async def test_a_cloud_that_refuses_routes_leaves_the_cluster_as_it_is() -> None:
    cluster = Refusing(at_rest(4), problems={"gate-route-canary": list(NEVER)})
    said, _ = await stopped(cluster)
    assert said == "node-0 is not Ready; a rollback failed: the cloud refuses a static route inside the range"
    assert stage_of(cluster.facts) is Stage.CUT
    assert len(cluster.facts.routes) == 3
    lose_nothing(cluster)


async def test_routes_return_after_the_range_is_removed_when_aliases_carry_no_traffic() -> None:
    """Routes inside the range are refused too, so aliases and range go first (docs/reference/cut-over.md#k3)."""

    def complaint(facts: CutoverFacts) -> frozenset[str]:
        return frozenset({"node-0"} if facts.range_present and "node-0" in facts.unrouted else ())

    cluster = Refusing(at_rest(4), problems={"gate-route-canary": list(NEVER)}, complaints=complaint)
    with pytest.raises(Unsupported) as refused:
        await run(cluster)
    assert str(refused.value) == "node-0 is not Ready; rolled back to routes only"
    assert error_codes(refused.value) == ("ERR_CONFIGURATION_PROBLEM",)
    assert on_routes(cluster.facts)
    assert cluster.steps[-6:] == [
        "remove-aliases",
        "remove-secondary-range",
        "restore-routes",
        "clear-overlap-flag",
        "clear-saved-routes",
        "restore-cloud-controller-manager",
    ]


async def test_the_range_is_removed_at_once_when_routes_in_it_carry_no_traffic() -> None:
    """No barrier and no retries while every node is unreachable."""
    start = at_rest(4)

    def complaint(facts: CutoverFacts) -> frozenset[str]:
        return frozenset(start.pod_cidr_of if facts.range_present else ())

    cluster = FakeCluster(start, problems={"gate-range": list(NEVER)}, complaints=complaint)
    events: list[AnyEvent] = []
    with pytest.raises(Unsupported, match="rolled back to routes only"):
        await run_cutover(cluster, OVERLAP, SETTINGS, FakeClock(), events.append, "shoot--foo--bar")
    assert on_routes(cluster.facts)
    steps = started(events)
    assert steps[steps.index("add-secondary-range") :][:3] == [
        "add-secondary-range",
        "gate-range",
        "remove-secondary-range",
    ]
    begun = {event.step: event.at for event in events if isinstance(event, StepStarted)}
    assert begun["remove-secondary-range"] == begun["gate-range"]


class Unmatched(FakeCluster):
    """Aliases carry nothing, and the cloud takes 4 s to delete a route."""

    async def perform(self, transition: Transition) -> None:
        began = self.clock.now()
        if transition.id == "delete-route-canary":
            self.clock.time += 4.0
        await super().perform(transition)
        self.change = began, self.clock.now()


async def test_the_outage_of_a_failed_trial_began_with_the_step_that_put_the_node_on_trial() -> None:
    def complaint(facts: CutoverFacts) -> frozenset[str]:
        return frozenset({"node-0"} if facts.range_present and "node-0" in facts.unrouted else ())

    cluster = Unmatched(at_rest(4), complaints=complaint, problems={"gate-route-canary": list(NEVER)})
    events = list[AnyEvent]()
    with pytest.raises(Unsupported):
        await run_cutover(cluster, OVERLAP, SETTINGS, cluster.clock, events.append, "shoot--foo--bar")
    (step,) = (it.at for it in events if isinstance(it, StepStarted) and it.step == "delete-route-canary")
    (measured,) = (it for it in events if isinstance(it, OutageMeasured))
    assert (measured.at - measured.seconds, measured.bound) == (step, "")


@pytest.mark.parametrize(("lasts", "recovers"), [(0.0, True), (60.0, True), (61.0, False), (1e6, False)])
async def test_what_a_node_still_reports_a_minute_after_its_route_returned_has_another_cause(
    lasts: float, recovers: bool
) -> None:
    clock, back = FakeClock(), list[float]()

    def complaint(facts: CutoverFacts) -> frozenset[str]:
        if not back and cluster.steps[-1:] == ["restore-cloud-controller-manager"]:
            back.append(clock.now())
        begun = "delete-route-canary" in cluster.steps and (not back or clock.now() < back[0] + lasts)
        return frozenset({"node-0", "node-1"} if begun else ())

    cluster = FakeCluster(at_rest(2), problems={"gate-route-canary": list(NEVER)}, complaints=complaint)
    with pytest.raises(GateFailed) as stopped:
        await run(cluster, clock=clock)
    assert on_routes(cluster.facts)
    assert isinstance(stopped.value, Unsupported) is recovers
    words = "node-0 is not Ready; rolled back to routes only"
    cause = "node node-0 still reports a network problem without the range, so it has another cause"
    assert str(stopped.value) == (words if recovers else f"{words}; {cause}")
    assert clock.now() - back[0] <= SETTINGS.recovery_timeout + SETTINGS.watch_every


@pytest.mark.parametrize(("seconds", "outages"), [(30.0, ["at most"]), (31.0, [])])
async def test_a_report_may_be_due_to_a_trial_unless_the_node_was_served_for_its_first_half_minute(
    seconds: float, outages: list[str]
) -> None:
    """The node on trial reports these seconds after its begin, and another node leaves then."""
    clock, begun = FakeClock(), list[float]()

    def complaint(facts: CutoverFacts) -> frozenset[str]:
        if facts.range_canary and not begun:
            begun.append(clock.now())
        reports = facts.range_canary and clock.now() >= begun[0] + seconds
        return frozenset({"node-0"} if reports else ())

    def left(cluster: FakeCluster) -> CutoverFacts:
        leaves = begun and clock.now() >= begun[0] + 30.0
        return replace(cluster.facts, nodes=at_rest(3).nodes) if leaves else cluster.facts

    cluster = FakeCluster(at_rest(4), left, problems={"gate-range-canary": list(NEVER)}, complaints=complaint)
    cluster.clock, events = clock, list[AnyEvent]()
    with pytest.raises(GateFailed, match="a node joined or left meanwhile"):
        await run_cutover(cluster, OVERLAP, SETTINGS, clock, events.append, "shoot--foo--bar")
    assert on_routes(cluster.facts)
    assert [event.bound for event in events if isinstance(event, OutageMeasured)] == outages


@pytest.mark.parametrize(("leaves", "bound"), [(False, "at least"), (True, "about")])
async def test_the_outage_of_a_trial_that_an_earlier_process_began_has_no_certain_begin(
    bound: str, *, leaves: bool
) -> None:
    """The node reports after 30 s; if another one leaves then, the report may be due to that."""
    trial = next(facts for step, facts in states(OVERLAP, at_rest(4), SETTINGS) if step.id == "add-range-canary")
    clock = FakeClock()
    late = clock.now() + 30.0

    def complaint(facts: CutoverFacts) -> frozenset[str]:
        return frozenset({"node-0"} if facts.range_canary and clock.now() >= late else ())

    def left(cluster: FakeCluster) -> CutoverFacts:
        leaving = leaves and clock.now() >= late
        return replace(cluster.facts, nodes=at_rest(3).nodes) if leaving else cluster.facts

    problems = {"gate-range-canary": list(NEVER)}
    cluster, events = FakeCluster(restarted(trial), left, problems=problems, complaints=complaint), list[AnyEvent]()
    with pytest.raises(GateFailed):
        await run_cutover(cluster, OVERLAP, SETTINGS, clock, events.append, "shoot--foo--bar")
    assert on_routes(cluster.facts)
    assert [event.bound for event in events if isinstance(event, OutageMeasured)] == [bound]


async def test_a_failing_gate_is_checked_every_fifteen_seconds_for_five_minutes() -> None:
    clock, cluster = FakeClock(), FakeCluster(at_rest(4), problems={"gate-alias-canary": list(NEVER)})
    with pytest.raises(GateFailed):
        await run(cluster, clock=clock)
    assert cluster.checked.count("gate-alias-canary") == 300 / 15 + 1


async def test_a_failed_drill_stops_before_the_first_route_is_deleted() -> None:
    cluster = Refusing(at_rest(3))
    said, _ = await stopped(cluster, replace(SETTINGS, drill=True))
    assert said == "the cloud refuses a static route inside the range"
    assert stage_of(cluster.facts) is Stage.ALIASES
    assert cluster.facts.routes == at_rest(3).routes


async def test_the_drill_is_done_once_before_the_first_route_is_deleted() -> None:
    cluster = FakeCluster(at_rest(3))
    events = await run(cluster, settings=replace(SETTINGS, drill=True))
    steps = started(events)
    assert steps.count("rollback-drill") == 1
    assert steps.index("rollback-drill") == steps.index("delete-route-canary") - 1
    assert at_goal(cluster.facts)


async def test_a_failed_drill_stops_the_way_back_before_a_route_or_alias_changes() -> None:
    done = FakeCluster(at_rest(3))
    await run(done)
    cluster = Refusing(done.facts)
    with pytest.raises(GateFailed, match="the cloud refuses"):
        await run(cluster, way_back())
    assert cluster.steps == ["set-overlap-flag"]
    lose_nothing(cluster)
    await run(cluster)
    assert at_goal(cluster.facts)


async def test_back_and_forth_through_the_engine() -> None:
    cluster = FakeCluster(at_rest(5))
    for strategy in (OVERLAP, way_back(), OVERLAP, way_back()):
        await run(cluster, strategy)
        lose_nothing(cluster)
    assert on_routes(cluster.facts)


async def test_a_change_of_direction_ends_the_run_between_two_steps() -> None:
    def turn(cluster: FakeCluster) -> CutoverFacts:
        if "add-aliases" in cluster.steps:
            raise DirectionChanged("the owner requests a rollback")
        return cluster.facts

    cluster, events = FakeCluster(at_rest(3), meanwhile=turn), list[AnyEvent]()
    with pytest.raises(DirectionChanged, match="requests a rollback"):
        await run_cutover(cluster, OVERLAP, SETTINGS, FakeClock(), events.append, "shoot--foo--bar")
    assert failed(events) == [("add-aliases", False)]
    cluster.meanwhile = None
    await run(cluster, way_back())
    assert on_routes(cluster.facts)
    lose_nothing(cluster)


async def test_compressed_reports_the_outage_before_and_measures_it_after() -> None:
    events = await run(FakeCluster(at_rest(3)), COMPRESSED)
    first, *_ = events
    assert isinstance(first, OutageExpected)
    assert first.seconds > 20
    assert "all 3 nodes become unreachable" in first.detail
    (measured,) = [event for event in events if isinstance(event, OutageMeasured)]
    assert f"the pods of 3 nodes could not reach other nodes for {measured.seconds:.1f} s" in measured.detail


async def test_an_outage_that_existed_before_the_run_is_measured_as_a_minimum() -> None:
    events = await run(FakeCluster(replace(at_rest(2), routes=())))
    (measured,) = [event for event in events if isinstance(event, OutageMeasured)]
    assert "for at least" in measured.detail


@pytest.mark.parametrize(("looks", "seconds"), [(1, 0.0), (2, 0.0), (3, SETTINGS.backoff[0])])
async def test_p09_an_outage_ends_with_the_operation_even_if_its_effect_shows_late(looks: int, seconds: float) -> None:
    """Time passes only in waits; after the second look without the effect, the step is repeated."""

    def shown(cluster: FakeCluster) -> CutoverFacts:
        if cluster.steps[-1:] == ["add-aliases"]:
            left.pop()
            return cluster.facts if left else cluster.performed[-1].effect(cluster.facts)
        return cluster.facts

    left = list(range(looks))
    events = await run(FakeCluster(at_rest(3), ignored=frozenset({"add-aliases"}), meanwhile=shown), COMPRESSED)
    (measured,) = [event for event in events if isinstance(event, OutageMeasured)]
    assert (measured.seconds, measured.bound) == (seconds, "")


@pytest.mark.parametrize(
    ("strategy", "step", "waits_long"), [(COMPRESSED, "add-aliases", False), (OVERLAP, "add-alias-canary", True)]
)
async def test_a_change_that_is_not_visible_is_looked_at_again_soon_while_nodes_are_unreachable(
    strategy: Strategy, step: str, waits_long: bool
) -> None:
    def shown(cluster: FakeCluster) -> CutoverFacts:
        if cluster.steps[-1:] == [step] and left:
            left.pop()
            return cluster.facts if left else cluster.performed[-1].effect(cluster.facts)
        return cluster.facts

    left, clock = list(range(5)), FakeClock()
    cluster = FakeCluster(at_rest(3), ignored=frozenset({step}), meanwhile=shown)
    await run(cluster, strategy, clock=clock, settings=replace(SETTINGS, backoff=(40.0, 40.0)))
    assert (40.0 in clock.slept) is waits_long


@dataclass
class Ending(FakeCluster):
    """node-0 is ending while the others get their alias, and refuses its own for some time."""

    running: bool = False
    takes: float = 60.0

    async def perform(self, transition: Transition) -> None:
        if not isinstance(transition, AddAliases) or len(transition.targets) == 1:
            await super().perform(transition)
            return
        await super().perform(replace(transition, targets=transition.targets[1:]))
        first, *others = self.facts.nodes
        self._become(replace(self.facts, nodes=(replace(first, running=self.running), *others)))
        self.clock.time += self.takes
        raise NotReady("resourceNotReady", "node-0 is not ready")


async def test_p25_a_vm_that_is_ending_is_no_reason_to_serve_all_others_by_another_way() -> None:
    """Nine nodes lost their aliases, and with them their connectivity again, for a VM that was being deleted."""
    cluster = Ending(at_rest(3))
    (measured,) = [event for event in await run(cluster, COMPRESSED) if isinstance(event, OutageMeasured)]
    assert (measured.seconds, measured.bound) == (0.0, "")
    assert at_goal(cluster.facts)


@pytest.mark.parametrize(("takes", "tries_again"), [(30.0, True), (31.0, False)])
async def test_a_node_that_runs_may_refuse_its_alias_for_half_a_minute_before_another_way_serves_it(
    takes: float, tries_again: bool
) -> None:
    cluster = Ending(at_rest(3), running=True, takes=takes)
    if tries_again:
        await run(cluster, COMPRESSED)
        assert at_goal(cluster.facts)
    else:
        with pytest.raises(NotReady):
            await run(cluster, COMPRESSED)


async def test_without_loss_nothing_is_measured() -> None:
    events = await run(FakeCluster(at_rest(3)))
    assert [event.seconds for event in events if isinstance(event, OutageExpected)] == [0.0]
    assert not any(isinstance(event, OutageMeasured) for event in events)


@dataclass
class Witness(FakeCluster):
    """Remembers what outage was recorded when each step began."""

    recorded: dict[str, Begin | None] = field(default_factory=dict)

    async def perform(self, transition: Transition) -> None:
        self.recorded[transition.id] = self.outage
        await super().perform(transition)


async def test_an_outage_is_recorded_before_the_step_that_begins_it_and_before_no_other() -> None:
    cluster = Witness(at_rest(3))
    await run(cluster, COMPRESSED)
    step, outage = next((step, outage) for step, outage in cluster.recorded.items() if outage is not None)
    assert (step, outage.bound) == ("delete-routes", "at most")
    lossless = Witness(at_rest(3))
    await run(lossless)
    assert not any(lossless.recorded.values())


@pytest.mark.parametrize(("strategy", "wait"), [(OVERLAP, 40.0), (COMPRESSED, 5.0)])
async def test_an_unreachable_node_shortens_the_waits_of_an_order_with_an_outage_only(
    strategy: Strategy, wait: float
) -> None:
    clock, unreachable = FakeClock(), replace(at_rest(3), routes=at_rest(3).routes[1:])
    cluster = FakeCluster(unreachable, errors={0: Unavailable("503")})
    await run(cluster, strategy, clock=clock, settings=replace(SETTINGS, backoff=(40.0, 40.0)))
    assert clock.slept[0] == wait


async def test_the_waits_of_an_order_with_an_outage_are_as_long_while_every_node_is_reachable() -> None:
    clock, cluster = FakeClock(), FakeCluster(at_rest(3), errors={0: Unavailable("503")})
    await run(cluster, COMPRESSED, clock=clock, settings=replace(SETTINGS, backoff=(40.0, 40.0)))
    assert clock.slept[0] == 40.0


async def test_a_gate_of_the_way_back_is_awaited_also_where_nodes_show_what_the_cloud_does_not_do() -> None:
    half = next(facts for step, facts in states(OVERLAP, at_rest(3), SETTINGS) if step.id == "add-alias-canary")
    facts = replace(half, with_network_problem=frozenset(half.pod_cidr_of))
    assert cloud_limitation(facts) == "routes-not-served"
    cluster = FakeCluster(facts, problems={"gate-restored-routes": ["a node is not ready"]})
    await run(cluster, way_back())
    assert cluster.checked.count("gate-restored-routes") == 2
    assert not cluster.facts.range_present
