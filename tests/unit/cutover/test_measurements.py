"""Blackouts as far as the two APIs show them, and the expected end of a cut-over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.cutover.measurements import Begin, Blackout, BlackoutWatch, ProgressEstimator
from dualstack.plan.costs import estimate
from dualstack.plan.facts import CutoverFacts, Limitation
from dualstack.plan.settings import Settings
from dualstack.plan.steps import SaveRoutes
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import alias, at_rest, node, route

OVERLAP = choose("overlap")


def served(*numbers: int) -> CutoverFacts:
    """Three nodes, of which these have their route."""
    return replace(at_rest(3), routes=tuple(map(route, numbers)))


def follow(watch: BlackoutWatch, facts: CutoverFacts, began: float | None, ended: float) -> Blackout | None:
    return watch.follow(facts, ended, None if began is None else (began, ended))


def test_p09_a_blackout_is_measured_from_the_first_change_to_the_last() -> None:
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, served(0, 1, 2), 105.0, 106.0) is None
    assert follow(watch, served(2), 110.0, 112.0) is None
    assert watch.open == Begin(110.0)
    assert follow(watch, served(1, 2), 115.0, 116.0) is None
    over = follow(watch, served(0, 1, 2), 120.0, 121.5)
    assert over == Blackout(110.0, 121.5, "", 2)
    assert over.words == (
        "the pods of 2 nodes could not reach other nodes for 11.5 s; hosts apply its begin and its end up to 10 s later"
    )
    assert follow(watch, served(0, 1, 2), 130.0, 131.0) is None


def test_p09_one_that_existed_before_is_a_minimum_and_the_next_is_counted_anew() -> None:
    watch = BlackoutWatch()
    watch.begin(served(), 100.0)
    over = follow(watch, served(0, 1, 2), 110.0, 120.0)
    assert over == Blackout(100.0, 120.0, "at least", 3)
    assert "for at least 20.0 s" in over.words
    assert follow(watch, served(0, 1), 200.0, 201.0) is None
    assert follow(watch, served(0, 1, 2), 202.0, 203.0) == Blackout(200.0, 203.0, "", 1)


def test_p09_one_that_no_step_began_is_a_minimum() -> None:
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, served(0), None, 130.0) is None
    assert follow(watch, served(0, 1, 2), 131.0, 135.0) == Blackout(130.0, 135.0, "at least", 2)


def test_p09_one_that_no_step_ended_is_a_maximum() -> None:
    watch = BlackoutWatch()
    watch.begin(served(0, 1), 100.0, Begin(90.0))
    assert follow(watch, served(0, 1, 2), None, 130.0) == Blackout(90.0, 130.0, "at most", 0)
    watch.begin(served(0, 1), 200.0)
    assert follow(watch, served(0, 1, 2), None, 230.0) == Blackout(200.0, 230.0, "about", 1)


def test_p25_an_outage_of_which_all_nodes_but_one_have_ended_is_a_maximum() -> None:
    """Seed 4813: no other node was left to lose connectivity, and 69 s were measured."""
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, served(2), 110.0, 112.0) is None
    left = replace(served(0), nodes=(node(0),))
    assert follow(watch, left, 170.0, 180.0) == Blackout(110.0, 180.0, "at most", 2)


def test_p09_an_outage_of_which_the_unserved_nodes_have_left_is_a_maximum() -> None:
    """The change is that of another node, so it ended nothing."""
    watch, left = BlackoutWatch(), replace(served(1, 2), nodes=at_rest(3).nodes[1:])
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, served(1, 2), 110.0, 112.0) is None
    assert watch.follow(left, 180.0, (170.0, 175.0)) == Blackout(110.0, 180.0, "at most", 1)


def test_p09_a_vm_that_is_ending_prolongs_no_outage_and_begins_none() -> None:
    watch, ending = BlackoutWatch(), replace(node(0), running=False)
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, replace(served(1, 2), nodes=(ending, node(1), node(2))), 102.0, 103.0) is None
    assert watch.open is None
    assert follow(watch, served(), 110.0, 112.0) is None
    recovered = replace(served(1, 2), nodes=(ending, node(1), node(2)))
    assert watch.follow(recovered, 165.0, (120.0, 130.0)) == Blackout(110.0, 130.0, "", 3)


def test_p09_a_node_that_joins_has_lost_nothing() -> None:
    watch, joined = BlackoutWatch(), replace(served(0, 1, 2), nodes=(*at_rest(3).nodes, node(3)))
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, joined, None, 110.0) is None
    assert watch.open is None
    assert follow(watch, replace(joined, routes=tuple(map(route, range(4)))), 120.0, 121.0) is None
    assert follow(watch, joined, 130.0, 131.0) is None
    assert watch.open == Begin(130.0)


@pytest.mark.parametrize(
    ("facts", "begin"),
    [
        (served(), Begin(100.0, "at least")),
        (served(0, 1), None),
        (replace(served(), nodes=(replace(node(0), aliases=(alias(0),)), node(1))), None),
    ],
    ids=["none is served", "routes serve others", "an alias serves another"],
)
def test_p09_a_node_that_had_no_route_has_lost_one_only_if_no_node_is_served(
    facts: CutoverFacts, begin: Begin | None
) -> None:
    watch = BlackoutWatch()
    watch.begin(facts, 100.0)
    assert watch.open == begin


def test_p09_a_request_that_began_nothing_before_a_kill_is_forgotten() -> None:
    watch = BlackoutWatch()
    request = Begin(90.0, "at most", seen=False)
    assert watch.expect(90.0) == request
    watch.begin(served(0, 1, 2), 100.0, request)
    assert watch.open is None
    watch.begin(served(0, 1), 100.0, request)
    assert watch.expect(103.0) == Begin(90.0, "at most")
    assert follow(watch, served(0, 1, 2), 105.0, 106.0) == Blackout(90.0, 106.0, "at most", 1)


def test_p09_one_that_was_seen_before_a_kill_and_ended_before_the_restart_is_a_maximum() -> None:
    """Seed 1078: the routes that were being restored when the process was killed were there when the next began."""
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0, Begin(90.0, "at most"))
    over = watch.follow(served(0, 1, 2), 100.0)
    assert over == Blackout(90.0, 100.0, "at most", 0)
    assert over.words.startswith("the pods could not reach other nodes for at most 10.0 s; ")


@pytest.mark.parametrize(("ended", "seconds"), [(130.0, 30.0), (100.0, 0.0), (90.0, 0.0)])
def test_a_blackout_takes_no_negative_time_and_names_how_many_nodes(ended: float, seconds: float) -> None:
    for nodes, named in ((1, "1 node"), (2, "2 nodes")):
        over = Blackout(100.0, ended, "", nodes)
        assert over.seconds == seconds
        assert over.words.startswith(f"the pods of {named} could not reach other nodes for {seconds:.1f} s; ")


def test_nodes_on_trial_that_report_a_problem_have_lost_connectivity_since_their_step() -> None:
    watch, since = BlackoutWatch(), Begin(110.0, "about")
    watch.begin(served(0, 1, 2), 100.0)
    watch.suspect(since, ["node-9"])
    assert watch.open is None
    watch.suspect(since, ["node-0", "node-9"])
    watch.suspect(Begin(115.0), ["node-1", "node-2"])
    assert watch.open == since
    assert watch.follow(served(0, 1, 2), 130.0, (120.0, 125.0)) == Blackout(110.0, 125.0, "about", 1)


@pytest.mark.parametrize(
    "begin",
    [Begin(1790000000.5), Begin(90.0, "at most", seen=False), Begin(90.0, "at most"), Begin(90.0, "at least")],
)
def test_the_record_of_a_begin_is_read_as_written(begin: Begin) -> None:
    assert Begin.parse(begin.as_text()) == begin


def bare(problem: bool) -> CutoverFacts:
    """One node is on its alias only, and reports a network problem."""
    facts = served(1, 2)
    subnet = replace(facts.subnet, overlap_flag=True, secondary_ranges=((facts.range_name, facts.pods_cidr),))
    nodes = (replace(node(0), aliases=(alias(0),)), node(1), node(2))
    reporting = frozenset({"node-0"}) if problem else frozenset()
    return replace(facts, subnet=subnet, nodes=nodes, with_network_problem=reporting)


def test_conditions_of_nodes_prolong_a_blackout_but_start_none() -> None:
    assert bare(problem=True).unmatched == ("node-0",)
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0)
    assert follow(watch, bare(problem=True), 110.0, 111.0) is None
    assert follow(watch, bare(problem=False), 112.0, 113.0) is None
    watch.begin(bare(problem=True), 200.0)
    assert follow(watch, bare(problem=True), 210.0, 211.0) is None
    assert follow(watch, bare(problem=False), 220.0, 221.0) == Blackout(200.0, 221.0, "at least", 1)


@pytest.mark.parametrize(("disproved", "lasts"), [("", False), ("routes-not-served", True)])
def test_p09_a_node_whose_block_is_the_range_canary_is_dark_until_that_is_removed(
    disproved: Limitation, *, lasts: bool
) -> None:
    facts = SaveRoutes().effect(served(0, 1, 2))
    subnet = replace(facts.subnet, overlap_flag=True)
    reporting = frozenset({"node-0"})
    on_trial = replace(
        facts, subnet=subnet, range_canary="10.96.0.0/24", with_network_problem=reporting, disproved=disproved
    )
    watch = BlackoutWatch()
    watch.begin(on_trial, 100.0, Begin(90.0))
    assert (watch.follow(on_trial, 100.0) is None) is lasts
    over = watch.follow(replace(on_trial, range_canary=""), 111.0, (108.0, 109.0))
    assert over == (Blackout(90.0, 109.0, "", 1) if lasts else None)


@pytest.mark.parametrize("elapsed", [0.0, 10.0, 1e6])
def test_the_expected_end_is_estimated_once_for_each_kind_of_step(elapsed: float) -> None:
    estimator, facts = ProgressEstimator(OVERLAP, Settings()), at_rest(3)
    whole = estimate(OVERLAP, facts, Settings())
    first = estimator.read(facts, "add-aliases", 1000.0, "shoot")
    assert (first.at, first.nodes, first.nodes_dual_stack, first.routes_left) == (1000.0, 3, 0, 3)
    assert first.eta == pytest.approx(whole)
    again = estimator.read(facts, "add-aliases", 1000.0 + elapsed, "shoot")
    assert again.eta == pytest.approx(max(0.0, whole - elapsed))
    other = estimator.read(facts, "delete-routes", 1000.0 + elapsed, "shoot")
    assert other.eta == pytest.approx(whole)


def test_progress_counts_the_nodes_that_have_their_alias() -> None:
    nodes = (replace(node(0), aliases=(alias(0),)), node(1), replace(node(2), aliases=(alias(2),)))
    progress = ProgressEstimator(OVERLAP, Settings()).read(replace(at_rest(3), nodes=nodes), "add-aliases", 0.0, "s")
    assert (progress.nodes, progress.nodes_with_alias, progress.routes_left) == (3, 2, 3)
