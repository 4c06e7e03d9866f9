"""The operator's process: watches fill a queue, the queue runs the controllers, and a signal ends it."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog
from aiohttp import web

from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Invalid, Unauthenticated, Unavailable
from dualstack.kube.watching import follow
from dualstack.model.errors import InvalidInput
from dualstack.model.events import Listener, OperatorReady
from dualstack.model.kinds import NAMESPACE, Kind
from dualstack.model.names import KUBE_SYSTEM
from dualstack.operator.assembly import OperatorOptions, assemble
from dualstack.operator.output import EventStream, Metrics, all_of, configure_logging, log_event
from dualstack.operator.queue import Key, KeyedQueue
from dualstack.operator.watches import Watches
from dualstack.stdin_watch import exit_when_stdin_closes

_START_TIMEOUT = 30.0
"""Wall seconds for which the start waits for an API server that cannot be reached."""


def run(options: OperatorOptions) -> None:
    """Run until SIGTERM or SIGINT. InvalidInput for options that cannot be used, KubeError without an API server."""
    configure_logging(debug=options.debug)
    with suppress(asyncio.CancelledError):
        asyncio.run(_run(options))


async def _run(options: OperatorOptions) -> None:
    """Operate until a signal cancels it. Interrupted reconciles resume from observed state in the next process."""
    loop, work = asyncio.get_running_loop(), asyncio.ensure_future(_operate(options))

    def end(number: int) -> None:
        structlog.get_logger("dualstack").info("stopping", signal=signal.Signals(number).name)
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    if options.end_with_stdin:
        exit_when_stdin_closes(lambda: end(signal.SIGHUP))
    await work


async def _operate(options: OperatorOptions) -> None:
    connection = find_connection(options.kubeconfig)
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        if options.metrics_port is not None:
            stack.callback(metrics.serve(options.metrics_port))
        if options.health_port is not None:
            stack.push_async_callback(await _serve_health(options.health_port))
        listeners: list[Listener] = [log_event, metrics.event]
        if options.events is not None:
            listeners.append(EventStream.open(options.events).write)
        emit = all_of(*listeners)
        kube = LightkubeKube.connect(connection)
        stack.push_async_callback(kube.close)
        controllers = await stack.enter_async_context(assemble(kube, emit, options))
        await _reach(kube, connection.cluster.server)

        async def reconcile(key: Key) -> float | None:
            return await controllers[key.controller].reconcile(key.name, key.namespace)

        queue = KeyedQueue(reconcile, options.clock, metrics.outcome)
        stack.push_async_callback(queue.close)
        handlers = Watches(queue.add).handlers()
        unlisted = set(handlers)

        def listed(kind: Kind) -> None:
            if kind in unlisted:
                unlisted.remove(kind)
                if not unlisted:
                    emit(OperatorReady(at=options.clock.now(), shoot=""))

        async with asyncio.TaskGroup() as group:
            for kind, handle in handlers.items():
                group.create_task(follow(kube, kind, handle, partial(listed, kind)))


async def _reach(kube: LightkubeKube, server: str) -> None:
    """Return once the API server answers and accepts the credentials; InvalidInput or Unavailable otherwise."""
    log, deadline = structlog.get_logger("dualstack"), asyncio.get_running_loop().time() + _START_TIMEOUT
    for attempt in itertools.count():
        try:
            await kube.get(NAMESPACE, KUBE_SYSTEM)
        except Invalid:  # forbidden, so the credentials were accepted
            return
        except Unauthenticated as error:
            raise InvalidInput(f"{server} does not accept the credentials: {error}; check the kubeconfig") from error
        except Unavailable as error:
            if asyncio.get_running_loop().time() >= deadline:
                words = "check that it is reachable from here, or choose another cluster with --kubeconfig"
                raise Unavailable(f"{server} has not answered for {_START_TIMEOUT:.0f} s: {error}; {words}") from error
            if attempt == 0:
                log.warning("Kubernetes API not reachable", server=server, error=str(error), retry_for=_START_TIMEOUT)
            await asyncio.sleep(1.0)
        else:
            return


async def _serve_health(port: int) -> Callable[[], Awaitable[None]]:
    """Serve /healthz on all interfaces; returns what stops it. InvalidInput if the port cannot be used."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    application = web.Application()
    application.router.add_get("/healthz", healthy)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError as error:
        await runner.cleanup()
        raise InvalidInput(f"--health-port {port}: {error.strerror}; choose a free port") from error
    return runner.cleanup
