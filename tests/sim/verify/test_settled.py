"""The checks wait until the agents of the last new node have started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dualstack.gce import ComputeClient
from dualstack.kube.client import LightkubeKube
from dualstack.model.cluster import Cluster
from dualstack.model.kinds import DAEMON_SET
from dualstack.verify.facts import ATTEMPTS, INTERVAL, Sources
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.sim.actors.fixtures import template
from tests.support.loopback import connection, on_loopback
from tests.support.virtual_time import VirtualClock

AGENTS = ("kube-proxy", "node-exporter")
CLUSTER = Cluster("c", "p", "r", "net", "nodes", "10.250.0.0/16", "100.96.0.0/11", "services", "100.64.0.0/13")


@asynccontextmanager
async def agents() -> AsyncIterator[tuple[asyncio.Task[bool], KubeStore, VirtualClock]]:
    """Two agents on two nodes each, of which the last is behind in one count; the wait for them."""
    clock = VirtualClock()
    store = KubeStore(clock, Chance(1))
    for name in AGENTS:
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template(name)}
        store.create(DAEMON_SET, {"metadata": {"name": name, "namespace": "kube-system"}, "spec": spec})
        report(store, name)
    async with on_loopback(create_app(store)) as url:
        kube, compute = LightkubeKube.connect(connection(url)), ComputeClient("p", clock, endpoint=url)
        report(store, AGENTS[-1], ready=1)
        sources = Sources(CLUSTER, kube, compute, kube, "kube-system")
        yield asyncio.create_task(sources.settled(clock, lambda node: True)), store, clock
        await kube.close()


def report(store: KubeStore, name: str, *, updated: int = 2, ready: int = 2) -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberReady": ready}
    store.patch(DAEMON_SET, name, {"status": status}, "kube-system", subresource="status")


async def test_it_waits_for_an_agent_that_starts() -> None:
    async with agents() as (settled, store, clock):
        await clock.sleep(3 * INTERVAL)
        report(store, AGENTS[-1], updated=1)
        await clock.sleep(3 * INTERVAL)
        assert not settled.done()
        report(store, AGENTS[-1])
        assert await settled


async def test_it_gives_up_on_an_agent_that_never_starts() -> None:
    async with agents() as (settled, _, clock):
        begun = clock.now()
        assert not await settled
        assert clock.now() - begun >= (ATTEMPTS - 1) * INTERVAL
