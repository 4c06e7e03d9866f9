"""Strategies by name, and what is known before they start: obstacles, outage and duration."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from dualstack.model.errors import InvalidInput
from dualstack.plan import gates
from dualstack.plan.costs import Outage, describe_outage, duration, estimate, failed_trial, outage
from dualstack.plan.facts import DecoyFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    DeleteRoutes,
    RemoveAliases,
    RemoveSecondaryRange,
    RestoreRoutes,
    SaveRoutes,
    SetOverlapFlag,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.steps.headroom import ProveHeadroom
from dualstack.plan.strategies import STRATEGIES, choose
from dualstack.plan.strategies.base import Strategy, obstacles
from dualstack.plan.strategies.decoys import make_way
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE
from tests.support.cluster_facts import RANGE, RUNNING, alias, at_rest, last, node, restarted, states

SETTINGS = Settings()


def names(count: int) -> tuple[str, ...]:
    return tuple(f"route-{number}" for number in range(count))


OVERLAP, COMPRESSED = choose("overlap"), choose("compressed")


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="'yolo': must be one of overlap, compressed, auto"):
        choose("yolo")


def test_r2_upstreams_order_is_no_strategy_and_the_error_says_where_it_can_be_seen() -> None:
    with pytest.raises(InvalidInput, match=r"'gardener': must be one of .* `dualstack rehearse --landscape gardener`"):
        choose("gardener")


def test_a_cluster_in_order_has_no_obstacles() -> None:
    assert obstacles(OVERLAP, at_rest(4), SETTINGS) == []
    assert obstacles(COMPRESSED, at_rest(4), SETTINGS) == []
    assert obstacles(OVERLAP, at_rest(0), SETTINGS) == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_all_obstacles_are_reported_together_from_the_start(name: str) -> None:
    facts = at_rest(3)
    thief = replace(node(8), pod_cidr=None, aliases=(alias(0),))
    facts = replace(
        facts,
        nodes=(*facts.nodes[:2], replace(facts.nodes[2], subnet_ok=False), thief),
        foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),),
    )
    reported = "\n".join(obstacles(choose(name), facts, SETTINGS))
    assert "node-8 holds" in reported
    assert "nic0 of VM node-2" in reported
    assert "vpn" in reported or "routes lead into the pod CIDR" in reported


def test_the_expected_outage_is_one_sentence() -> None:
    assert describe_outage(OVERLAP, at_rest(3), SETTINGS) == (
        "No packet is expected to be lost. If this cloud does not do what the order depends on, the pods of one node "
        "become unreachable for at most 57 s, or for at most 109 s if an operation is slow."
    )
    proved = replace(SETTINGS, decoys=True)
    assert describe_outage(OVERLAP, at_rest(3), proved) == "No packet is expected to be lost."
    cut_off = replace(at_rest(3), routes=())
    assert describe_outage(OVERLAP, cut_off, SETTINGS) == (
        "No packet is expected to be lost; the pods of 3 nodes are unreachable already and recover with their aliases."
    )
    assert "; the pods of 1 node are unreachable already" in describe_outage(
        OVERLAP, replace(at_rest(3), routes=at_rest(3).routes[1:]), SETTINGS
    )
    assert describe_outage(COMPRESSED, at_rest(3), SETTINGS) == (
        "The pods of all 3 nodes become unreachable from other nodes at once; the last recover after about 42 s, "
        "or after at most 94 s if an operation is slow."
    )
    assert describe_outage(COMPRESSED, cut_off, SETTINGS) == (
        "No route is left to delete, so no further node becomes unreachable."
    )
    assert outage(COMPRESSED, cut_off, SETTINGS) == Outage(0.0, 0.0)


def test_the_outage_of_an_order_without_loss_is_that_of_a_failed_trial_with_one_slow_operation() -> None:
    facts, proved = at_rest(3), replace(SETTINGS, decoys=True)
    slow = failed_trial(OVERLAP, facts, SETTINGS) + 60.0 - 8.0
    assert outage(OVERLAP, facts, SETTINGS) == Outage(0.0, slow)
    assert outage(OVERLAP, facts, proved) == outage(OVERLAP, replace(facts, routes=()), SETTINGS) == Outage(0.0, 0.0)


@pytest.mark.parametrize("strategy", [OVERLAP, COMPRESSED])
def test_p09_a_single_node_loses_no_other(strategy: Strategy) -> None:
    assert outage(strategy, at_rest(1), SETTINGS) == Outage(0.0, 0.0)
    assert "has one node" in describe_outage(strategy, at_rest(1), SETTINGS)
    assert outage(strategy, at_rest(2), SETTINGS).at_most > 0.0
    assert "has one node" not in describe_outage(strategy, at_rest(2), SETTINGS)


def test_p09_the_outage_of_a_trial_is_announced_while_it_may_happen() -> None:
    for transition, facts in states(OVERLAP, at_rest(3), SETTINGS):
        expected = outage(OVERLAP, facts, SETTINGS)
        assert expected.seconds == 0.0
        if len(facts.routes) != 2:  # then the canary is on trial until its gate has passed
            assert (expected.at_most > 0.0) == (len(facts.routes) == 3), transition.id


def test_the_outage_of_compressed_grows_with_the_nodes_that_of_overlap_is_nothing() -> None:
    assert outage(OVERLAP, at_rest(40), SETTINGS).seconds == 0.0
    smaller, larger = (outage(COMPRESSED, at_rest(nodes), SETTINGS) for nodes in (20, 40))
    assert larger.seconds > smaller.seconds > 0.0
    for expected in (smaller, larger):
        assert expected.at_most - expected.seconds == pytest.approx(
            60.0 - 8.0
        )  # one slow change instead of a usual one


def test_the_estimate_is_the_sum_of_waits_and_operations_and_shrinks_to_nothing() -> None:
    start = at_rest(3)
    waits = 120.0 + 90.0 + 120.0 + 60.0 + 300.0 + 300.0 + 120.0
    assert waits < estimate(OVERLAP, start, SETTINGS) < waits + 180.0
    seconds, facts = [], start
    for transition in OVERLAP.transitions(start, SETTINGS):
        seconds.append(estimate(OVERLAP, facts, SETTINGS))
        facts = transition.effect(facts)
    assert seconds == sorted(seconds, reverse=True)
    assert estimate(OVERLAP, last(OVERLAP, start, SETTINGS), SETTINGS) == 0.0


def test_a_taken_range_name_stops_both_strategies() -> None:
    facts = at_rest(1)
    facts = replace(facts, subnet=replace(facts.subnet, secondary_ranges=((RANGE, "10.99.0.0/16"),)))
    assert obstacles(OVERLAP, facts, SETTINGS) == obstacles(COMPRESSED, facts, SETTINGS) != []


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Settings(batch_size=0)
    with pytest.raises(ValueError, match="ascend to 1"):
        Settings(delete_shares=(0.5, 0.1))


@pytest.mark.parametrize(
    ("settings", "valid"),
    [
        ({"batch_size": 1}, True),
        ({"batch_size": 0}, False),
        ({"attempts": 1}, True),
        ({"attempts": 0}, False),
        ({"observe_every": 0.5}, True),
        ({"observe_every": 0.0}, False),
        ({"alias_shares": (1.0,)}, True),
        ({"alias_shares": ()}, False),
        ({"alias_shares": (0.5, 0.1, 1.0)}, False),
        ({"delete_shares": (0.5, 0.9)}, False),
    ],
)
def test_each_setting_has_its_bound(settings: dict[str, Any], valid: bool) -> None:
    if valid:
        Settings(**settings)
        return
    with pytest.raises(ValueError, match=r"must"):
        Settings(**settings)


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (SaveRoutes(), 1.0),
        (StopController(), 60.0),
        (SetOverlapFlag(), 8.0),
        (AddSecondaryRange(), 8.0),
        (AddDecoyRange(), 8.0),
        (RemoveSecondaryRange(), 8.0),
        (ClearOverlapFlag(), 8.0),
        (SetStackType(), 8.0),
        (CreateDecoys(home="10.127.252.0/22"), 60.0),
        (RemoveDecoys(), 60.0),
        (RemoveAliases(("node-0",)), 5.0),
        (AliasDecoys(), 5.0),
        (RestoreRoutes(("node-0",)), 4.0),
        (DropDecoyRoute(), 4.0),
        (AddAliases(("node-0",)), 5.0),
        (DeleteRoutes(("route-0",)), 4.0),
        (DeleteRoutes(()), 4.0),
        (DeleteRoutes(names(2)), 4.0 * 1.62),
        (DeleteRoutes(names(50)), 4.0 * 4.5),
        (DeleteRoutes(names(100)), 4.0 * 7.5),
        (DeleteRoutes(names(300)), 4.0 * 7.5),
        (DeleteRoutes(names(1500)), 4.0 * 7.5),
        (DeleteRoutes(names(1501)), 4.0 * 7.5 + 60.0),
    ],
    ids=lambda value: f"{value.id}-{len(value.targets)}" if isinstance(value, Transition) else None,
)
def test_the_duration_of_a_step_follows_its_operations_and_the_quota(step: Transition, seconds: float) -> None:
    """Medians, the slowest of many operations, and one minute for each further 1,500 requests
    (docs/reference/compute-engine.md#assumed-latencies)."""
    assert duration(step, at_rest(1)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("step", "quiet", "pods", "seconds"),
    [
        (StopController(), 0.0, 0, 1.0),
        (ProveHeadroom(), 0.0, 1, 45.0),
        (Barrier(what="flag", aspects=("flag",), seconds=120.0), 119.5, 1, 0.5),
        (Barrier(what="flag", aspects=("flag",), seconds=120.0), 120.0, 1, 0.0),
        (Barrier(what="flag", aspects=("flag",), seconds=120.0), 500.0, 1, 0.0),
    ],
)
def test_the_duration_of_a_step_follows_what_is_done_already(
    step: Transition, quiet: float, pods: int, seconds: float
) -> None:
    facts = replace(at_rest(1), controller=replace(RUNNING, pods=pods), quiet={"flag": quiet})
    assert duration(step, facts) == seconds


def test_each_wait_of_the_order_without_loss_has_its_length() -> None:
    """docs/reference/cut-over.md#barriers"""
    waits = [step for step in OVERLAP.transitions(at_rest(3), SETTINGS) if isinstance(step, Barrier)]
    assert {step.what: step.seconds for step in waits} == {
        "flag": 120.0,
        "range-canary": 90.0,
        "range": 120.0,
        "alias-canary": 60.0,
        "aliases": 300.0,
        "route-canary": 300.0,
        "routes": 120.0,
    }


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 30.0), (100, 30.0), (200, 60.0), (5000, 1500.0)])
def test_a_barrier_of_a_large_cluster_observes_less_often(nodes: int, seconds: float) -> None:
    assert SETTINGS.observation_interval(nodes) == seconds


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 5.0), (250, 5.0), (500, 10.0), (5000, 100.0)])
def test_a_large_cluster_looks_at_its_nodes_less_often(nodes: int, seconds: float) -> None:
    assert SETTINGS.node_interval(nodes) == seconds


def test_a_prepared_cluster_deletes_its_routes_at_once_and_in_fewer_batches() -> None:
    """Every host has known its aliases for long (docs/reference/gardener.md#wait-times)."""
    prepared = last(PREPARE, at_rest(40), SETTINGS)
    plan = list(FINISH.transitions(restarted(prepared), SETTINGS.of_prepared()))
    assert [len(step.targets) for step in plan if isinstance(step, DeleteRoutes)] == [1, 9, 30]
    assert "barrier-aliases" not in {step.id for step in plan}


@pytest.mark.parametrize(("done", "count"), [(1, 10), (4, 16), (19, 10), (20, 20), (21, 19), (40, 10)])
def test_a_batch_reaches_the_next_share_and_has_at_least_ten_vms(done: int, count: int) -> None:
    """Of 40 VMs the shares are 4, 20 and all."""
    assert SETTINGS.batch(40, done) == count


@pytest.mark.parametrize(
    ("decoys", "go"),
    [
        (DecoyFacts(), False),
        (DecoyFacts(home="10.96.0.0/22"), True),
        (DecoyFacts(range="10.96.0.0/22"), True),
        (DecoyFacts(home="10.127.252.0/22", range="10.127.252.0/22"), False),
    ],
)
def test_decoys_are_in_the_way_only_of_a_node_in_their_blocks(decoys: DecoyFacts, *, go: bool) -> None:
    assert make_way(replace(at_rest(2), decoys=decoys), SETTINGS) == (RemoveDecoys() if go else None)


def test_p33_a_plan_that_comes_no_further_ends_and_is_an_obstacle() -> None:
    facts = at_rest(3)
    outside = replace(facts, nodes=tuple(replace(node, pod_cidr="192.168.7.0/24") for node in facts.nodes))
    strategy, settings = choose("overlap"), Settings()
    assert len(list(islice(strategy.transitions(outside, settings), 100))) < 100
    assert obstacles(strategy, outside, settings)


def test_p33_a_step_that_stays_the_next_is_planned_until_it_changes_nothing() -> None:
    stuck = Strategy("stuck", lambda _facts, _settings: gates.READY, ())
    assert list(islice(stuck.transitions(at_rest(1), SETTINGS), 10)) == [gates.READY, gates.READY]
    (problem,) = obstacles(stuck, at_rest(1), SETTINGS)
    assert problem.startswith("step gate-ready is passed and would be planned again without end")
