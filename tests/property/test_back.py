"""The way back from every state of a strategy: it loses no packet, and after every step forward is possible again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.model.errors import InvariantBroken
from dualstack.plan.blocks import unused_block
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK_BACKWARDS, check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import Barrier, ClearOverlapFlag, ClearSavedRoutes, RemoveAliases, RestoreRoutes, Transition
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.back import irreversible, way_back
from dualstack.plan.strategies.base import obstacles
from tests.support.cluster_facts import PODS, RUNNING, at_goal, at_rest, last, node, on_routes, restarted, states
from tests.support.hosts import PROPAGATION, delivered_to, losses, view_of
from tests.support.upstream_order import UPSTREAM

SETTINGS = Settings(batch_size=2)
BACK = way_back()
OVERLAP = choose("overlap")


def reached_by(name: str, nodes: int) -> list[CutoverFacts]:
    """Every state of a strategy, from the first to the last, as a new process sees it."""
    start = at_rest(nodes)
    return [restarted(facts) for facts in (start, *(facts for _, facts in states(choose(name), start, SETTINGS)))]


def stands_at(stage: Stage, nodes: int = 3) -> CutoverFacts:
    return next(facts for facts in reversed(reached_by("overlap", nodes)) if stage_of(facts) is stage)


def flagged(facts: CutoverFacts, *, on: bool) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=on))


def steps(facts: CutoverFacts, to: Stage = Stage.ROUTES) -> list[str]:
    return [transition.id for transition in way_back(to).transitions(facts, SETTINGS)]


@pytest.mark.parametrize("nodes", range(7))
@pytest.mark.parametrize("name", STRATEGIES)
def test_from_every_prefix_of_every_strategy_back_to_routes_and_from_every_prefix_of_that_forward(
    name: str, nodes: int
) -> None:
    for cut in reached_by(name, nodes):
        facts, unreachable = cut, set(cut.unreachable)
        for transition in BACK.transitions(cut, SETTINGS):
            assert transition.precondition(facts) == []
            check(MAKE_BEFORE_BREAK_BACKWARDS, facts, transition)
            facts = transition.effect(facts)
            unreachable &= set(facts.unreachable)
            assert set(facts.unreachable) <= unreachable
            end = last(OVERLAP, restarted(facts), SETTINGS)
            assert at_goal(end)
        assert on_routes(facts)
        assert not facts.unreachable
        assert not facts.controller.ignored
        assert sorted(route.destination for route in facts.routes) == sorted(facts.pod_cidr_of.values())


@pytest.mark.parametrize(
    ("stage", "routed", "flag", "step"),
    [
        (Stage.FLAG, False, True, "restore-routes"),
        (Stage.RANGE, True, False, "set-overlap-flag"),
        (Stage.RANGE, False, False, "add-aliases"),
        (Stage.RANGE, False, True, "add-aliases"),
    ],
)
def test_unreachable_vms_become_reachable_first(stage: Stage, routed: bool, flag: bool, step: str) -> None:
    """By an alias where the cloud may refuse a route (docs/reference/cut-over.md#k1)."""
    facts = stands_at(stage)
    cut_off = flagged(replace(facts, routes=facts.routes if routed else ()), on=flag)
    assert cut_off.unreachable
    assert steps(cut_off)[0] == step


@pytest.mark.parametrize("nodes", range(1, 7))
def test_the_way_back_is_resumed_after_every_step(nodes: int) -> None:
    for cut in reached_by("overlap", nodes):
        for _, facts in states(BACK, cut, SETTINGS):
            assert on_routes(last(BACK, restarted(facts), SETTINGS))


@pytest.mark.parametrize("stage", list(Stage)[1:])
@pytest.mark.parametrize("to", [Stage.ROUTES, Stage.FLAG, Stage.RANGE, Stage.ALIASES])
def test_every_stage_leads_back_to_every_earlier_stage(stage: Stage, to: Stage) -> None:
    facts = stands_at(stage)
    end = last(way_back(to), facts, SETTINGS)
    assert stage_of(end) is min(stage, to)
    assert steps(restarted(end), to) == []


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION, 119.0])
def test_no_host_loses_a_packet_whatever_it_has_seen(nodes: int, propagation: float) -> None:
    for stage in list(Stage)[1:]:
        assert losses(BACK, stands_at(stage, nodes), SETTINGS, propagation=propagation) == set(), stage


def test_no_host_loses_a_packet_wherever_it_is_killed() -> None:
    start = stands_at(Stage.DONE)
    for killed_after in range(1, len(steps(start)) + 1):
        assert losses(BACK, start, SETTINGS, killed_after=killed_after) == set(), killed_after


@pytest.mark.parametrize("slow", [replace(SETTINGS, barrier_flag=500.0), replace(SETTINGS, barrier_routes=500.0)])
def test_aliases_go_when_both_flag_and_routes_must_be_known(slow: Settings) -> None:
    (barrier,) = (
        step for step in BACK.transitions(stands_at(Stage.DONE), slow) if step.id == "barrier-restored-routes"
    )
    assert barrier == Barrier(what="restored-routes", aspects=("routes", "flag"), seconds=500.0)


@pytest.mark.parametrize(
    "impatient",
    [
        replace(SETTINGS, barrier_flag=0.0, barrier_routes=0.0),
        replace(SETTINGS, barrier_flag=PROPAGATION - 1, barrier_routes=PROPAGATION - 1),
        replace(SETTINGS, barrier_range=0.0),
    ],
    ids=["no-barrier-before-the-aliases-go", "too-short", "no-barrier-before-the-flag-goes"],
)
def test_without_its_barriers_the_way_back_loses(impatient: Settings) -> None:
    assert losses(BACK, stands_at(Stage.DONE), impatient) != set()


def test_the_whole_way_from_the_end_to_the_beginning() -> None:
    assert steps(stands_at(Stage.DONE)) == [
        "set-overlap-flag",
        "gate-rollback-drill",
        "rollback-drill",
        "restore-routes",
        "barrier-restored-routes",
        "gate-restored-routes",
        "remove-alias-canary",
        "barrier-unalias-canary",
        "gate-unalias-canary",
        "remove-aliases",
        "remove-secondary-range",
        "barrier-range-removed",
        "clear-overlap-flag",
        "restore-cloud-controller-manager",
    ]


def test_with_all_routes_left_no_drill_is_needed() -> None:
    assert "rollback-drill" not in steps(stands_at(Stage.ALIASES))
    assert "restore-routes" not in steps(stands_at(Stage.RANGE))


def test_unreachable_vms_without_a_range_get_their_routes_at_once() -> None:
    facts = next(facts for step, facts in states(UPSTREAM, at_rest(3), SETTINGS) if step.id == "delete-routes")
    assert steps(facts)[0] == "restore-routes"
    not_gone = replace(facts, controller=replace(facts.controller, pods=1))
    assert steps(not_gone)[:2] == ["stop-cloud-controller-manager", "restore-routes"]


def test_a_cluster_on_its_routes_needs_nothing() -> None:
    assert steps(at_rest(4)) == []


def test_a_vm_that_never_had_a_route_gets_one_before_it_loses_its_alias() -> None:
    facts = last(OVERLAP, replace(at_rest(2), nodes=(*at_rest(2).nodes, node(9))), SETTINGS)
    end = last(BACK, restarted(facts), SETTINGS)
    assert end.routed("node-9")


def test_a_vm_with_an_alias_but_without_node_keeps_its_address() -> None:
    facts = stands_at(Stage.DONE)
    facts = replace(facts, nodes=(replace(facts.nodes[0], pod_cidr=None), *facts.nodes[1:]))
    end = last(BACK, facts, SETTINGS)
    assert {route.instance for route in end.routes} == {"node-0", "node-1", "node-2"}


def test_changes_that_cannot_be_rolled_back_are_named() -> None:
    facts = stands_at(Stage.CUT)
    assert irreversible(stands_at(Stage.ALIASES)) == []
    assert "which the cloud may refuse" in irreversible(facts)[0]
    dual = replace(facts, subnet=replace(facts.subnet, stack_type="IPV4_IPV6"))
    assert "stays dual-stack" in irreversible(dual)[1]
    assert obstacles(BACK, facts, SETTINGS) == []


def test_the_drill_takes_a_block_that_nothing_uses() -> None:
    assert unused_block(stands_at(Stage.ALIASES)) == "10.127.255.0/24"
    last_taken = replace(at_rest(1), nodes=(replace(node(0), pod_cidr="10.127.255.0/24"),))
    assert unused_block(last_taken) == "10.127.254.0/24"
    full = replace(at_rest(1), pods_cidr="10.96.0.0/24", routes=())
    assert unused_block(full) is None
    assert unused_block(replace(at_rest(0), pods_cidr=PODS)) == "10.127.224.0/19"


def test_a_drill_cut_short_is_cleaned_up_first_in_both_directions() -> None:
    facts = replace(stands_at(Stage.ALIASES), drill_routes=("drill",))
    assert steps(facts)[0] == "remove-drill-routes"
    assert next(OVERLAP.transitions(facts, SETTINGS)).id == "remove-drill-routes"


BROKEN: list[tuple[str, CutoverFacts, Transition]] = [
    ("pod-cidr-reachable", stands_at(Stage.DONE), RemoveAliases(("node-0",))),
    ("route-before-unalias", stands_at(Stage.DONE), RemoveAliases(("node-1",))),
    ("route-before-unalias", flagged(stands_at(Stage.DONE), on=True), RemoveAliases(("node-1",))),
    ("route-before-unalias", flagged(stands_at(Stage.ALIASES), on=False), RemoveAliases(("node-1",))),
    ("flag-while-routes", stands_at(Stage.ALIASES), ClearOverlapFlag()),
    ("saved-until-delivered", stands_at(Stage.RANGE), ClearSavedRoutes()),
]


@pytest.mark.parametrize(("name", "facts", "transition"), BROKEN)
def test_a_broken_invariant_of_the_way_back_is_caught_by_its_name(
    name: str, facts: CutoverFacts, transition: Transition
) -> None:
    (invariant,) = [known for known in MAKE_BEFORE_BREAK_BACKWARDS if known.name == name]
    with pytest.raises(InvariantBroken, match=f"^{name}: {transition.id} would break it: "):
        check([invariant], facts, transition)


def test_routes_inside_a_range_without_flag_cannot_be_restored() -> None:
    facts = stands_at(Stage.DONE)
    assert RestoreRoutes(("node-0",)).precondition(facts) != []


@settings(max_examples=300)
@given(
    nodes=st.integers(0, 6),
    name=st.sampled_from(sorted(STRATEGIES)),
    turns=st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.booleans()), max_size=6),
)
def test_changing_direction_at_random_loses_nothing(nodes: int, name: str, turns: list[tuple[bool, int, bool]]) -> None:
    """Forward without loss and back, for some steps each, from the end of any strategy, with and without restarts."""
    facts = reached_by(name, nodes)[-1 - len(turns) % max(1, nodes)]
    unreachable = set(facts.unreachable)
    for forward, count, killed in turns:
        strategy = OVERLAP if forward else BACK
        for _ in range(count):
            transition = strategy.next_transition(facts, SETTINGS)
            if transition is None:
                break
            check(strategy.invariants, facts, transition)
            facts = transition.effect(facts)
            unreachable &= set(facts.unreachable)
            for vm, owed in facts.pod_cidr_of.items():
                assert vm in unreachable or delivered_to(view_of(facts), owed) == {vm}
        facts = restarted(facts) if killed else facts
        if not facts.controller.ignored:
            facts = replace(facts, controller=RUNNING)
    assert on_routes(last(BACK, facts, SETTINGS))
    assert at_goal(last(OVERLAP, facts, SETTINGS))


def test_forty_nodes_give_their_aliases_up_in_batches() -> None:
    plan = BACK.transitions(reached_by("overlap", 40)[-1], Settings())
    removed = [len(step.targets) for step in plan if isinstance(step, RemoveAliases)]
    assert removed == [1, 10, 10, 19]  # at least ten together, then half and all of 40


def test_a_range_without_nodes_goes_without_the_flag() -> None:
    facts = last(OVERLAP, at_rest(0), SETTINGS)
    assert facts.range_present
    assert "set-overlap-flag" not in steps(restarted(facts))
