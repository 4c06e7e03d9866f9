"""A whole simulated world in virtual time: both API servers over HTTP, every actor, and the control endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from dualstack.clock import ScaledClock
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.world.serve import WorldOptions, start
from tests.support.api_servers import OF_GARDEN, OF_SEED, server_of
from tests.support.virtual_time import VirtualClock

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"


class VirtualScaledClock(ScaledClock):
    """The clock of a virtual loop, for a world that is served."""

    def now(self) -> float:
        return VirtualClock().now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Owner:
    """A world, and the owner of its Shoot, who sees and edits it as with kubectl."""

    facts: dict[str, Any]
    clock: ScaledClock
    kube: KubeApi
    """The garden."""
    seed: KubeApi
    session: aiohttp.ClientSession
    name: str
    garden: str
    namespace: str
    seen: list[tuple[float, str, str]] = field(default_factory=list)
    """lastOperation of the Shoot over time: seconds since the edit, state and description."""
    begun: float = 0.0
    errors: list[str] = field(default_factory=list)
    """The descriptions of all `lastErrors` so far."""

    async def shoot(self) -> Manifest:
        found = await self.kube.get(gardener_kinds.SHOOT, self.name, self.garden)
        assert found is not None
        last = found["status"]["lastOperation"]
        entry = (last["state"], last["description"])
        if not self.seen or self.seen[-1][1:] != entry:
            self.seen.append((round(self.clock.now() - self.begun, 1), *entry))
        for error in found["status"].get("lastErrors") or ():
            if error["description"] not in self.errors:
                self.errors.append(error["description"])
        return found

    async def edit(self, *families: str) -> None:
        change: Manifest = {"spec": {"networking": {"ipFamilies": list(families)}}}
        await self.kube.patch(gardener_kinds.SHOOT, self.name, change, self.garden)

    async def annotate(self, name: str, value: str | None) -> None:
        change = {"metadata": {"annotations": {name: value}}}
        await self.kube.patch(gardener_kinds.SHOOT, self.name, change, self.garden)

    async def until(self, reached: Callable[[Manifest], bool], within: float, *, every: float = 5.0) -> Manifest:
        """The Shoot once it is as `reached` wants it."""
        deadline = self.clock.now() + within
        while True:
            found = await self.shoot()
            if reached(found):
                return found
            assert self.clock.now() < deadline, (dig(found, "status", "constraints"), self.seen[-12:])
            await self.clock.sleep(every)

    async def infrastructure(self) -> Manifest:
        found = await self.seed.get(gardener_kinds.INFRASTRUCTURE, self.name, self.namespace)
        assert found is not None
        return found

    async def control(self, path: str, method: str = "GET") -> Any:
        async with self.session.request(method, self.facts["controlEndpoint"] + path) as answer:
            assert answer.status < 400, await answer.text()
            return await answer.json()


def _read(path: Path | str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


@asynccontextmanager
async def virtual_world(
    infrastructure: str | None = None, nodes: int | None = None, shoot: Path = EXAMPLE
) -> AsyncIterator[Owner]:
    """A world at rest with the Shoot of a file."""
    async with AsyncExitStack() as stack:
        clock = VirtualScaledClock()
        manifest = _read(shoot)
        options = WorldOptions(
            cluster=manifest, nodes=nodes, seed=1, faults=None, clock=clock, infrastructure=infrastructure
        )
        facts = await start(options, stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        kube, seed = (
            KubeApi(server_of(facts, path), session, user_agent="owner") for path in (OF_GARDEN[0], OF_SEED[0])
        )
        name, garden = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        namespace = f"shoot--{garden.removeprefix('garden-')}--{name}"
        yield Owner(facts, clock, kube, seed, session, name, garden, namespace, begun=clock.now())
