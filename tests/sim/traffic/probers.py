"""Prober processes on hosts in network namespaces, and a simulated Kubernetes API that they report to."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from dualstack.clock import ScaledClock
from dualstack.model import kinds
from dualstack.traffic.node_report import NAMESPACE, FlowGroup, NodeReport, read_report
from dualstack.traffic.pairs import INTERVAL, ProbePlan, ProberAddress, plan_manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.support.loopback import kubeconfig
from tests.support.namespaces import Hosts, hosts

WITHIN = 150.0
"""Wall seconds within which the processes must report something."""


def name(host: int) -> str:
    return f"node-{host}"


@dataclass
class Drop:
    """A time without packets, as the test made it: it began between two instants and ended between two instants."""

    began: tuple[float, float]
    ended: tuple[float, float]

    @property
    def seconds(self) -> float:
        return (sum(self.ended) - sum(self.began)) / 2

    @property
    def uncertainty(self) -> float:
        """How exactly the test knows the seconds."""
        return (self.ended[1] - self.ended[0] + self.began[1] - self.began[0]) / 2


@dataclass
class Probers:
    """The running processes, by host."""

    made: Hosts
    store: KubeStore
    config: Path
    processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, host: int) -> None:
        words = [sys.executable, "-m", "dualstack", "prober", "--traffic", "--node", name(host)]
        self.processes[host] = await asyncio.create_subprocess_exec(
            *self.made.command(host, *words, "--kubeconfig", str(self.config))
        )

    async def kill(self, host: int) -> None:
        process = self.processes.pop(host)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    def plan(
        self,
        members: Iterable[int],
        *,
        services: tuple[str, ...] = (),
        internet: tuple[str, ...] = (),
        interval: float = INTERVAL,
    ) -> None:
        addresses = tuple(ProberAddress(name(host), self.made.addresses(host)) for host in members)
        plan = plan_manifest(ProbePlan(1, addresses, services, internet, interval), NAMESPACE)
        self.store.create(kinds.CONFIG_MAP, plan)

    def report(self, host: int) -> NodeReport | None:
        lease = self.store.get(kinds.LEASE, name(host), NAMESPACE)
        found = read_report(lease) if lease else None
        return found[1] if found else None

    async def connected(self, members: Iterable[int], *, since: float = 0.0) -> None:
        """Return when every flow of these hosts, whose processes started after `since`, has been answered."""
        await self._reported(
            members,
            lambda report: (
                report.began > since and bool(report.groups) and not any(each.unreached for each in report.groups)
            ),
        )

    async def reports_after(self, members: Iterable[int], at: float) -> dict[int, NodeReport]:
        """The reports of these hosts that judge everything until `at`."""
        await self._reported(members, lambda report: report.judged_until > at)
        return {host: report for host in members if (report := self.report(host)) is not None}

    async def drop(self, pairs: Collection[tuple[int, int]], seconds: float) -> Drop:
        """Drop the packets from the first host to the second of each pair for about `seconds`."""
        began = self.made.drop(pairs)
        await asyncio.sleep(seconds)
        return Drop(began, self.made.deliver(pairs))

    async def _reported(self, members: Iterable[int], check: Callable[[NodeReport], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        waiting = set(members)
        while waiting:
            assert time.monotonic() < deadline, {host: self.report(host) for host in waiting}
            waiting = {host for host in waiting if (found := self.report(host)) is None or not check(found)}
            await asyncio.sleep(0.1)


def groups(report: NodeReport) -> dict[tuple[str, str, int], FlowGroup]:
    return {group.key: group for group in report.groups}


@asynccontextmanager
async def probers(count: int, folder: Path) -> AsyncIterator[Probers]:
    """`count` hosts without processes, and the API. All processes are ended afterwards."""
    with hosts(count) as made:
        store = KubeStore(ScaledClock(), Chance(1))
        store.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
        runner = web.AppRunner(create_app(store), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        listening = made.listen()
        scene = Probers(made, store, kubeconfig(folder, "http://{}:{}".format(*listening.getsockname())))
        try:
            await web.SockSite(runner, listening).start()
            yield scene
        finally:
            for host in list(scene.processes):
                await scene.kill(host)
            await runner.cleanup()
