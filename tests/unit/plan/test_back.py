"""The way back: which step is next from a state, and what it leaves out because nothing depends on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.model.errors import InvariantBroken
from dualstack.plan.facts import KEPT, AliasFacts, ControllerFacts, CutoverFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK_BACKWARDS, check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import (
    AddAliases,
    Barrier,
    ClearOverlapFlag,
    ClearSavedRoutes,
    RemoveAliases,
    RestoreRoutes,
    RollbackDrill,
    Transition,
)
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.back import WITHOUT_GATES, irreversible, rollback_drill, way_back
from dualstack.plan.strategies.base import obstacles
from dualstack.plan.strategies.serve import refusal
from tests.support.cluster_facts import (
    RANGE,
    STOPPED,
    alias,
    at_rest,
    last,
    node,
    reached_by,
    restarted,
    route,
    stands_at,
    states,
)
from tests.support.upstream_order import UPSTREAM

SETTINGS = Settings(batch_size=2)
BACK = way_back()
OVERLAP = choose("overlap")


def flagged(facts: CutoverFacts, *, on: bool) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=on))


def steps(facts: CutoverFacts, to: Stage = Stage.ROUTES) -> list[str]:
    return [transition.id for transition in way_back(to).transitions(facts, SETTINGS)]


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


@pytest.mark.parametrize("stage", list(Stage)[1:])
@pytest.mark.parametrize("to", [Stage.ROUTES, Stage.FLAG, Stage.RANGE, Stage.ALIASES])
def test_every_stage_leads_back_to_every_earlier_stage(stage: Stage, to: Stage) -> None:
    facts = stands_at(stage)
    end = last(way_back(to), facts, SETTINGS)
    assert stage_of(end) is min(stage, to)
    assert steps(restarted(end), to) == []


@pytest.mark.parametrize("slow", [replace(SETTINGS, barrier_flag=500.0), replace(SETTINGS, barrier_routes=500.0)])
def test_aliases_go_when_both_flag_and_routes_must_be_known(slow: Settings) -> None:
    (barrier,) = (
        step for step in BACK.transitions(stands_at(Stage.DONE), slow) if step.id == "barrier-restored-routes"
    )
    assert barrier == Barrier(what="restored-routes", aspects=("routes", "flag"), seconds=500.0)


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


def test_forty_nodes_give_their_aliases_up_in_batches() -> None:
    plan = BACK.transitions(reached_by("overlap", 40)[-1], Settings())
    removed = [len(step.targets) for step in plan if isinstance(step, RemoveAliases)]
    assert removed == [1, 10, 10, 19]  # at least ten together, then half and all of 40


def test_a_range_without_nodes_goes_without_the_flag() -> None:
    facts = last(OVERLAP, at_rest(0), SETTINGS)
    assert facts.range_present
    assert "set-overlap-flag" not in steps(restarted(facts))


def test_a_range_of_our_name_with_other_addresses_needs_no_flag() -> None:
    """It does not cover the routes, so they serve the nodes whatever the flag is."""
    first, *others = at_rest(2).nodes
    nodes = (replace(first, aliases=(AliasFacts("10.200.0.0/24", RANGE),)), *others)
    facts = replace(at_rest(2), nodes=nodes, controller=STOPPED)
    facts = replace(facts, subnet=replace(facts.subnet, secondary_ranges=((RANGE, "10.200.0.0/16"),)))
    assert steps(facts)[0] == "barrier-restored-routes"


def test_a_node_that_can_have_no_alias_gets_its_route_which_needs_the_flag() -> None:
    facts = flagged(replace(stands_at(Stage.RANGE, 1), routes=()), on=False)
    facts = replace(facts, nodes=(replace(facts.nodes[0], subnet_ok=False),))
    assert steps(facts)[:4] == ["set-overlap-flag", "gate-rollback-drill", "rollback-drill", "restore-routes"]


def with_the_alias_of(number: int, facts: CutoverFacts) -> CutoverFacts:
    """The last node holds the alias of another as well, which makes that one unreachable."""
    *others, holder = facts.nodes
    return replace(facts, nodes=(*others, replace(holder, aliases=(*holder.aliases, alias(number)))))


def test_the_flag_does_not_help_a_node_whose_alias_another_vm_holds() -> None:
    facts = with_the_alias_of(0, stands_at(Stage.RANGE))
    facts = replace(facts, routes=(facts.routes[0], facts.routes[2]))
    assert facts.unreachable == ("node-0", "node-1")
    assert BACK.next_transition(facts, SETTINGS) == AddAliases(("node-1",))


def test_only_routes_that_are_missing_under_the_range_may_be_refused() -> None:
    assert irreversible(replace(at_rest(3), routes=())) == irreversible(stands_at(Stage.ALIASES)) == []


def test_nothing_comes_before_a_drill_that_has_passed() -> None:
    assert rollback_drill(RollbackDrill().effect(stands_at(Stage.CUT))) is None


@pytest.mark.parametrize("controller", [KEPT, replace(STOPPED, absent=True)], ids=["kept", "absent"])
def test_a_controller_that_was_not_stopped_is_neither_stopped_nor_restored(controller: ControllerFacts) -> None:
    facts = replace(stands_at(Stage.ALIASES), controller=controller)
    assert [step for step in steps(facts) if "controller" in step] == []


JOINED = replace(stands_at(Stage.ALIASES), nodes=(node(3), node(4), *stands_at(Stage.ALIASES).nodes))
"""Two nodes have joined under the range, and have neither a route nor an alias."""
REFUSED = frozenset({refusal(RestoreRoutes.id, JOINED)})


def test_without_gates_nodes_that_joined_get_their_routes_if_the_cloud_accepts_them() -> None:
    assert WITHOUT_GATES.next_transition(JOINED, SETTINGS) == RestoreRoutes(("node-3", "node-4"), optional=True)
    taken = with_the_alias_of(3, replace(JOINED, routes=(*JOINED.routes, route(3))))
    assert taken.unreachable == ("node-3", "node-4")
    assert WITHOUT_GATES.next_transition(taken, SETTINGS) == RestoreRoutes(("node-4",), optional=True)


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (replace(JOINED, refused=REFUSED), "barrier-restored-routes"),
        (flagged(JOINED, on=False), "set-overlap-flag"),
        (with_the_alias_of(3, replace(JOINED, routes=(*JOINED.routes, route(3), route(4)))), "barrier-restored-routes"),
    ],
    ids=["refused", "no flag, so no route is accepted", "no route is missing"],
)
def test_without_gates_the_way_back_of_the_others_goes_on(facts: CutoverFacts, step: str) -> None:
    planned = WITHOUT_GATES.next_transition(facts, SETTINGS)
    assert planned is not None
    assert planned.id == step


def test_without_gates_no_report_of_a_node_is_waited_for() -> None:
    plan = [step.id for step in WITHOUT_GATES.transitions(stands_at(Stage.ALIASES), SETTINGS)]
    assert [step for step in plan if step.startswith("gate-")] == []
    assert plan[-1] == "restore-cloud-controller-manager"
