"""Blackouts as far as the two APIs show them, and the expected end of a cut-over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.cutover.measurements import BlackoutWatch, ProgressEstimator
from dualstack.plan.costs import estimate
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import alias, at_rest, node, route

OVERLAP = choose("overlap")


def served(*numbers: int) -> CutoverFacts:
    """Three nodes, of which these have their route."""
    return replace(at_rest(3), routes=tuple(map(route, numbers)))


def test_a_blackout_is_measured_from_the_step_that_began_it_to_its_end() -> None:
    watch = BlackoutWatch()
    watch.begin(served(0, 1, 2), 100.0)
    assert watch.follow(served(0, 1, 2), begun=105.0, now=106.0) is None
    assert watch.follow(served(2), begun=110.0, now=112.0) is None
    assert watch.follow(served(1, 2), begun=115.0, now=116.0) is None
    assert watch.follow(served(0, 1, 2), begun=120.0, now=121.5) == (
        11.5,
        "the pods of 2 nodes could not reach other nodes for at most 11.5 s",
    )
    assert watch.follow(served(0, 1, 2), begun=130.0, now=131.0) is None


def test_one_that_existed_before_is_a_minimum_and_the_next_is_counted_anew() -> None:
    watch = BlackoutWatch()
    watch.begin(served(), 100.0)
    seconds, words = watch.follow(served(0, 1, 2), begun=110.0, now=120.0) or (0.0, "")
    assert (seconds, words) == (20.0, "the pods of 3 nodes could not reach other nodes for at least 20.0 s")
    assert watch.follow(served(0, 1), begun=200.0, now=201.0) is None
    seconds, words = watch.follow(served(0, 1, 2), begun=202.0, now=203.0) or (0.0, "")
    assert (seconds, words) == (3.0, "the pods of 1 node could not reach other nodes for at most 3.0 s")


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
    assert watch.follow(bare(problem=True), begun=110.0, now=111.0) is None
    assert watch.follow(bare(problem=False), begun=112.0, now=113.0) is None
    watch.begin(bare(problem=True), 200.0)
    assert watch.follow(bare(problem=True), begun=210.0, now=211.0) is None
    seconds, _ = watch.follow(bare(problem=False), begun=220.0, now=221.0) or (0.0, "")
    assert seconds == 21.0


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
