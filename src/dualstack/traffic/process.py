"""`dualstack prober --traffic`: follows the plan in a ConfigMap and keeps the Lease of its node up to date."""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Conflict, Kube, NotFound, Unavailable
from dualstack.model.errors import KubeError
from dualstack.model.kinds import CONFIG_MAP, LEASE
from dualstack.traffic.node_report import COORDINATOR, NAMESPACE, heartbeat, lease_of, stale_after
from dualstack.traffic.pairs import PLAN, ProbePlan, read_plan
from dualstack.traffic.prober import Prober, process_clock
from dualstack.traffic.responder import Responder

ABANDONED = 900.0
"""Seconds without a sign of life of the run that measures, after which a prober sends nothing until the next one."""
_SETTLE = 0.5
"""Seconds between two judgements."""
_NEWS_AFTER = 1.0
"""Seconds between two reports while there is news."""


def run(node: str, port: int, kubeconfig: Path | None) -> None:
    """Probe from `node` until the process ends. kubeconfig: as for `find_connection`.

    Raises InvalidInput without a cluster, OSError if the port is taken, KubeError if the cluster refuses the report.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one socket for each flow, more while it does not move
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(node, port, kubeconfig))


async def _run(node: str, port: int, kubeconfig: Path | None) -> None:
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    responder, prober = Responder(), Prober(node, process_clock(), port)
    try:
        await responder.start(port)
        async with asyncio.TaskGroup() as group:
            group.create_task(prober.run())
            exchange = Exchange(kube, prober)
            group.create_task(_settle(prober, exchange))
            group.create_task(_keep_up(exchange))
    except* KubeError as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    finally:
        prober.close()
        responder.close()
        await kube.close()


async def _settle(prober: Prober, exchange: Exchange) -> None:
    while True:
        if await prober.settle():
            exchange.note_news()
        await asyncio.sleep(_SETTLE)


async def _keep_up(exchange: Exchange) -> None:
    """Read plans and write reports. A request that cannot be made now is repeated."""
    while True:
        try:
            await exchange.read_plan()
            await exchange.report()
        except (Unavailable, Conflict) as error:
            structlog.get_logger("dualstack").warning("report not written", error=str(error))
        await asyncio.sleep(_SETTLE)


class Exchange:
    """Reads the plan every heartbeat, and writes the report every heartbeat and when there is news."""

    def __init__(self, kube: Kube, prober: Prober) -> None:
        self._kube = kube
        self._prober = prober
        self._nodes = 0
        self._read_at = self._written_at = float("-inf")
        self._pending = False
        self._renewed = ""
        self._renewed_at = prober.now()

    async def read_plan(self) -> None:
        """Follow the plan as it is now; keep the last one while there is none. Probe nothing while no run measures."""
        now = self._prober.now()
        if now - self._read_at < (heartbeat(self._nodes) if self._nodes else _NEWS_AFTER):
            return
        plan = read_plan(await self._kube.get(CONFIG_MAP, PLAN, NAMESPACE))
        lease = await self._kube.get(LEASE, COORDINATOR, NAMESPACE)
        self._read_at = now
        renewed = str(((lease or {}).get("spec") or {}).get("renewTime"))
        if renewed != self._renewed:  # by its changes, because the clock of the other machine may differ
            self._renewed, self._renewed_at = renewed, now
        if now - self._renewed_at >= ABANDONED:
            self._prober.follow(ProbePlan(0, ()))
        elif plan is not None and plan.generation != self._prober.generation:
            self._nodes = len(plan.probers)
            self._prober.follow(plan)
            self._pending = True

    def note_news(self) -> None:
        """The next report has news."""
        self._pending = True

    async def report(self) -> None:
        """Write the report if it is due."""
        now = self._prober.now()
        if now - self._written_at < (_NEWS_AFTER if self._pending else heartbeat(self._nodes)):
            return
        self._pending = False
        lease = lease_of(self._prober.report(), now, stale_after(self._nodes))
        try:
            try:
                await self._kube.patch(LEASE, self._prober.node, lease, NAMESPACE)
            except NotFound:
                await self._kube.create(LEASE, lease)
        except KubeError:
            self._pending = True
            raise
        self._written_at = now
