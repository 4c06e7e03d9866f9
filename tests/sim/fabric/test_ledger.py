"""Host views: changes arrive in any order, older states never replace newer ones, and unseen states are dropped."""

from __future__ import annotations

from dualstack_sim.chance import Chance
from dualstack_sim.fabric import Fabric, LagProfile
from dualstack_sim.fabric.blocks import parse_address, parse_block
from dualstack_sim.fabric.facts import Machine, StaticRoute, SubnetRanges
from dualstack_sim.fabric.ledger import Ledger, ViewChange
from tests.sim.fabric.cloud import PODS, Cloud, StillClock, cluster, node, pod

ROUTE = StaticRoute("r", parse_block("10.96.1.0/24"), instance="a", region="europe-west1")
OTHER = StaticRoute("r", parse_block("10.96.1.0/24"), instance="b", region="europe-west1")
ADDRESS = parse_address("10.96.1.5")


def ledger_with_hosts(*hosts: str) -> Ledger:
    ledger = Ledger("net")
    ledger.commit(ROUTE.key, ROUTE)
    for host in hosts:
        ledger.open_view(host)
    return ledger


def test_a_host_sees_the_old_state_until_the_new_one_is_delivered() -> None:
    ledger = ledger_with_hosts("h", "g")
    version = ledger.commit(ROUTE.key, None)
    assert list(ledger.views["h"].routes_to(ADDRESS)) == [ROUTE]
    assert not ledger.up_to_date("h")
    assert ledger.deliver("h", ROUTE.key, version, None) == ViewChange(ROUTE, None)
    assert list(ledger.views["h"].routes_to(ADDRESS)) == []
    assert list(ledger.views["g"].routes_to(ADDRESS)) == [ROUTE]
    assert (ledger.up_to_date("h"), ledger.up_to_date("g")) == (True, False)


def test_an_older_state_that_arrives_late_changes_nothing() -> None:
    ledger = ledger_with_hosts("h", "g")
    first, second = ledger.commit(ROUTE.key, None), ledger.commit(ROUTE.key, OTHER)
    assert ledger.deliver("h", ROUTE.key, second, OTHER) == ViewChange(ROUTE, OTHER)
    assert ledger.deliver("h", ROUTE.key, first, None) is None
    assert list(ledger.views["h"].routes_to(ADDRESS)) == [OTHER]
    third = ledger.commit(ROUTE.key, None)
    assert ledger.deliver("h", ROUTE.key, second, OTHER) is None
    assert ledger.deliver("g", ROUTE.key, second, OTHER) == ViewChange(ROUTE, OTHER)
    assert ledger.deliver("g", ROUTE.key, first, None) is None
    assert ledger.deliver("g", ROUTE.key, third, None) == ViewChange(OTHER, None)


def test_a_route_that_goes_elsewhere_touches_its_destination() -> None:
    ledger = ledger_with_hosts()
    assert ledger.affected_blocks(ROUTE, OTHER) == {ROUTE.destination}


def test_a_new_range_touches_only_itself() -> None:
    nodes, both = (
        SubnetRanges("r", "s", tuple(map(parse_block, texts))) for texts in (["10.0.0.0/24"], ["10.0.0.0/24", PODS])
    )
    assert Ledger("net").affected_blocks(nodes, both) == {parse_block(PODS)}


def test_a_host_that_starts_sees_what_is_in_force() -> None:
    ledger = ledger_with_hosts("h")
    ledger.commit(ROUTE.key, OTHER)
    ledger.open_view("new")
    assert list(ledger.views["new"].routes_to(ADDRESS)) == [OTHER]
    assert ledger.up_to_date("new")


def test_states_that_no_host_sees_are_dropped() -> None:
    ledger = ledger_with_hosts("h", "g")
    version = ledger.commit(ROUTE.key, None)
    ledger.deliver("h", ROUTE.key, version, None)
    assert list(ledger.route_keys_at(ADDRESS)) == [ROUTE.key]
    ledger.close_view("g")
    assert list(ledger.route_keys_at(ADDRESS)) == []
    assert list(ledger.keys_of_instance("a")) == []
    assert list(ledger.keys_of_kind("route")) == []


def test_a_vm_touches_what_is_reached_through_it() -> None:
    ledger = ledger_with_hosts()
    machine = Machine("a", "europe-west1")
    assert ledger.affected_blocks(machine, None) == {ROUTE.destination}


def test_changes_for_a_stopped_vm_do_not_reach_its_next_start() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile(route=(5.0, 5.0), machine=(0.0, 0.0)))
    cloud.drop_route(10.0, 2)
    cloud.change(11.0, "instances", node(1), status="TERMINATED")
    cloud.change(12.0, "instances", node(1), status="RUNNING")
    cloud.route(12.5, 2)
    assert fabric.probe(node(1), pod(2), at=12.4).reason == "NO_ROUTE"
    assert fabric.probe(node(1), pod(2), at=17.4).reason == "NO_ROUTE"
    assert fabric.probe(node(1), pod(2), at=17.5).delivered_to == node(2)


def test_a_vm_is_known_everywhere_before_it_has_booted() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile())
    cloud.vm(100.0, 3, status="PROVISIONING")
    cloud.change(110.0, "instances", node(3), status="RUNNING")
    assert fabric.probe(node(3), "10.250.0.11", at=110.0).delivered_to == node(1)
    assert fabric.probe(node(1), "10.250.0.13", at=115.0).delivered_to == node(3)


def test_each_host_lags_on_its_own_and_within_the_bounds() -> None:
    numbers = range(1, 21)
    fabric, cloud = cluster(numbers, lag=LagProfile(route=(2.0, 10.0)))
    cloud.drop_route(100.0, 1)
    report = fabric.traffic.report(200.0)
    seen_at = {pair.source: pair.since for pair in report.broken_pairs}
    assert len(set(seen_at.values())) == 19
    assert all(102.0 <= since <= 110.0 for since in seen_at.values())


def test_networks_do_not_know_of_each_other() -> None:
    fabric = Fabric(StillClock(), Chance(0), LagProfile.fixed(0.0))
    cloud = Cloud(fabric.on_commit)
    cloud.firewall(0.0)
    cloud.subnet(0.0)
    cloud.vm(0.0, 1)
    cloud.vm(
        0.0, 2, networkInterfaces=[{"name": "nic0", "network": "global/networks/other", "networkIP": "10.250.0.12"}]
    )
    assert fabric.probe(node(1), "10.250.0.12", at=1.0).reason == "UNKNOWN_INTERNAL_ADDRESS"
    assert fabric.hosts == [node(1), node(2)]


def test_assumptions_name_what_the_verdict_rests_on() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile.fixed(4.0))
    plain = fabric.assumptions()
    assert any("at most 4 s" in sentence for sentence in plain)
    assert not any("hybrid" in sentence for sentence in plain)
    cloud.flag(10.0, True)
    fabric.settle(11.0)
    used = fabric.assumptions()
    assert any("K3" in sentence and "docs/reference/cut-over.md#k3" in sentence for sentence in used)
    assert not any("advised" in sentence for sentence in used)
    for number in range(3, 140):
        cloud.vm(
            12.0, number, networkInterfaces=[{"name": "nic0", "network": "net", "networkIP": f"10.250.1.{number}"}]
        )
    cloud.flag(20.0, False)
    fabric.settle(21.0)
    assert any("139 NICs" in sentence and "advised" in sentence for sentence in fabric.assumptions())


def test_rest_shows_the_current_state_to_all_hosts_at_once() -> None:
    fabric, cloud = cluster((1, 2), lag=LagProfile())
    cloud.route(10.0, 1, name="extra", destRange="10.97.0.0/16")
    fabric.traffic.mark(30.0)
    fabric.rest(10.0)
    for number in (1, 2):
        assert fabric.probe(node(number), "10.97.0.1", at=10.0).delivered_to == node(1)
    assert fabric.traffic.report(20.0).marked_at == 0.0
    assert fabric.traffic.report(30.0).marked_at == 30.0
