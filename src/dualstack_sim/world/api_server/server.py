"""Builds a world in a real API server and keeps the proxy and the webhooks running."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web
from lightkube.config.kubeconfig import SingleConfig

from dualstack.clock import ScaledClock
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.api_server.objects import RemoteObjects
from dualstack_sim.world.api_server.proxy import TimeProxy
from dualstack_sim.world.api_server.webhooks import Webhooks

_STOP_SECONDS = 0.2


async def build_on(
    connection: SingleConfig,
    clock: ScaledClock | SteppableClock,
    listener: socket.socket,
    kube: KubeApi,
    build: Callable[[ObjectStore], object],
    stack: AsyncExitStack,
) -> None:
    """Serve the proxy on `listener`, which `kube` uses, and call `build` with the objects of the API server.

    Proxy and webhooks end with `stack`. InvalidInput if the server cannot be used or refuses an object.
    """
    proxy = TimeProxy(connection, clock)
    stack.push_async_callback(proxy.close)
    # A client that goes away ends its watch at the server too.
    runner = web.AppRunner(
        proxy.application, access_log=None, shutdown_timeout=_STOP_SECONDS, handler_cancellation=True
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()

    loop = asyncio.get_running_loop()
    webhooks = Webhooks(kube, loop)
    stack.push_async_callback((await webhooks.serve()).cleanup)
    objects = RemoteObjects(kube, loop, webhooks)
    await asyncio.to_thread(objects.refuse_other_clusters)
    stack.push_async_callback(webhooks.remove)
    await asyncio.to_thread(build, objects)
