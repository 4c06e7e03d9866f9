"""A rehearsal looks at the end state when the agents of the last new node have started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from dualstack.cli.rehearsal.endpoints import Endpoints, WorldAddress
from dualstack.cli.rehearsal.settling import EVERY, LOOKS, settle
from dualstack.cli.shoot_file import read_shoot
from dualstack.clock import ScaledClock
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import DAEMON_SET
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.loopback import on_loopback
from tests.sim.actors.fixtures import template
from tests.sim.rehearsal.command import EXAMPLE

SHOOT = ShootView.of(read_shoot(EXAMPLE))
AGENTS = ("kube-proxy", "node-exporter")


@asynccontextmanager
async def onlooker(folder: Path) -> AsyncIterator[tuple[Endpoints, KubeStore]]:
    """A cluster of two agents on two nodes each, at rest, and who looks at it."""
    clock = ScaledClock(time.time(), 1000.0)
    store = KubeStore(clock, Chance(1))
    for name in AGENTS:
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template(name)}
        store.create(DAEMON_SET, {"metadata": {"name": name, "namespace": "kube-system"}, "spec": spec})
        tell(store, name)
    async with on_loopback(create_app(store)) as url, aiohttp.ClientSession() as session:
        config = {
            "current-context": "sim",
            "contexts": [{"name": "sim", "context": {"cluster": "sim"}}],
            "clusters": [{"name": "sim", "cluster": {"server": url}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        yield Endpoints(WorldAddress("", "", path, "project", clock), session), store


def tell(store: KubeStore, name: str, *, updated: int = 2, ready: int = 2) -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberReady": ready}
    store.patch(DAEMON_SET, name, {"status": status}, "kube-system", subresource="status")


async def test_an_agent_that_starts_is_waited_for(tmp_path: Path) -> None:
    for late in ({"ready": 1}, {"updated": 1}):
        async with onlooker(tmp_path) as (endpoints, store):
            tell(store, AGENTS[-1], **late)
            settling = asyncio.create_task(settle(endpoints, SHOOT))
            await endpoints.clock.sleep(3 * EVERY)
            assert not settling.done()
            tell(store, AGENTS[-1])
            assert await settling


async def test_who_never_comes_is_given_up(tmp_path: Path) -> None:
    async with onlooker(tmp_path) as (endpoints, store):
        tell(store, AGENTS[0], ready=1)
        begun = endpoints.clock.now()
        assert not await settle(endpoints, SHOOT)
        assert endpoints.clock.now() - begun >= LOOKS * EVERY
