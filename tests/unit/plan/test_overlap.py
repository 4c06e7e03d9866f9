"""The order that loses nothing, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan import gates
from dualstack.plan.facts import AliasFacts, ControllerFacts, CutoverFacts, NodeFacts, RouteFacts, SavedRoute, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    DeleteRoutes,
    SetOverlapFlag,
    Transition,
)
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import (
    PODS,
    RANGE,
    RUNNING,
    STOPPED,
    ZONE,
    alias,
    at_goal,
    at_rest,
    cidr,
    last,
    node,
    restarted,
    route,
)

OVERLAP = choose("overlap")
SETTINGS = Settings()


def steps(facts: CutoverFacts, settings: Settings = SETTINGS) -> list[str]:
    return [transition.id for transition in OVERLAP.transitions(facts, settings)]


def following(facts: CutoverFacts) -> Transition:
    transition = OVERLAP.next_transition(facts, SETTINGS)
    assert transition is not None
    return transition


def with_range(facts: CutoverFacts, *, flag: bool) -> CutoverFacts:
    subnet = replace(facts.subnet, secondary_ranges=((RANGE, PODS),), overlap_flag=flag)
    return replace(facts, subnet=subnet, controller=STOPPED, saved_routes=tuple(map(as_saved, facts.routes)))


def aliased(facts: CutoverFacts, *numbers: int) -> CutoverFacts:
    nodes = tuple(
        replace(known, aliases=(alias(number),)) if number in numbers else known
        for number, known in enumerate(facts.nodes)
    )
    return replace(facts, nodes=nodes)


def test_the_whole_order_for_three_nodes() -> None:
    assert steps(at_rest(3)) == [
        "stop-cloud-controller-manager",
        "save-routes",
        "set-overlap-flag",
        "barrier-flag",
        "gate-flag",
        "add-range-canary",
        "barrier-range-canary",
        "gate-range-canary",
        "remove-range-canary",
        "add-secondary-range",
        "barrier-range",
        "add-alias-canary",
        "barrier-alias-canary",
        "gate-alias-canary",
        "add-aliases",
        "barrier-aliases",
        "gate-aliases",
        "delete-route-canary",
        "barrier-route-canary",
        "gate-route-canary",
        "delete-routes",
        "barrier-routes",
        "gate-routes",
        "delete-routes",
        "clear-overlap-flag",
        "clear-saved-routes",
    ]


def test_forty_nodes_move_in_batches_and_their_routes_in_stages() -> None:
    plan = list(OVERLAP.transitions(at_rest(40), SETTINGS))
    added = [len(step.targets) for step in plan if isinstance(step, AddAliases)]
    deleted = [len(step.targets) for step in plan if isinstance(step, DeleteRoutes)]
    assert added == [1, 10, 10, 19]  # at least ten together, then half and all of 40
    assert deleted == [1, 3, 16, 20]  # 1, then 10 %, 50 % and all of 40


def test_a_finished_cluster_needs_nothing() -> None:
    assert steps(last(OVERLAP, at_rest(3), SETTINGS)) == []


@pytest.mark.parametrize(
    "back", [RUNNING, replace(STOPPED, replicas=1), replace(STOPPED, pods=1), replace(STOPPED, ignored=False)]
)
def test_a_controller_that_runs_or_may_start_is_stopped_before_the_next_step(back: ControllerFacts) -> None:
    facts = replace(with_range(at_rest(2), flag=True), controller=back)
    assert following(facts).id == "stop-cloud-controller-manager"


def test_nodes_that_gardener_left_without_routes_get_aliases_at_once() -> None:
    saved = tuple(SavedRoute(f"node-{number}", cidr(number), ZONE) for number in range(3))
    facts = replace(at_rest(3), routes=(), saved_routes=saved, controller=STOPPED)
    plan = list(OVERLAP.transitions(facts, SETTINGS))
    assert [step.id for step in plan] == ["add-secondary-range", "add-aliases", "clear-saved-routes"]
    assert plan[1].targets == ("node-0", "node-1", "node-2")


def test_a_lost_saved_list_is_rebuilt_from_the_nodes() -> None:
    facts = replace(at_rest(2), routes=(), saved_routes=(), controller=STOPPED)
    assert at_goal(last(OVERLAP, facts, SETTINGS))


def test_a_vm_whose_node_is_gone_gets_the_alias_of_its_saved_route() -> None:
    orphan = replace(node(0), pod_cidr=None)
    saved = (SavedRoute("node-0", cidr(0), ZONE),)
    facts = replace(at_rest(0), nodes=(orphan,), saved_routes=saved, controller=STOPPED)
    end = last(OVERLAP, facts, SETTINGS)
    assert end.nodes[0].aliases == (alias(0),)


def test_a_node_that_never_had_a_route_gets_an_alias() -> None:
    facts = replace(at_rest(2), nodes=(*at_rest(2).nodes, node(7)))
    assert last(OVERLAP, facts, SETTINGS).node_of["node-7"].aliases == (alias(7),)


def test_the_route_of_a_deleted_vm_is_deleted_last_and_gets_no_alias() -> None:
    facts = replace(at_rest(2), routes=(*at_rest(2).routes, route(9)))
    plan = list(OVERLAP.transitions(facts, SETTINGS))
    deletes = [step for step in plan if isinstance(step, DeleteRoutes)]
    assert deletes[0].targets == ("route-0",)
    assert deletes[-1].targets == ("route-9",)
    assert all("node-9" not in step.targets for step in plan if isinstance(step, AddAliases))


def test_stale_routes_alone_go_before_the_range_so_that_no_flag_is_needed() -> None:
    facts = replace(at_rest(0), routes=(route(9),))
    assert steps(facts) == [
        "stop-cloud-controller-manager",
        "save-routes",
        "delete-routes",
        "add-secondary-range",
        "clear-saved-routes",
    ]


def test_with_the_flag_off_over_nodes_that_depend_on_routes_the_flag_comes_first() -> None:
    facts = aliased(with_range(at_rest(3), flag=False), 0)
    assert facts.unreachable == ("node-1", "node-2")
    assert isinstance(following(facts), SetOverlapFlag)
    assert following(facts).effect(facts).unreachable == ()


def test_with_the_flag_off_and_all_aliases_there_routes_go_without_it() -> None:
    facts = aliased(with_range(at_rest(2), flag=False), 0, 1)
    assert "set-overlap-flag" not in steps(facts)


def test_an_unreachable_vm_gets_its_alias_before_the_barrier_of_the_range() -> None:
    facts = with_range(at_rest(3), flag=True)
    facts = replace(facts, routes=facts.routes[1:])
    assert following(facts) == AddAliases(("node-0",))


def test_an_unreachable_vm_that_cannot_get_its_alias_does_not_block_the_others() -> None:
    facts = replace(with_range(at_rest(3), flag=False), routes=())
    facts = replace(facts, nodes=(replace(facts.nodes[0], subnet_ok=False), *facts.nodes[1:]))
    rescue = following(facts)
    assert rescue == AddAliases(("node-1", "node-2"))
    *_, stuck = OVERLAP.transitions(facts, SETTINGS)
    assert stuck == AddAliases(("node-0",))
    assert stuck.precondition(rescue.effect(facts)) == [f"nic0 of VM node-0 is not in subnet {facts.subnet.name}"]


def test_stopped_vms_come_last() -> None:
    facts = at_rest(3)
    facts = replace(facts, nodes=(replace(facts.nodes[0], running=False), *facts.nodes[1:]))
    added = [step.targets for step in OVERLAP.transitions(facts, SETTINGS) if isinstance(step, AddAliases)]
    assert added == [("node-1",), ("node-2", "node-0")]


def test_an_alias_that_is_not_the_first_becomes_the_first() -> None:
    other = AliasFacts("10.250.7.0/28", "user-range")
    facts = last(OVERLAP, at_rest(1), SETTINGS)
    facts = replace(facts, nodes=(replace(facts.nodes[0], aliases=(other, alias(0))),))
    assert last(OVERLAP, facts, SETTINGS).nodes[0].aliases == (alias(0), other)


def test_ranges_of_other_owners_stay() -> None:
    facts = at_rest(1)
    facts = replace(facts, subnet=replace(facts.subnet, secondary_ranges=(("user-range", "192.168.0.0/24"),)))
    end = last(OVERLAP, facts, SETTINGS)
    assert end.subnet.secondary_ranges == (("user-range", "192.168.0.0/24"), (RANGE, PODS))


def test_a_restart_between_deletes_waits_again_and_continues_its_stage() -> None:
    facts = aliased(with_range(at_rest(10), flag=True), *range(10))
    facts = restarted(replace(facts, routes=facts.routes[3:]))
    plan = list(OVERLAP.transitions(facts, SETTINGS))
    assert [step.id for step in plan[:2]] == ["barrier-aliases", "gate-aliases"]
    deleted = [len(step.targets) for step in plan if isinstance(step, DeleteRoutes)]
    assert deleted == [2, 5]  # the half of ten, then the rest


@pytest.mark.parametrize(("destination", "step"), [(cidr(9), "delete-route-canary"), (cidr(3), "barrier-route-canary")])
def test_a_saved_route_to_another_cidr_than_the_vms_counts_for_no_stage(destination: str, step: str) -> None:
    """It never carried the VM's traffic, so its absence does not mean that the canary is over."""
    facts = aliased(with_range(at_rest(4), flag=True), 0, 1, 2, 3).after(1000.0)
    saved = (*facts.saved_routes[:3], SavedRoute("node-3", destination, ZONE))
    facts = gates.ALIASES.effect(replace(facts, routes=facts.routes[:3], saved_routes=saved)).with_changed("routes")
    facts = replace(facts, passed={gates.ALIASES.id: gates.ALIASES.aspects})
    assert following(facts).id == step


def test_clearing_the_flag_waits_until_every_alias_is_known() -> None:
    facts = aliased(with_range(at_rest(1), flag=True), 0)
    facts = restarted(replace(facts, routes=()))
    assert steps(facts)[:2] == ["barrier-aliases", "clear-overlap-flag"]


def test_a_changed_alias_must_pass_its_gate_again_before_a_route_is_deleted() -> None:
    facts = aliased(with_range(at_rest(2), flag=True), 0, 1).after(1000.0)
    assert following(facts) == gates.ALIASES
    facts = gates.ALIASES.effect(facts)
    assert following(facts).id == "delete-route-canary"
    assert steps(facts.with_changed("aliases"))[:2] == ["barrier-aliases", "gate-aliases"]


def test_an_unreachable_canary_fails_its_gate_without_the_barrier() -> None:
    """The barrier would only make the outage of the canary longer (docs/reference/cut-over.md#k3)."""
    facts = aliased(with_range(at_rest(3), flag=True), 0, 1, 2).after(1000.0)
    facts = replace(gates.ALIASES.effect(facts), routes=facts.routes[1:]).with_changed("routes")
    assert following(facts).id == "barrier-route-canary"
    facts = replace(facts, with_network_problem=frozenset({"node-0"}))
    assert following(facts).id == "gate-route-canary"
    assert following(restarted(facts)).id == "gate-route-canary"


def test_before_any_route_is_deleted_the_alias_of_a_new_node_is_checked_with_the_others() -> None:
    """It never had a route, so its report shows that aliases carry nothing before any node loses its route."""
    facts = aliased(with_range(at_rest(3), flag=True), 0, 1, 2)
    facts = replace(facts, routes=facts.routes[1:], saved_routes=facts.saved_routes[1:])
    facts = replace(facts, with_network_problem=frozenset({"node-0"}))
    assert facts.unmatched == ("node-0",)
    assert following(facts) == gates.ALIASES


def test_the_canary_of_the_settings_goes_first_in_every_stage() -> None:
    plan = OVERLAP.transitions(at_rest(3), Settings(canary="node-2"))
    assert {step.id: step.targets for step in plan if step.id.endswith("-canary") and step.targets} == {
        "add-range-canary": ("node-2",),
        "add-alias-canary": ("node-2",),
        "delete-route-canary": ("route-2",),
    }


def test_the_first_route_to_be_deleted_leads_to_a_vm_that_runs() -> None:
    """A stopped one would prove nothing."""
    facts = aliased(with_range(at_rest(3), flag=True), 0, 1, 2)
    facts = replace(facts, nodes=(replace(facts.nodes[0], running=False), *facts.nodes[1:]))
    plan = OVERLAP.transitions(facts, Settings(canary="node-0"))
    assert next(step for step in plan if isinstance(step, DeleteRoutes)).targets == ("route-1",)


@pytest.mark.parametrize(("nodes", "tried"), [(1, False), (2, True)])
def test_the_range_is_tried_on_one_node_where_there_is_another(nodes: int, *, tried: bool) -> None:
    assert ("add-range-canary" in steps(at_rest(nodes))) is tried


def test_the_range_is_not_tried_while_a_node_whose_route_is_refused_waits_for_its_alias() -> None:
    facts = replace(at_rest(3), nodes=(*at_rest(3).nodes, node(7)), refused=frozenset({"restore-routes"}))
    plan = steps(facts)
    assert "add-range-canary" not in plan
    assert plan[plan.index("add-secondary-range") + 1] == "add-aliases"


def test_decoys_that_have_proved_the_range_spare_a_node_the_trial() -> None:
    assert "add-range-canary" not in steps(at_rest(3), Settings(decoys=True))


def test_the_drill_comes_before_the_first_deleted_route() -> None:
    plan = steps(at_rest(2), Settings(drill=True))
    drill = plan.index("gate-rollback-drill")
    assert plan[drill : drill + 3] == ["gate-rollback-drill", "rollback-drill", "delete-route-canary"]
    assert plan.count("rollback-drill") == 1


def test_a_new_vm_with_its_own_alias_is_left_alone() -> None:
    fresh = NodeFacts("new", ZONE, pod_cidr=None, aliases=(AliasFacts("10.96.99.0/24", RANGE),))
    facts = with_range(at_rest(1), flag=True)
    facts = replace(facts, nodes=(*facts.nodes, fresh))
    assert last(OVERLAP, facts, SETTINGS).node_of["new"] == fresh


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_foreign_route_inside_the_pod_cidr_stops_the_plan_at_the_flag(nodes: int) -> None:
    facts = replace(at_rest(nodes), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),))
    *_, refused = OVERLAP.transitions(facts, SETTINGS)
    assert isinstance(refused, SetOverlapFlag)
    assert refused.precondition(facts) == [
        f"route vpn (10.96.200.0/24) leads into pod CIDR {PODS}; it is not the cluster's"
    ]


def test_a_foreign_route_that_turns_up_later_keeps_the_flag_on() -> None:
    facts = aliased(with_range(at_rest(1), flag=True), 0)
    facts = replace(facts, routes=(), foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),)).after(1000.0)
    refused = following(facts)
    assert isinstance(refused, ClearOverlapFlag)
    assert refused.precondition(facts) == ["route vpn (10.96.200.0/24) still leads into the range"]


def test_a_flag_that_a_foreign_route_needs_after_the_end_stays() -> None:
    facts = last(OVERLAP, at_rest(1), SETTINGS)
    facts = replace(
        facts,
        subnet=replace(facts.subnet, overlap_flag=True),
        foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),),
    )
    assert steps(facts) == []


def test_a_restart_between_range_and_canary_waits_for_the_range_again() -> None:
    facts = restarted(with_range(at_rest(2), flag=True))
    assert steps(facts)[:2] == ["barrier-range", "add-alias-canary"]


@pytest.mark.parametrize(("quiet", "step"), [(119.0, "barrier-flag"), (120.0, "add-secondary-range")])
def test_the_range_waits_until_the_flag_has_been_quiet_for_two_minutes(quiet: float, step: str) -> None:
    facts = replace(at_rest(1), controller=STOPPED, saved_routes=tuple(map(as_saved, at_rest(1).routes)))
    facts = replace(facts, subnet=replace(facts.subnet, overlap_flag=True), quiet={"flag": quiet})
    assert following(facts).id == step
    assert AddSecondaryRange().precondition(facts) == []
