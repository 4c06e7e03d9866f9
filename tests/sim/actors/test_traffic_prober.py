"""The coordinator on simulated nodes: the prober pods are deployed, and report what the fabric says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dualstack.kube.client import LightkubeKube
from dualstack.model.kinds import NAMESPACE, POD
from dualstack.traffic.coordinator import Traffic, TrafficSettings
from dualstack.traffic.node_report import NAMESPACE as HOME
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.traffic_prober import TrafficProber
from tests.sim.actors.fixtures import ActorsFixture, place_calico, running_actors, workload_actors
from tests.support.loopback import connection
from tests.support.store_kube import StoreKube

SPEED = 60.0
"""So that the reports of a busy machine are not too old."""
SETTINGS = TrafficSettings("example.org/dualstack:1", holder="test")


def actors(context: ActorContext) -> Sequence[Actor]:
    return [*workload_actors(context), TrafficProber(context)]


def place_nodes(made: ActorsFixture, *, dual: bool = False) -> None:
    place_calico(made, dual=dual)
    for number, name in enumerate(("a", "b", "c")):
        made.place_node(name, f"100.96.{number}.0/24", *([f"fd00:0:0:{number}::/64"] if dual else []))


def end(made: ActorsFixture, source: str, destination: str, begin: float, seconds: float, version: int = 4) -> None:
    """A blackout of one direction ends, as the fabric tells it."""
    assert made.traffic.watcher is not None
    made.traffic.watcher(version, (source, destination), begin, begin + seconds)


async def test_the_figures_are_those_of_the_fabric_and_nothing_stays() -> None:
    async with running_actors(actors, speed=SPEED) as made:
        place_nodes(made)
        async with Traffic(StoreKube(made.store), made.clock, SETTINGS) as traffic:
            assert await traffic.loss() is None
            report = await traffic.report()
            assert (report.nodes, report.silent) == (3, ())
            assert [(each.target, each.protocol, each.family, each.flows) for each in report.kinds] == [
                ("pod", "tcp", 4, 6),
                ("pod", "udp", 4, 6),
            ]
            begin = made.clock.now()
            end(made, "a", "b", begin, 10.0)
            end(made, "b", "a", begin + 4.0, 16.5)
            found = await traffic.loss(begin)
            assert found is not None
            assert {found.source, found.destination} == {"a", "b"}
            assert found.seconds == pytest.approx(20.5)  # either direction missing means no answer
            assert found.start == pytest.approx(begin)
            assert (found.lasting, found.uncertainty) == (False, 0.0)
            kinds = (await traffic.report()).kinds
            assert all(each.lost == pytest.approx(2 * 20.5 / 0.1, abs=2) for each in kinds)
            assert await traffic.loss(begin + 25.0) is None
        assert made.store.get(NAMESPACE, HOME) is None
        assert made.store.list(POD, HOME) == []
        assert made.traffic.watcher is None or await made.eventually(lambda: made.traffic.watcher is None)


async def test_an_interruption_that_lasts_is_reported() -> None:
    async with running_actors(actors, speed=SPEED) as made:
        place_nodes(made)
        async with Traffic(StoreKube(made.store), made.clock, SETTINGS) as traffic:
            begin = made.clock.now()
            made.traffic.broken = {4: {("a", "c"): begin}}
            found = await traffic.loss(begin)
            assert found is not None
            assert found.lasting
            assert {found.source, found.destination} == {"a", "c"}
            made.traffic.broken = {}
            end(made, "a", "c", begin, made.clock.now() - begin)
            assert await traffic.loss(made.clock.now() + 1.0) is None


async def test_both_families_are_measured_where_the_pods_have_them() -> None:
    async with running_actors(actors, speed=SPEED) as made:
        place_nodes(made, dual=True)
        async with Traffic(StoreKube(made.store), made.clock, SETTINGS) as traffic:
            begin = made.clock.now()
            end(made, "a", "b", begin, 3.0, version=6)
            found = await traffic.loss(begin)
            assert found is not None
            assert found.family == 6
            assert found.seconds == pytest.approx(3.0)
            kinds = {(each.protocol, each.family): each.longest for each in (await traffic.report()).kinds}
            assert {key for key, longest in kinds.items() if longest} == {("tcp", 6), ("udp", 6)}
            assert set(kinds) == {("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6)}


async def test_it_works_through_the_client_of_a_live_cluster() -> None:
    async with running_actors(actors, speed=SPEED) as made:
        place_nodes(made)
        kube = LightkubeKube.connect(connection(made.context.kube.url))
        try:
            async with Traffic(kube, made.clock, SETTINGS) as traffic:
                assert await traffic.loss() is None
        finally:
            await kube.close()
        assert made.store.get(NAMESPACE, HOME) is None
