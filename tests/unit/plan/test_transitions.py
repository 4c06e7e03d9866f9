"""Single steps: exact and idempotent effects, preconditions in words, and the steps of the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.plan.facts import AliasFacts, ControllerFacts, CutoverFacts, DecoyFacts, NodeFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    Gate,
    RemoveAliases,
    RemoveSecondaryRange,
    RestoreController,
    RestoreRoutes,
    SaveRoutes,
    SetOverlapFlag,
    StopController,
)
from dualstack.plan.steps.decoys import AddDecoyRange, CreateDecoys
from dualstack.plan.steps.headroom import ProveHeadroom
from dualstack.plan.steps.subnet import AddRangeCanary, RemoveRangeCanary
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.back import way_back
from tests.support.cluster_facts import PODS, RANGE, RUNNING, STOPPED, alias, at_rest, cidr, node, states

SETTINGS = Settings(batch_size=2)
OVERLAP = choose("overlap")


def after(step: str, nodes: int = 3) -> CutoverFacts:
    """The facts after the last step named `step` of the order that loses nothing."""
    reached = [facts for transition, facts in states(OVERLAP, at_rest(nodes), SETTINGS) if transition.id == step]
    return reached[-1]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_step_is_done_after_its_effect_and_not_before(name: str) -> None:
    facts = at_rest(3)
    for transition in choose(name).transitions(facts, SETTINGS):
        reached = transition.effect(facts)
        assert transition.done(reached)
        if not isinstance(transition, Barrier | Gate | ProveHeadroom):
            assert not transition.done(facts), transition.id
        facts = reached


def test_the_way_back_from_the_aliases_meets_its_own_preconditions() -> None:
    facts = after("add-aliases")
    for step in (RemoveAliases(("node-0", "node-1", "node-2")), RemoveSecondaryRange(), ClearOverlapFlag()):
        assert step.precondition(facts) == []
        facts = step.effect(facts)
        assert facts.unreachable == ()
    assert facts.subnet == at_rest(3).subnet


@pytest.mark.parametrize(
    ("routes", "flag", "step"),
    [
        (500.0, 500.0, "gate-restored-routes"),
        (90.0, 90.0, "gate-restored-routes"),
        (90.0, 89.0, "barrier-restored-routes"),
        (89.0, 90.0, "barrier-restored-routes"),
        (0.0, 500.0, "barrier-restored-routes"),
    ],
)
@pytest.mark.parametrize(("barrier_routes", "barrier_flag"), [(90.0, 30.0), (30.0, 90.0)])
def test_the_way_back_removes_no_alias_before_each_host_knows_routes_and_flag(
    routes: float, flag: float, step: str, barrier_routes: float, barrier_flag: float
) -> None:
    """It waits for the slower of the two."""
    settings = Settings(barrier_routes=barrier_routes, barrier_flag=barrier_flag)
    facts = after("add-aliases").with_runtime_state(quiet={"routes": routes, "flag": flag}, passed={})
    planned = way_back().next_transition(facts, settings)
    assert planned is not None
    assert planned.id == step


def test_aliases_are_not_given_up_without_a_route_to_fall_back_to() -> None:
    facts = replace(after("add-aliases"), routes=())
    assert RemoveAliases(("node-1",)).precondition(facts) == ["VM node-1 has no route to replace its alias"]
    facts = after("add-aliases")
    facts = replace(facts, subnet=replace(facts.subnet, overlap_flag=False))
    assert RemoveAliases(("node-1",)).precondition(facts) == [
        "the overlap flag is off, so routes inside the range carry no traffic"
    ]
    assert RemoveSecondaryRange().precondition(facts)[0] == f"VM node-0 holds an alias in {RANGE}"
    bare = replace(facts, routes=())
    assert RemoveAliases(("node-1",), without_traffic=True).precondition(bare) == []
    without_range = RemoveSecondaryRange().effect(facts)
    assert RemoveAliases(("node-1",)).precondition(without_range) == []  # the route serves whatever the flag is


def test_a_target_that_has_vanished_is_skipped() -> None:
    facts = after("add-secondary-range")
    facts = replace(facts, nodes=facts.nodes[1:])
    step = AddAliases(("node-0", "node-1"))
    assert step.precondition(facts) == []
    assert step.effect(facts).holders == {cidr(1): frozenset({"node-1"})}
    without_node = replace(facts, nodes=(replace(node(0), pod_cidr=None), *facts.nodes), routes=(), saved_routes=())
    assert step.effect(without_node).holders == {cidr(1): frozenset({"node-1"})}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda known: replace(known, subnet_ok=False), "nic0 of VM node-0 is not in subnet shoot--foo--bar-nodes"),
        (
            lambda known: replace(known, aliases=(alias(77),)),
            f"VM node-0 holds {cidr(77)} in range {RANGE}, but its pod CIDR is {cidr(0)}",
        ),
        (
            lambda known: replace(known, pod_cidr="10.200.0.0/24"),
            f"pod CIDR 10.200.0.0/24 of VM node-0 lies outside {PODS}",
        ),
    ],
    ids=["other-subnet", "other-alias", "outside"],
)
def test_each_obstacle_to_an_alias_is_named(damage: Callable[[NodeFacts], NodeFacts], problem: str) -> None:
    facts = after("add-secondary-range")
    facts = replace(facts, nodes=(damage(facts.nodes[0]), *facts.nodes[1:]))
    assert AddAliases(("node-0",)).precondition(facts) == [problem]
    assert AddAliases(("node-1",)).precondition(facts) == []


def test_an_alias_held_by_another_vm_is_named() -> None:
    facts = after("add-secondary-range")
    thief = replace(node(8), pod_cidr=None, aliases=(alias(0),))
    facts = replace(facts, nodes=(*facts.nodes, thief))
    assert AddAliases(("node-0",)).precondition(facts) == [
        f"VM node-8 holds {cidr(0)}, the pod CIDR of VM node-0, as an alias"
    ]


def test_no_alias_without_the_range() -> None:
    assert AddAliases(("node-0",)).precondition(at_rest(1)) == [f"subnet shoot--foo--bar-nodes has no range {RANGE}"]


@pytest.mark.parametrize(
    "taken", [(RANGE, "10.97.0.0/16"), (RANGE, "192.168.0.0/16"), ("user-range", "10.96.128.0/20")]
)
def test_a_range_in_the_way_is_found_before_the_flag_is_set(taken: tuple[str, str]) -> None:
    facts = at_rest(1)
    facts = replace(facts, subnet=replace(facts.subnet, secondary_ranges=(taken,)))
    expected = [f"range {taken[0]} ({taken[1]}) of subnet {facts.subnet.name} conflicts with {RANGE} ({PODS})"]
    assert SetOverlapFlag().precondition(facts) == expected
    assert AddSecondaryRange().precondition(replace(facts, routes=())) == expected


def test_the_range_is_not_added_over_routes_without_the_flag() -> None:
    assert AddSecondaryRange().precondition(at_rest(2)) == [
        "2 routes lead into the pod CIDR and the overlap flag is off, among them route-0"
    ]
    foreign = replace(at_rest(0), foreign_routes=(RouteFacts("vpn", "10.96.9.0/24"),))
    assert len(AddSecondaryRange().precondition(foreign)) == 1


def test_a_range_with_the_name_of_the_range_canary_is_in_its_way() -> None:
    step, facts = AddRangeCanary(("node-0",), block=cidr(0)), SetOverlapFlag().effect(at_rest(2))
    user, same = (
        replace(facts, subnet=replace(facts.subnet, secondary_ranges=((name, "10.8.0.0/24"),)))
        for name in ("user-range", "dualstack-canary")
    )
    assert step.precondition(user) == []
    (problem,) = step.precondition(same)
    assert problem.startswith(f"range dualstack-canary (10.8.0.0/24) of subnet {facts.subnet.name} has the name of")


def test_decoys_block_the_range_and_clearing_the_flag() -> None:
    facts = replace(at_rest(0), decoys=DecoyFacts(vm=True))
    assert AddSecondaryRange().precondition(facts) == ["the decoys still exist"]
    assert ClearOverlapFlag().precondition(AddSecondaryRange().effect(facts)) == ["the decoys still exist"]


def test_no_route_is_deleted_that_is_unsaved_without_alias_or_recreated() -> None:
    facts = after("add-aliases")
    step = DeleteRoutes(("route-0", "route-1"))
    assert step.precondition(facts) == []
    assert step.precondition(replace(facts, saved_routes=facts.saved_routes[1:])) == ["route route-0 is not saved"]
    bare = replace(facts, nodes=(replace(facts.nodes[0], aliases=()), *facts.nodes[1:]))
    assert step.precondition(bare) == [f"VM node-0 has no alias {cidr(0)}; it is reachable by route route-0 only"]
    assert replace(step, alias_first=False).precondition(bare) == []
    running = replace(facts, controller=RUNNING)
    assert step.precondition(running) == ["cloud-controller-manager still runs and would create the routes again"]


def test_the_flag_is_not_cleared_over_a_route_or_a_vm_without_alias() -> None:
    facts = after("delete-routes")
    assert ClearOverlapFlag().precondition(facts) == []
    back = replace(facts, routes=at_rest(1).routes)
    assert ClearOverlapFlag().precondition(back) == [f"route route-0 ({cidr(0)}) still leads into the range"]
    bare = replace(facts, nodes=(replace(facts.nodes[0], aliases=()), *facts.nodes[1:]))
    assert ClearOverlapFlag().precondition(bare) == ["VM node-0 has no alias yet"]


def test_the_saved_list_is_kept_until_each_of_its_vms_has_its_alias_or_is_gone() -> None:
    facts = after("clear-overlap-flag")
    bare = replace(facts, nodes=(replace(facts.nodes[0], aliases=()), *facts.nodes[1:]))
    assert ClearSavedRoutes().precondition(bare) == ["the pod CIDR of VM node-0 has no alias yet"]
    assert ClearSavedRoutes().precondition(replace(facts, nodes=facts.nodes[1:])) == []


def test_saving_adds_what_is_missing_and_keeps_what_is_there() -> None:
    first = SaveRoutes().effect(at_rest(1)).saved_routes
    grown = SaveRoutes().effect(replace(at_rest(3), saved_routes=first))
    assert [entry.instance_name for entry in grown.saved_routes] == ["node-0", "node-1", "node-2"]
    assert SaveRoutes().effect(grown) == grown


def test_stopping_ends_when_the_pods_are_gone() -> None:
    assert StopController().effect(at_rest(1)).controller == STOPPED
    left = replace(at_rest(1), controller=ControllerFacts(replicas=0, pods=1, ignored=True))
    assert not StopController().done(left)


def test_a_restored_controller_creates_routes_unless_it_is_absent() -> None:
    stopped = replace(at_rest(1), controller=STOPPED)
    assert not RestoreController().effect(stopped).controller.ignored
    absent = replace(stopped, controller=replace(STOPPED, absent=True))
    assert RestoreController().effect(absent).controller.ignored


def test_the_removed_range_canary_leaves_what_it_has_proved() -> None:
    facts = replace(at_rest(1), range_canary=cidr(0))
    assert not RemoveRangeCanary().effect(facts).range_proven
    assert RemoveRangeCanary(proven=True).effect(facts).range_proven
    assert RemoveRangeCanary().effect(replace(facts, range_proven=True)).range_proven


def test_a_change_closes_barriers_and_gates_that_depend_on_it_alone() -> None:
    gate = Gate(what="routes", aspects=("routes",))
    barrier = Barrier(what="routes", aspects=("routes", "aliases"), seconds=120.0)
    facts = barrier.effect(gate.effect(at_rest(2)))
    assert barrier.remaining(facts) == 0.0
    assert gate.id in facts.passed
    changed = facts.with_changed("aliases")
    assert barrier.remaining(changed) == 120.0
    assert gate.id in changed.passed
    assert gate.id not in facts.with_changed("routes").passed


@pytest.mark.parametrize(("known", "waited"), [(0.0, 120.0), (100.0, 20.0), (120.0, 0.0), (200.0, 0.0)])
def test_a_barrier_takes_the_time_that_is_left_and_none_if_it_is_open(known: float, waited: float) -> None:
    barrier = Barrier(what="routes", aspects=("routes",), seconds=120.0)
    passed = barrier.effect(at_rest(2).with_runtime_state(quiet={"routes": known, "flag": 10.0}))
    assert passed.quiet_for("routes") == known + waited
    assert passed.quiet_for("flag") == 10.0 + waited


def test_targets_are_described_in_a_few_words() -> None:
    assert AddAliases(("a", "b", "c")).describe() == "a, b, c"
    assert AddAliases(("a", "b", "c", "d")).describe() == "a, b, c and 1 more"
    assert Barrier(what="flag", aspects=("flag",), seconds=120.0).describe() == "flag unchanged for 120 s"


def test_only_our_own_alias_moves_when_it_is_added() -> None:
    other = AliasFacts("10.250.7.0/28", "user-range")
    facts = after("add-secondary-range")
    for held in ((other,), (other, alias(0))):
        facts = replace(facts, nodes=(replace(facts.nodes[0], aliases=held),))
        assert AddAliases(("node-0",)).precondition(facts) == []
        assert AddAliases(("node-0",)).effect(facts).nodes[0].aliases == (alias(0), other)


@pytest.mark.parametrize(
    ("has_range", "flag", "possible"),
    [(False, False, True), (False, True, True), (True, True, True), (True, False, False)],
)
def test_a_route_in_the_range_needs_the_flag(*, has_range: bool, flag: bool, possible: bool) -> None:
    facts = at_rest(1)
    ranges = ((RANGE, facts.pods_cidr),) if has_range else ()
    facts = replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges, overlap_flag=flag))
    assert (RestoreRoutes(("node-0",)).precondition(facts) == []) is possible


@pytest.mark.parametrize("flag", [True, False])
def test_the_range_of_the_decoys_needs_the_flag(*, flag: bool) -> None:
    facts = at_rest(1)
    facts = replace(facts, subnet=replace(facts.subnet, overlap_flag=flag))
    assert (AddDecoyRange().precondition(facts) == []) is flag


@pytest.mark.parametrize(("home", "possible"), [("10.127.252.0/22", True), ("", False)])
def test_decoys_need_a_block(home: str, *, possible: bool) -> None:
    assert (CreateDecoys(home=home).precondition(at_rest(1)) == []) is possible
