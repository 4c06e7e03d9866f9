"""The network problem detector for a scene without other actors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.context import ActorContext, run_actors
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.network_problem_detector import NetworkProblemDetector
from dualstack_sim.chance import Chance
from tests.sim.infrastructure.scene import Scene


@asynccontextmanager
async def detector(made: Scene) -> AsyncIterator[None]:
    """Keep the condition of every Node up to date."""
    async with aiohttp.ClientSession() as session:
        context = ActorContext(
            kube=KubeApi(made.kubernetes_url, session),
            compute=ComputeApi(made.compute_url, session, made.world.project),
            clock=made.clock,
            chance=Chance(0),
            namespace=made.namespace,
            endpoints=made.fabric.traffic,
        )
        running = asyncio.create_task(run_actors(context, [NetworkProblemDetector(context)]))
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
