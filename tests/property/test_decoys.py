"""With decoys no node changes before every decoy gate has passed, and nothing of the decoys is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.blocks import unused_block
from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.gates import DECOY_HANDOVER as GATE_HANDOVER
from dualstack.plan.gates import DECOYS as GATES
from dualstack.plan.invariants import MAKE_BEFORE_BREAK, MAKE_BEFORE_BREAK_BACKWARDS, check
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.steps.decoys import AddDecoyRange, CreateDecoys, decoy_blocks, unused_home
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import obstacles
from dualstack.plan.strategies.unmatched import UNMATCHED
from tests.support.cluster_facts import at_goal, at_rest, cidr, last, node, on_routes, restarted, route, states
from tests.support.disturbances import decoy_stops, decoy_vanishes, node_gets_a_block_of_the_decoys
from tests.support.hosts import PROPAGATION, losses

WANTED = Settings(batch_size=2, decoys=True)
UNWANTED = Settings(batch_size=2)
OVERLAP = choose("overlap")
BACK = way_back()


def reached(nodes: int, settings: Settings = WANTED) -> list[CutoverFacts]:
    """Every state of the plan, as the running process sees it."""
    start = at_rest(nodes)
    return [start, *(facts for _, facts in states(OVERLAP, start, settings))]


def steps(facts: CutoverFacts, settings: Settings = WANTED) -> list[str]:
    return [transition.id for transition in OVERLAP.transitions(facts, settings)]


def after(step: str, nodes: int = 3) -> CutoverFacts:
    return next(facts for transition, facts in states(OVERLAP, at_rest(nodes), WANTED) if transition.id == step)


def test_the_whole_way_with_decoys() -> None:
    assert steps(at_rest(3)) == [
        "stop-cloud-controller-manager",
        "save-routes",
        "set-overlap-flag",
        "create-decoys",
        "gate-decoy-ready",
        "barrier-flag",
        "add-decoy-range",
        "barrier-decoy-range",
        "gate-decoy-static",
        "alias-decoys",
        "gate-decoy-alias",
        "drop-decoy-route",
        "barrier-decoy-route",
        "gate-decoy-handover",
        "remove-decoys",
        *(steps(at_rest(3), UNWANTED)[9:]),
    ]


def test_without_the_option_the_plan_has_no_decoys() -> None:
    assert not [step for step in steps(at_rest(3), UNWANTED) if "decoy" in step]


def test_no_node_changes_before_every_decoy_gate_has_passed() -> None:
    for step, facts in states(OVERLAP, at_rest(4), WANTED):
        if step.id == "add-secondary-range":
            assert GATE_HANDOVER.id in facts.passed
        if facts.decoys.present:
            assert len(facts.live_routes) == 4
            assert not facts.all_holders
            assert not facts.range_present


@pytest.mark.parametrize("nodes", range(7))
@pytest.mark.parametrize("resumed_by", STRATEGIES)
@pytest.mark.parametrize("settings", [WANTED, UNWANTED], ids=["still-wanted", "wanted-no-more"])
def test_every_prefix_is_finished_and_leaves_nothing_behind(nodes: int, resumed_by: str, settings: Settings) -> None:
    for cut in reached(nodes):
        for facts in (cut, restarted(cut)):
            end = last(choose(resumed_by), facts, settings)
            assert at_goal(end)
            assert end.finished
            assert end.decoys == DecoyFacts()


@pytest.mark.parametrize("nodes", range(7))
def test_every_invariant_holds_through_every_resumption(nodes: int) -> None:
    for cut in reached(nodes):
        facts = restarted(cut)
        for transition in OVERLAP.transitions(facts, WANTED):
            assert transition.precondition(facts) == []
            check(MAKE_BEFORE_BREAK, facts, transition)
            facts = transition.effect(facts)
            assert not facts.unreachable


@pytest.mark.parametrize("to", list(Stage)[:4])
@pytest.mark.parametrize("nodes", range(1, 5))
def test_every_way_back_removes_the_decoys(nodes: int, to: Stage) -> None:
    for cut in reached(nodes):
        facts = cut
        for transition in way_back(to).transitions(facts, WANTED):
            assert transition.precondition(facts) == []
            check(MAKE_BEFORE_BREAK_BACKWARDS, facts, transition)
            facts = transition.effect(facts)
        assert facts.decoys == DecoyFacts()
        assert not facts.unreachable


@pytest.mark.parametrize("nodes", range(1, 4))
def test_the_way_back_of_an_unsupported_cloud_removes_the_decoys(nodes: int) -> None:
    for cut in reached(nodes):
        assert not last(UNMATCHED, cut, WANTED).decoys.present


@pytest.mark.parametrize("gate", [gate.id for gate in GATES])
def test_a_failed_decoy_gate_leads_back_to_the_routes(gate: str) -> None:
    assert OVERLAP.retreats[gate] is Stage.ROUTES
    before = restarted(after(gate))
    end = last(way_back(OVERLAP.retreats[gate]), before, WANTED)
    assert on_routes(end)
    assert len(end.live_routes) == 3
    assert not end.controller.ignored


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION, 119.0])
def test_no_host_loses_a_packet(nodes: int, propagation: float) -> None:
    assert losses(OVERLAP, at_rest(nodes), WANTED, propagation=propagation) == set()


def test_no_host_loses_a_packet_wherever_it_is_killed() -> None:
    for killed_after in range(1, len(steps(at_rest(3))) + 1):
        assert losses(OVERLAP, at_rest(3), WANTED, killed_after=killed_after) == set(), killed_after


def test_a_restart_repeats_the_decoy_gates() -> None:
    resumed = steps(restarted(after("drop-decoy-route")))
    proofs = [step for step in resumed if step.startswith("gate-decoy")]
    assert proofs == ["gate-decoy-static", "gate-decoy-alias", "gate-decoy-handover"]
    assert resumed.index("gate-decoy-handover") < resumed.index("add-secondary-range")


def test_an_existing_range_means_that_every_decoy_gate_passed() -> None:
    assert not [step for step in steps(restarted(after("add-secondary-range"))) if "decoy" in step]


def test_unreachable_nodes_do_not_wait_for_decoys() -> None:
    taken = steps(replace(at_rest(3), routes=(route(0),)))
    assert taken.index("restore-routes") < taken.index("create-decoys")


@pytest.mark.parametrize("disturb", [decoy_vanishes, decoy_stops, node_gets_a_block_of_the_decoys])
def test_decoys_that_are_useless_are_replaced(disturb: object) -> None:
    assert callable(disturb)
    for cut in reached(3):
        facts = disturb(restarted(cut), 1)
        end = last(OVERLAP, facts, WANTED)
        assert at_goal(end)
        assert not end.decoys.present


def test_decoys_take_the_last_unused_blocks() -> None:
    taken = replace(at_rest(2), nodes=(node(0), replace(node(1), pod_cidr="10.127.254.0/24")))
    assert unused_home(taken) == "10.127.255.0/24"
    assert decoy_blocks("10.127.255.0/24") == ("10.127.255.0/26", "10.127.255.64/26", "10.127.255.128/26")
    with_decoys = replace(taken, decoys=DecoyFacts(vm=True, home="10.127.255.0/24"))
    assert unused_block(with_decoys) == "10.127.253.0/24"
    left = replace(taken, decoys=DecoyFacts(routes=frozenset({"10.127.255.0/26"})))
    assert unused_block(left) == "10.127.253.0/24"


def test_p26_small_blocks_and_a_single_free_one_suffice() -> None:
    nodes = tuple(replace(node(number), pod_cidr=f"10.127.255.{8 * number}/29") for number in range(31))
    full = replace(at_rest(0), pods_cidr="10.127.255.0/24", nodes=nodes)
    assert unused_home(full) == "10.127.255.248/29"
    assert decoy_blocks("10.127.255.248/29") == ("10.127.255.248/31", "10.127.255.250/31", "10.127.255.252/31")
    smaller = tuple(replace(node(number), pod_cidr=f"10.127.255.{2 * number}/31") for number in range(122))
    assert unused_home(replace(full, nodes=smaller)) == "10.127.255.248/29"


def test_too_small_a_pod_cidr_is_refused_before_anything_is_done() -> None:
    small = replace(at_rest(2), pods_cidr="10.96.0.0/23")
    assert [cidr(0), cidr(1)] == ["10.96.0.0/24", "10.96.1.0/24"]
    said = "the decoy check needs an unused block of 10.96.0.0/23; there is none"
    assert obstacles(OVERLAP, small, WANTED) == [said]
    assert obstacles(OVERLAP, small, UNWANTED) == []
    assert CreateDecoys(home=unused_home(small) or "").precondition(small) == [said]


def test_a_range_needs_the_flag_over_the_routes_of_the_decoys() -> None:
    facts = after("create-decoys")
    bare = replace(facts, subnet=replace(facts.subnet, overlap_flag=False))
    assert AddDecoyRange().precondition(facts) == []
    assert AddDecoyRange().precondition(bare) == ["the overlap flag is off and routes lead to the decoys' blocks"]


def test_only_the_route_beside_an_alias_is_dropped_and_only_once() -> None:
    facts = after("gate-decoy-alias")
    static, alias, both = decoy_blocks(facts.decoys.home)
    assert steps(facts)[0] == "drop-decoy-route"
    dropped = replace(facts, decoys=replace(facts.decoys, routes=frozenset((static, alias))))
    assert "drop-decoy-route" not in steps(dropped)
    kept = replace(facts, decoys=replace(facts.decoys, routes=frozenset((static, both))))
    assert steps(kept)[0] == "drop-decoy-route"


def test_an_interrupted_removal_of_decoys_is_finished_first() -> None:
    facts = after("gate-decoy-static")
    half = restarted(replace(facts, decoys=replace(facts.decoys, routes=frozenset(), prober=False)))
    assert steps(half)[0] == "remove-decoys"


def test_an_interrupted_creation_of_decoys_is_completed() -> None:
    """A VM without its routes and without a range is not the remains of a removal."""
    facts = after("create-decoys")
    half = restarted(replace(facts, decoys=replace(facts.decoys, routes=frozenset(), prober=False)))
    assert steps(half)[0] == "create-decoys"
