"""The operator's process: watches feed a queue, the queue feeds the controllers, signals end it in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf
import structlog

from dualstack.clock import ScaledClock
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import read_connection
from dualstack.model.events import Listener, OperatorReady
from dualstack.operator.assembly import Controller, assemble
from dualstack.operator.output import EventStream, Metrics, all_of, configure_logging, log_event
from dualstack.operator.queue import Key, KeyedQueue, Reconcile
from dualstack.operator.watches import Watches, quiet_kopf
from dualstack.stdin_watch import exit_when_stdin_closes

_FIRST_SHOOT = 2.0
"""Wall seconds to wait for the first Shoot after the watches have started; there may be none."""


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """What the user chose."""

    kubeconfig: Path
    compute_endpoint: str
    strategy: str
    rollout: str
    events: str | None
    clock: ScaledClock
    metrics_port: int | None = None
    health_port: int | None = None
    lifeline: bool = False
    debug: bool = False
    prober_image: str = ""


def run(options: OperatorOptions) -> None:
    """Run until SIGTERM or SIGINT. InvalidInput if something that was given cannot be used."""
    configure_logging(debug=options.debug)
    quiet_kopf()
    asyncio.run(operate(options))


async def operate(options: OperatorOptions) -> None:
    """Run inside the caller's event loop, which must be the main thread's for signals to work."""
    connection = read_connection(options.kubeconfig)
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        if options.metrics_port is not None:
            stack.callback(metrics.serve(options.metrics_port))
        listeners: list[Listener] = [log_event, metrics.event]
        if options.events is not None:
            listeners.append(EventStream.open(options.events).write)
        emit = all_of(*listeners)
        kube = LightkubeKube.connect(connection)
        stack.push_async_callback(kube.close)
        controllers = await stack.enter_async_context(
            assemble(
                kube,
                options.clock,
                emit,
                compute_endpoint=options.compute_endpoint,
                strategy=options.strategy,
                rollout=options.rollout,
                prober_image=options.prober_image,
            )
        )
        queue = KeyedQueue(_dispatch(controllers), options.clock, metrics.outcome)
        stack.push_async_callback(queue.close)
        first_shoot = asyncio.Event()
        watches = Watches(queue.add, connection, first_shoot.set)
        shell = _Shell(watches, queue, options.health_port, lifeline=options.lifeline)

        async def ready() -> None:
            await shell.started.wait()
            await _within(first_shoot, _FIRST_SHOOT)
            emit(OperatorReady(at=options.clock.now(), shoot=""))

        await shell.run(ready())


class _Shell:
    """kopf inside our loop. It ends when a signal comes: first our reconciles, then its watches."""

    def __init__(self, watches: Watches, queue: KeyedQueue, health_port: int | None, *, lifeline: bool) -> None:
        self._watches = watches
        self._queue = queue
        self._health = f"http://0.0.0.0:{health_port}/healthz" if health_port else None
        self._lifeline = lifeline
        self.started = asyncio.Event()
        self._stop = asyncio.Event()
        self._ending: asyncio.Future[None] | None = None
        self._log = structlog.get_logger("dualstack")

    async def run(self, *beside: Coroutine[Any, Any, None]) -> None:
        """Watch until a signal comes; `beside` are coroutines that run meanwhile."""
        existing = asyncio.all_tasks()
        watching = await kopf.spawn_tasks(
            registry=self._watches.registry(),
            settings=self._watches.settings(),
            clusterwide=True,
            standalone=True,
            liveness_endpoint=self._health,
            ready_flag=self.started,
            stop_flag=self._stop,
        )
        self._take_signals()
        tasks = [asyncio.ensure_future(coroutine) for coroutine in beside]
        try:
            await kopf.run_tasks(watching, ignored=existing)
        finally:
            for task in tasks:
                task.cancel()

    def _take_signals(self) -> None:
        """kopf would give our reconciles five seconds; they need none, for they are resumed from facts."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, number)
        if self._lifeline:
            exit_when_stdin_closes(lambda: self._end(signal.SIGHUP))

    def _end(self, number: int) -> None:
        if self._ending is not None:
            return
        self._log.info("stopping", signal=signal.Signals(number).name, reconciles=len(self._queue))

        async def stop() -> None:
            await self._queue.close()
            self._stop.set()

        self._ending = asyncio.ensure_future(stop())


def _dispatch(controllers: Mapping[str, Controller]) -> Reconcile:
    async def reconcile(key: Key) -> float | None:
        return await controllers[key.controller].reconcile(key.name, key.namespace)

    return reconcile


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
