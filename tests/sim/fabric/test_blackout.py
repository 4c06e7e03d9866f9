"""Blackouts are computed exactly from the timestamps of view changes."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack_sim.fabric import Fabric, FabricKnobs, LagProfile
from tests.sim.fabric.cloud import PODS, REGION, Cloud, cluster, ipv6_base, node, pod, pods

FIXED = LagProfile(alias=(2.0, 2.0), route=(3.0, 3.0), subnet=(1.0, 1.0), machine=(0.0, 0.0), firewall=(0.0, 0.0))


def test_a_pair_is_unreachable_from_the_route_deletion_until_the_alias_as_the_hosts_see_them() -> None:
    fabric, cloud = cluster(lag=FIXED)
    cloud.ranges(5.0, PODS)  # in an ordinary range only aliases are reachable
    cloud.ranges(6.0)
    fabric.rest(9.0)
    fabric.traffic.mark(9.0)
    cloud.drop_route(10.0, 2)  # seen at 13
    cloud.ranges(15.0, PODS)  # seen at 16
    cloud.aliases(20.0, 2, pods(2))  # seen at 22
    cloud.aliases(20.0, 1, pods(1))  # node 1: unreachable from 16, when the range hides its route, until 22
    report = fabric.traffic.report(30.0)
    assert [(pair.source, pair.destination, pair.seconds, pair.since) for pair in report.broken_pairs] == [
        (node(1), node(2), 9.0, 13.0),
        (node(2), node(1), 6.0, 16.0),
    ]
    assert [pair.reason for pair in report.broken_pairs] == ["NO_ROUTE", "UNKNOWN_INTERNAL_ADDRESS"]
    assert (report.ipv4.maximum, report.ipv4.total, report.ipv4.p99) == (9.0, 15.0, 9.0)
    assert (report.pairs, report.later_pairs, report.current) == (2, 0, 0)
    assert report.blackout_seconds == {"max": 9.0, "p99": 9.0, "total": 15.0}


def test_a_watcher_learns_of_each_blackout_that_ends_and_not_of_endpoints_that_leave() -> None:
    fabric, cloud = cluster(lag=FIXED)
    seen: list[tuple[int, tuple[str, str], float, float]] = []
    fabric.traffic.watch(lambda *blackout: seen.append(blackout))
    cloud.drop_route(10.0, 2)  # seen at 13
    assert fabric.traffic.lasting(14.0)[4] == {(node(1), node(2)): 13.0}
    cloud.route(20.0, 2)  # seen at 23
    cloud.drop_route(30.0, 2)
    fabric.traffic.leave(40.0, node(2))
    assert fabric.traffic.lasting(50.0) == {4: {}, 6: {}}
    assert seen == [(4, (node(1), node(2)), 13.0, 23.0)]
    fabric.traffic.watch(None)


def test_the_time_of_the_question_does_not_matter() -> None:
    totals = []
    for questions in ([], [11.0, 13.5, 21.0, 21.9], [25.0]):
        fabric, cloud = cluster(lag=FIXED)
        asked = iter(questions)
        cloud.drop_route(10.0, 2)
        for question in asked:
            if question > 12.0:
                break
            fabric.traffic.report(question)
        cloud.route(20.0, 2)
        for question in asked:
            fabric.traffic.report(question)
        totals.append(fabric.traffic.report(40.0).ipv4.total)
    assert totals == [10.0, 10.0, 10.0]


def test_a_change_that_is_reported_late_counts_from_its_own_time() -> None:
    fabric, cloud = cluster(lag=LagProfile.fixed(0.0))
    cloud.drop_route(10.0, 2)
    assert fabric.traffic.report(12.0).ipv4.total == 2.0
    cloud.route(11.5, 2)
    assert fabric.traffic.report(13.0).ipv4.total == 1.5


def test_a_pair_that_is_unreachable_now_counts_until_now() -> None:
    fabric, cloud = cluster(range(1, 5), lag=LagProfile.fixed(0.0))
    cloud.drop_route(10.0, 2)
    report = fabric.traffic.report(14.0)
    assert (report.ipv4.current, report.ipv4.maximum, report.ipv4.total) == (3, 4.0, 12.0)
    assert fabric.traffic.report(15.0).ipv4.total == 15.0


def test_r3_the_summary_has_the_figures_of_the_report_at_any_time() -> None:
    fabric, cloud = cluster(range(1, 5), lag=FIXED)
    fabric.traffic.mark(9.0)
    cloud.drop_route(10.0, 2)
    cloud.route(20.0, 2)
    cloud.drop_route(22.0, 3)
    cloud.drop_route(30.0, 2)
    seen = []
    for at in (9.5, 14.0, 24.0, 27.0, 36.0, 50.0):
        report, summary = fabric.traffic.report(at), fabric.traffic.summary(at)
        for family, found in ((report.ipv4, summary), (report.ipv6, summary["ipv6"])):
            of_family = (found["pairs"], found["later_pairs"], found["current"], found["blackout_seconds"]["max"])
            assert of_family == (family.pairs, family.later_pairs, family.current, family.blackout_seconds["max"])
        seen.append((summary["pairs"], summary["current"], summary["blackout_seconds"]["max"]))
    assert seen[0] == (12, 0, 0.0)
    assert seen[-1] == (12, 6, 27.0)


def test_the_mark_forgets_past_blackouts_and_keeps_current_ones() -> None:
    fabric, cloud = cluster(lag=LagProfile.fixed(0.0))
    cloud.drop_route(10.0, 2)
    fabric.traffic.mark(14.0)
    cloud.drop_route(15.0, 1)
    cloud.route(16.0, 1)
    cloud.route(20.0, 2)
    report = fabric.traffic.report(30.0)
    assert {(pair.destination, pair.seconds, pair.since) for pair in report.broken_pairs} == {
        (node(2), 6.0, 14.0),
        (node(1), 1.0, 15.0),
    }


def test_two_changes_at_one_instant_lose_nothing() -> None:
    fabric, cloud = cluster(lag=LagProfile.fixed(1.0))
    cloud.drop_route(10.0, 2)
    cloud.route(10.0, 2)
    report = fabric.traffic.report(20.0)
    assert report.broken_pairs == ()
    assert report.ipv4.maximum == 0.0


def test_an_endpoint_that_leaves_is_no_longer_unreachable_and_one_that_stops_leaves_by_itself() -> None:
    fabric, cloud = cluster((1, 2, 3), lag=LagProfile.fixed(0.0))
    cloud.drop_route(10.0, 2)
    cloud.drop_route(10.0, 3)
    fabric.traffic.leave(12.0, node(2))
    cloud.change(13.0, "instances", node(3), status="STOPPING")
    report = fabric.traffic.report(20.0)
    assert {(pair.source, pair.destination): pair.seconds for pair in report.broken_pairs} == {
        (node(1), node(2)): 2.0,
        (node(3), node(2)): 2.0,
        (node(1), node(3)): 3.0,
        (node(2), node(3)): 2.0,
    }
    assert report.ipv4.current == 0
    assert fabric.hosts == [node(1), node(2)]


def test_an_endpoint_without_a_vm_is_unreachable_from_the_start() -> None:
    fabric, _ = cluster((1,), lag=LagProfile.fixed(0.0))
    fabric.traffic.join(10.0, "ghost", [pods(9)])
    report = fabric.traffic.report(11.0)
    assert {pair.reason for pair in report.broken_pairs} == {"NO_ROUTE", "INSTANCE_NOT_RUNNING"}
    assert report.ipv4.later_pairs == 2


def test_a_late_join_does_not_add_a_stopped_vm_and_a_restarted_vm_can_join_again() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(0.0))
    cloud.change(10.0, "instances", node(2), status="STOPPING")
    fabric.traffic.join(11.0, node(2), [pods(2)])
    report = fabric.traffic.report(15.0)
    assert (report.broken_pairs, report.ipv4.current) == ((), 0)
    cloud.change(20.0, "instances", node(2), status="RUNNING")
    fabric.traffic.join(21.0, node(2), [pods(2)])
    cloud.drop_route(22.0, 2)
    assert fabric.traffic.report(25.0).ipv4.maximum == 3.0


def test_a_vm_that_has_just_started_is_an_endpoint_once_every_host_must_have_seen_it() -> None:
    """Lost packets before that do not count; after it, missing connectivity counts, however new the VM is."""
    fabric, cloud = cluster((1, 2), lag=LagProfile(machine=(60.0, 60.0)))
    for number in (3, 4):
        cloud.vm(10.0, number)
    cloud.route(10.0, 3)
    fabric.traffic.join(50.0, node(3), [pods(3)])
    fabric.traffic.join(50.0, node(4), [pods(4)])
    report = fabric.traffic.report(69.0)
    assert (report.later_pairs, report.current, report.broken_pairs) == (0, 0, ())
    report = fabric.traffic.report(75.0)
    assert report.later_pairs == 10
    assert {(pair.destination, pair.since, pair.waited) for pair in report.broken_pairs} == {(node(4), 70.0, 5.0)}


@pytest.mark.parametrize("ends", ["leaves", "stops", "comes again"])
def test_an_endpoint_that_waits_to_be_known_may_leave_before(ends: str) -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile(machine=(60.0, 60.0)))
    cloud.vm(10.0, 3)
    fabric.traffic.join(50.0, node(3), [pods(3)])
    match ends:
        case "leaves":
            fabric.traffic.leave(55.0, node(3))
        case "stops":
            cloud.change(55.0, "instances", node(3), status="TERMINATED")
        case _:
            cloud.route(56.0, 3, destRange=pods(4))
            fabric.traffic.join(56.0, node(3), [pods(4)])
    report = fabric.traffic.report(130.0)
    assert report.later_pairs == (4 if ends == "comes again" else 0)
    assert report.broken_pairs == ()


def test_after_rest_no_endpoint_waits_to_be_known() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(60.0))
    cloud.vm(10.0, 3)
    cloud.route(10.0, 3)
    fabric.traffic.join(11.0, node(3), [pods(3)])
    fabric.rest(12.0)
    fabric.traffic.mark(12.0)
    assert (fabric.traffic.report(13.0).pairs, fabric.traffic.report(13.0).broken_pairs) == (6, ())


def test_a_node_that_joins_waits_for_its_first_contact_and_loses_only_what_it_has_had() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(0.0))
    cloud.vm(10.0, 3)
    fabric.traffic.join(20.0, node(3), [pods(3)])
    cloud.route(32.0, 3)
    cloud.drop_route(40.0, 3)
    running = fabric.traffic.report(43.0)
    fabric.traffic.leave(44.0, node(3))
    fabric.traffic.join(50.0, node(3), [pods(3)])
    cloud.route(52.0, 3)
    ended = fabric.traffic.report(60.0)
    for report, lost in ((running, 3.0), (ended, 4.0 + 2.0)):
        assert {pair.destination for pair in report.broken_pairs} == {node(3)}
        assert {(pair.waited, pair.seconds, pair.since) for pair in report.broken_pairs} == {(12.0, lost, 20.0)}
        assert (report.ipv4.waited, report.ipv4.maximum) == (12.0, lost)


def test_pairs_of_the_mark_lose_connectivity_however_they_lose_it() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(0.0))
    cloud.drop_route(5.0, 2)
    fabric.traffic.mark(6.0)
    assert [(pair.seconds, pair.waited) for pair in fabric.traffic.report(9.0).broken_pairs] == [(3.0, 0.0)]


def test_later_pairs_are_counted_once_however_often_a_node_comes_back() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(0.0))
    for number in (3, 4):
        cloud.vm(1.0, number)
        cloud.route(1.0, number)
    fabric.traffic.join(2.0, node(3), [pods(3)])
    fabric.traffic.leave(3.0, node(3))
    fabric.traffic.join(4.0, node(3), [pods(3)])
    assert fabric.traffic.report(5.0).ipv4.later_pairs == 4
    fabric.traffic.leave(5.0, node(1))
    fabric.traffic.join(6.0, node(4), [pods(4)])
    fabric.traffic.join(7.0, node(1), [pods(1)])
    report = fabric.traffic.report(8.0)
    assert (report.ipv4.pairs, report.ipv4.later_pairs) == (2, 4 + 4 + 2)
    assert report.broken_pairs == ()


def test_p99_leaves_out_the_worst_hundredth_of_the_pairs_at_the_mark() -> None:
    fabric, cloud = cluster(range(1, 16), lag=LagProfile.fixed(0.0))  # 210 pairs; the two worst are left out
    fabric.traffic.leave(1.0, node(1))
    cloud.drop_route(2.0, 15)
    cloud.route(4.0, 15)
    assert fabric.traffic.report(5.0).ipv4.p99 == 2.0  # 13 pairs had the same blackout
    quiet, _ = cluster(range(1, 16), lag=LagProfile.fixed(0.0))
    assert quiet.traffic.report(5.0).ipv4.p99 == 0.0


def test_the_guest_agent_steals_the_pods_of_a_node_as_long_as_it_has_an_alias() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(0.0))
    fabric.traffic.join(1.0, node(2), [pods(2)], steals_aliases=True)
    assert fabric.traffic.report(2.0).broken_pairs == ()
    cloud.aliases(10.0, 2, pods(2))
    cloud.aliases(15.0, 2)
    report = fabric.traffic.report(20.0)
    assert [(pair.destination, pair.seconds, pair.reason) for pair in report.broken_pairs] == [
        (node(2), 5.0, "STOLEN_BY_GUEST_AGENT")
    ]


def test_ipv6_pairs_are_counted_apart() -> None:
    fabric, cloud = cluster((1, 2, 3), lag=LagProfile.fixed(0.0))
    cloud.change(1.0, "subnetworks", "nodes", externalIpv6Prefix="2600:1900:4010:1:0:0:0:0/64")
    for number in (1, 2):
        cloud.dual_stack(1.0, number)
        fabric.traffic.join(2.0, node(number), [pods(number), f"{ipv6_base(number)}/112"])
    cloud.firewall(5.0, "allow-pods-ipv6", "2600:1900:4010:1:0:0:0:0/64")
    report = fabric.traffic.report(9.0)
    assert (report.ipv4.pairs, report.ipv4.later_pairs, report.ipv4.total) == (6, 0, 0.0)
    assert (report.ipv6.pairs, report.ipv6.later_pairs, report.ipv6.waited, report.ipv6.total) == (0, 2, 3.0, 0.0)
    as_json = report.as_json()
    assert as_json["pairs"] == 6
    assert (as_json["ipv6"]["waited_seconds"], as_json["ipv6"]["blackout_seconds"]["max"]) == (3.0, 0.0)
    assert as_json["broken_pairs"][0] == {
        "from": node(1),
        "to": node(2),
        "family": "IPv6",
        "seconds": 0.0,
        "waited": 3.0,
        "since": 2.0,
        "reason": "FIREWALL_RULE",
    }


def test_two_pod_cidrs_of_one_family_are_refused() -> None:
    fabric, _ = cluster((1,))
    for cidrs in ([], [pods(1), pods(2)], ["no CIDR"]):
        with pytest.raises(ValueError):
            fabric.traffic.join(0.0, node(1), cidrs)


def overlap(cloud: Cloud, numbers: range, barrier: float) -> float:
    """The make-before-break order with a pause after each stage; returns the time of its end."""
    at = 100.0
    cloud.flag(at, True)
    cloud.ranges(at + barrier, PODS)
    for number in numbers:
        cloud.aliases(at + 2 * barrier, number, pods(number))
    for number in numbers:
        cloud.drop_route(at + 3 * barrier, number)
    cloud.flag(at + 4 * barrier, False)
    return at + 5 * barrier + 30.0


@pytest.mark.parametrize("seed", range(4))
def test_make_before_break_with_barriers_loses_nothing_and_gardeners_order_hits_every_pair(seed: int) -> None:
    numbers = range(1, 9)
    fabric, cloud = cluster(numbers, lag=LagProfile(), seed=seed)
    end = overlap(cloud, numbers, barrier=10.0)
    assert fabric.traffic.report(end).as_json()["blackout_seconds"] == {"max": 0.0, "p99": 0.0, "total": 0.0}

    fabric, cloud = cluster(numbers, lag=LagProfile(), seed=seed)
    for number in numbers:
        cloud.drop_route(100.0, number)
    cloud.ranges(110.0, PODS)
    for number in numbers:
        cloud.aliases(125.0 + number, number, pods(number))
    report = fabric.traffic.report(200.0)
    assert len(report.broken_pairs) == report.ipv4.pairs == 56
    assert min(pair.seconds for pair in report.broken_pairs) > 10.0


def test_k4_without_barriers_between_flag_and_range_only_news_in_order_are_safe() -> None:
    suffered = {}
    for order in ("fifo", "reordered"):
        knobs = FabricKnobs(subnet_order="fifo") if order == "fifo" else FabricKnobs()
        fabric, cloud = cluster(range(1, 9), lag=LagProfile(), knobs=knobs)
        cloud.flag(100.0, True)
        cloud.ranges(100.5, PODS)
        suffered[order] = fabric.traffic.report(200.0).ipv4.total
    assert suffered["fifo"] == 0.0
    assert suffered["reordered"] > 0.0


def test_under_the_pessimistic_profile_make_before_break_loses_when_the_routes_go() -> None:
    numbers = range(1, 4)
    fabric, cloud = cluster(numbers, lag=LagProfile(), knobs=FabricKnobs(alias_matched=False))
    overlap(cloud, numbers, barrier=10.0)
    assert fabric.traffic.report(130.0).broken_pairs == ()
    assert {pair.reason for pair in fabric.traffic.report(139.0).broken_pairs} == {"HYBRID_SUBNET_NO_ROUTE"}


def test_the_same_seed_gives_the_same_blackout_whatever_is_asked_in_between() -> None:
    def run(questions: list[float], seed: int) -> float:
        fabric, cloud = cluster(range(1, 6), lag=LagProfile(), seed=seed)
        for number in range(1, 6):
            cloud.drop_route(100.0, number)
            cloud.route(105.0, number)
        for question in questions:
            fabric.probe(node(1), pod(2), at=question)
        return fabric.traffic.report(200.0).ipv4.total

    assert run([], 1) == run([101.0, 104.0, 107.3], 1)
    assert run([], 1) != run([], 2)


Move = tuple[str, int]
KINDS = ["route", "reroute", "alias", "range", "flag", "stop", "traffic", "forward", "firewall"]
MOVES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 3)), max_size=16)


def make_move(fabric: Fabric, cloud: Cloud, at: float, move: Move, state: set[Move]) -> None:
    """Switch one thing of the cluster; `state` holds what is switched."""
    what, number = move if move[0] not in ("range", "flag", "firewall") else (move[0], 0)
    on = (what, number) not in state
    state ^= {(what, number)}
    match what:
        case "route" if on:
            cloud.drop_route(at, number)
        case "route":
            cloud.route(at, number)
        case "reroute" if ("route", number) not in state:
            hop = f"zones/{REGION}-b/instances/{node(number % 3 + 1 if on else number)}"
            cloud.route(at, number, nextHopInstance=hop)
        case "reroute":
            state ^= {(what, number)}
        case "forward":
            cloud.change(at, "instances", node(number), canIpForward=not on)
        case "firewall":
            cloud.change(at, "firewalls", "allow-pods", targetTags=["unused"] if on else [])
        case "alias":
            cloud.aliases(at, number, *([pods(number)] if on else []))
        case "range":
            cloud.ranges(at, *([PODS] if on else []))
        case "flag":
            cloud.flag(at, on)
        case "stop":
            cloud.change(at, "instances", node(number), status="TERMINATED" if on else "RUNNING")
        case "traffic" if on:
            fabric.traffic.leave(at, node(number))
        case _:
            fabric.traffic.join(at, node(number), [pods(number)])


def is_end_point(number: int, at: float, schedule: list[tuple[float, Move]], longest: float) -> bool:
    """Whether the node joined while its VM ran, and has not left or stopped; `longest`: time until a VM is known."""
    present, runs, wants = True, True, True
    known_at = 0.0
    for when, (what, who) in schedule:
        if when > at or who != number:
            continue
        if what == "stop":
            present, runs = present and not runs, not runs
            known_at = when + longest if runs else known_at
        elif what == "traffic":
            wants = not wants
            present = wants and runs
    return present and at >= known_at


STEP = 0.25


@settings(max_examples=120)
@given(moves=MOVES, seed=st.integers(0, 1000))
def test_accounting_equals_sampling_at_every_step(moves: list[Move], seed: int) -> None:
    """All times are on a grid, so one probe of every pair in each cell adds up to the exact blackout."""
    generator = random.Random(seed)
    lag = LagProfile(*[(wait, wait) for wait in generator.choices([0.0, 0.5, 1.0, 2.25], k=5)])
    schedule = [(1.0 + STEP * generator.randrange(40), move) for move in moves]
    accounted, cloud = cluster((1, 2, 3), lag=lag)
    sampled, other = cluster((1, 2, 3), lag=lag)
    states: tuple[set[Move], set[Move]] = (set(), set())
    for at, move in sorted(schedule):
        make_move(accounted, cloud, at, move, states[0])
        make_move(sampled, other, at, move, states[1])

    if seed % 2:  # for odd seeds, the guest agent of node 3 takes aliases
        for fabric in (accounted, sampled):
            fabric.traffic.join(0.5, node(3), [pods(3)], steals_aliases=True)

    total = 0.0
    for cell in range(80):
        at = STEP * (cell + 0.5)
        present = [number for number in (1, 2, 3) if is_end_point(number, at, sorted(schedule), lag.longest)]
        for source, destination in permutations(present, 2):
            verdict = sampled.probe(node(source), pod(destination), at=at)
            total += STEP if verdict.delivered_to != node(destination) else 0.0
    assert accounted.traffic.report(20.0).ipv4.total == pytest.approx(total, abs=1e-9)
