"""`dualstack prober`: opens a new connection to each address every second and keeps one Lease up to date."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from dualstack.clock import Clock, ScaledClock
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Conflict, Kube, NotFound, Unavailable
from dualstack.model.kinds import LEASE
from dualstack.prober.report import NAMESPACE, PERIOD, ProbeLog

TIMEOUT = 0.9
"""Wall seconds within which an address must answer: less than the period, so that probes do not pile up."""


def run(node: str, addresses: tuple[str, ...], port: int, kubeconfig: Path | None) -> None:
    """Probe IPv4 `addresses` from `node` until the process ends. kubeconfig: as for `find_connection`.

    Raises InvalidInput without a cluster, and KubeError if the cluster refuses the report.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(ProbeLog(node, addresses), port, kubeconfig))


async def _run(book: ProbeLog, port: int, kubeconfig: Path | None) -> None:
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        await probe(book, port, kube, ScaledClock())
    finally:
        await kube.close()


async def probe(book: ProbeLog, port: int, kube: Kube, clock: Clock) -> None:
    """Probe and report until cancelled. A report that cannot be written now is tried again a period later."""
    while True:
        begun = clock.now()
        answers = await asyncio.gather(*(arrives(address, port) for address in book.addresses))
        now = clock.now()
        for address, arrived in zip(book.addresses, answers, strict=True):
            book.note(address, arrived=arrived, at=now)
        if book.due(now):
            try:
                await _report(kube, book, now)
            except (Unavailable, Conflict) as error:
                structlog.get_logger("dualstack").warning("report not written", error=str(error))
        await clock.sleep(PERIOD - (clock.now() - begun))


async def arrives(address: str, port: int) -> bool:
    """Whether the address answers within `TIMEOUT`; a refused connection is an answer too."""
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(address, port)
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _report(kube: Kube, book: ProbeLog, now: float) -> None:
    lease = book.lease(now)
    try:
        await kube.patch(LEASE, lease["metadata"]["name"], lease, NAMESPACE)
    except NotFound:
        await kube.create(LEASE, lease)
    book.written(now)
