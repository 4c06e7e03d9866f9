"""The operator's process: watches fill a queue, the queue runs the controllers, and a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import FrameType

import structlog
from lightkube.config.kubeconfig import SingleConfig

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.shoot_access import ShootAccess
from dualstack.kube.client import LightkubeKube, certificate_fault
from dualstack.kube.connection import find_connection, is_in_pod
from dualstack.kube.interface import Invalid, NotFound, Unauthenticated, Unavailable
from dualstack.kube.watching import follow
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import Listener, OperatorReady
from dualstack.model.kinds import Kind
from dualstack.operator.assembly import OperatorOptions, assemble
from dualstack.operator.health import Health, serve_health
from dualstack.operator.landscape import STANDALONE, refuse_beside_gardener
from dualstack.operator.leadership import Leadership, own_identity
from dualstack.operator.metrics import Metrics
from dualstack.operator.opt_in import OptIn, Selection
from dualstack.operator.output import EventStream, all_of, configure_logging, log_event
from dualstack.operator.queue import Key, KeyedQueue
from dualstack.operator.shoot_nodes import ShootNodes
from dualstack.operator.watches import Watches
from dualstack.stdin_watch import exit_when_stdin_closes

_START_TIMEOUT = 30.0
"""Wall seconds for which the start waits for an API server that cannot be reached."""

_THREADS = 64
"""Name look-ups and token requests at a time."""

_STOP_TIMEOUT = 150.0
"""Wall seconds after the first signal in which the process ends by itself: a step is finished, and nodes are served
(docs/hand-over.md#stop). The chart has Kubernetes kill it after 180."""


def run(options: OperatorOptions) -> None:
    """Run until SIGTERM or SIGINT. InvalidInput for options that cannot be used, KubeError without an API server."""
    configure_logging(debug=options.debug, form=options.log_format)
    with suppress(asyncio.CancelledError):
        asyncio.run(_run(options))


async def _run(options: OperatorOptions) -> None:
    """Operate until a signal cancels it. Interrupted reconciles resume from observed state in the next process."""
    loop = asyncio.get_running_loop()
    # By default as many as cores and four: name servers and token endpoints that do not answer would hold back others.
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="wait"))
    work = asyncio.ensure_future(_operate(options))
    seen: list[int] = []
    ending = threading.Event()

    def stop() -> None:
        structlog.get_logger("dualstack").info("stopping", signal=signal.Signals(seen[0]).name)
        work.cancel()

    def end_late() -> None:
        ending.wait()
        time.sleep(_STOP_TIMEOUT)
        os._exit(128 + seen[0])

    def end(number: int, _: FrameType | None = None) -> None:
        """A second signal ends the process at once. Not a handler of the loop, which would not run if it is stuck.

        It interrupts the main thread anywhere, so it takes no lock that this thread may hold, such as that of the log.
        """
        seen.append(number)
        if len(seen) > 1:
            os._exit(128 + number)
        loop.call_soon_threadsafe(stop)
        ending.set()

    threading.Thread(target=end_late, daemon=True, name="late end").start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    if options.end_with_stdin:
        exit_when_stdin_closes(lambda: end(signal.SIGHUP))
    await work


async def _operate(options: OperatorOptions) -> None:
    connections = _connections(options)
    async with AsyncExitStack() as stack:
        health, metrics = Health(), Metrics(options.clock)
        _serve(options, health, metrics, stack)
        emit, stopping = _listener(options, metrics), asyncio.Event()
        leadership = _leadership(connections[0], options, stack)
        before_change = leadership.confirm if leadership is not None else None
        connect = partial(LightkubeKube.connect, before_change=before_change)
        clients = [connect(connection) for connection in connections]
        for client in clients:
            stack.push_async_callback(client.close)
        seed, garden = clients[0], clients[-1]
        access = ShootAccess(seed, connect)
        stack.push_async_callback(access.close)
        clusters = Clusters(garden=garden, seed=seed, shoot=access.of)
        controllers = await stack.enter_async_context(
            assemble(clusters, emit, options, before_change, metrics.count_calls, stopping.is_set)
        )
        selection = Selection.parse(options.selector, options.namespaces)
        opt_in = OptIn(clusters, selection, stands_alone=options.landscape == STANDALONE)

        async def reconcile(key: Key) -> float | None:
            if not await opt_in.allows(key):
                return opt_in.recheck(key)
            try:
                return await controllers[key.controller].reconcile(key.name, key.namespace)
            except DualstackError as error:
                metrics.failed(key, error)
                raise

        queue = KeyedQueue(reconcile, options.clock, metrics.outcome, options.concurrent_syncs)
        nodes = ShootNodes(access, queue.add, opt_in.includes, metrics.forget)
        handlers = Watches(queue.add, options.controllers, opt_in.includes, nodes).handlers()
        kube_of = {kind: garden if kind == SHOOT else seed for kind in handlers}
        servers = {client: each.cluster.server for client, each in zip(clients, connections, strict=True)}
        for client, server in servers.items():
            kinds = [kind for kind in handlers if kube_of[kind] is client]
            await _reach(client, server, kinds)
            if options.landscape == STANDALONE:
                await refuse_beside_gardener(client, kinds, options.clock.now())
        health.expect(handlers)
        work: list[Awaitable[None]] = []
        if leadership is not None:
            health.leadership = metrics.leadership = leadership
            work.append(asyncio.shield(await _lead(leadership, stack)))
        stack.push_async_callback(queue.close)
        stack.push_async_callback(nodes.close)
        listed = _listed(health, lambda: emit(OperatorReady(at=options.clock.now(), shoot="")))
        asked = {kube_of[kind]: kind for kind in handlers}
        work += [health.ask(client, servers[client], kind) for client, kind in asked.items()]
        work += [
            follow(kube_of[kind], kind, handle, partial(listed, kind), partial(health.failed, kind))
            for kind, handle in handlers.items()
        ]
        await _until_one_ends(work, stopping)


def _serve(options: OperatorOptions, health: Health, metrics: Metrics, stack: AsyncExitStack) -> None:
    """Serve what the options want until the stack is closed. InvalidInput for a port that cannot be used."""
    stack.callback(asyncio.create_task(health.beat()).cancel)
    if options.metrics_port is not None:
        stack.callback(metrics.serve(options.metrics_port))
    if options.health_port is not None:
        stack.callback(serve_health(health, options.health_port))


def _listed(health: Health, ready: Callable[[], None]) -> Callable[[Kind], None]:
    """What to call when a kind is listed. ready: called once, when all of them are."""
    announced = False

    def listed(kind: Kind) -> None:
        nonlocal announced
        health.listed(kind)
        if health.synced and not announced:
            announced = True
            ready()

    return listed


def _connections(options: OperatorOptions) -> list[SingleConfig]:
    """To the seed, and to the garden if it is another API server."""
    seed = find_connection(options.kubeconfig)
    return [seed] if options.garden_kubeconfig is None else [seed, find_connection(options.garden_kubeconfig)]


def _listener(options: OperatorOptions, metrics: Metrics) -> Listener:
    """What takes the events of the controllers. InvalidInput if they cannot be written."""
    listeners: list[Listener] = [log_event, metrics.event]
    if options.events is not None:
        events = EventStream.open(options.events)
        metrics.watch(events)
        listeners.append(events.write)
    return all_of(*listeners)


def _leadership(connection: SingleConfig, options: OperatorOptions, stack: AsyncExitStack) -> Leadership | None:
    """The Lease for which this process waits, if it waits for one."""
    if not (is_in_pod() if options.leader_elect is None else options.leader_elect):
        return None
    kube = LightkubeKube.connect(connection)
    stack.push_async_callback(kube.close)
    return Leadership(kube, options.lease_namespace or connection.namespace, own_identity())


async def _lead(leadership: Leadership, stack: AsyncExitStack) -> asyncio.Task[None]:
    """Return with the Lease and the task that keeps it, until everything that enters the stack later has ended: its
    work may change something until then."""
    await leadership.acquire()
    stack.push_async_callback(leadership.release)
    keeping = asyncio.create_task(leadership.keep())

    async def end() -> None:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    stack.push_async_callback(end)
    return keeping


async def _until_one_ends(work: Iterable[Awaitable[None]], stopping: asyncio.Event) -> None:
    """Run all until one raises, and raise its error. Sets `stopping` if it is cancelled, as a signal does."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    except asyncio.CancelledError:
        stopping.set()
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _reach(kube: LightkubeKube, server: str, kinds: Iterable[Kind]) -> None:
    """Return once the API server lists every kind, or does not serve it yet.

    InvalidInput with one line for each kind that may not be listed; Unavailable after `_START_TIMEOUT`.
    """
    log, loop = structlog.get_logger("dualstack"), asyncio.get_running_loop()
    deadline, last = loop.time() + _START_TIMEOUT, ""
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                refused = [fault for kind in kinds if (fault := await _refusal(kube, server, kind))]
        except (Unavailable, TimeoutError) as error:
            first, last = not last, str(error) or last or "no answer"
            if loop.time() >= deadline:
                words = "check that it is reachable from here, or choose another cluster with --kubeconfig"
                raise Unavailable(f"{server} has not answered for {_START_TIMEOUT:.0f} s: {last}; {words}") from error
            if first:
                log.warning("Kubernetes API not reachable", server=server, error=last, retry_for=_START_TIMEOUT)
            await asyncio.sleep(1.0)
        else:
            if refused:
                raise InvalidInput(*refused)
            return


async def _refusal(kube: LightkubeKube, server: str, kind: Kind) -> str | None:
    """Why the kind cannot be listed, for the user; raises Unavailable if a retry may help."""
    try:
        await kube.probe(kind)
    except NotFound as error:
        if kind.group:  # its definition may be installed later
            return None
        return f"{server} is not a Kubernetes API: {kind.plural}: {error}; check the server in the kubeconfig"
    except Invalid as error:
        return f"{server}: {kind.plural}: {error}; grant the rights to get, list and watch {kind.qualified}"
    except Unauthenticated as error:
        raise InvalidInput(f"{server} does not accept the credentials: {error}; check the kubeconfig") from error
    except Unavailable as error:
        if certificate_fault(error):
            raise InvalidInput(f"{server}: {error}; check the certificate authority in the kubeconfig") from error
        raise
    return None
