"""`dualstack prober` on loopback: an open port, a closed one and one that drops, reported to a simulated Kubernetes."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from dualstack.clock import ScaledClock
from dualstack.model import kinds
from dualstack.prober.process import arrives
from dualstack.prober.report import NAMESPACE, ProbeResult, Report, read_report
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.sim.rehearsal.command import dualstack
from tests.support.loopback import kubeconfig, on_loopback

LISTENING, CLOSED = "127.0.0.1", "127.0.0.2"


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose backlog is full, so that the kernel drops connections as if their packets were lost."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        try:
            for _ in range(4):
                caller = socket.socket()
                caller.setblocking(False)
                with suppress(BlockingIOError):
                    caller.connect(address)
                waiting.append(caller)
            yield address[1]
        finally:
            for caller in waiting:
                caller.close()


@asynccontextmanager
async def kubernetes() -> AsyncIterator[tuple[KubeStore, str]]:
    store = KubeStore(ScaledClock(time.time(), 1.0), Chance(1))
    store.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
    async with on_loopback(create_app(store)) as url:
        yield store, url


async def reported(store: KubeStore, *, reached: set[str]) -> Report:
    """The report of node-0 once it reaches exactly these addresses."""
    async with asyncio.timeout(60):
        while True:
            lease = store.get(kinds.LEASE, "node-0", NAMESPACE)
            report = read_report(lease) if lease else None
            if report and {address for address, result in report.results.items() if result.reached} == reached:
                return report
            await asyncio.sleep(0.05)


async def test_answers_and_refusals_arrive_and_silence_does_not() -> None:
    with socket.create_server((LISTENING, 0)) as server:
        port = server.getsockname()[1]
        assert await arrives(LISTENING, port)
        assert await arrives(CLOSED, port)
    with full_backlog() as dropping:
        assert not await arrives("127.0.0.1", dropping)


async def test_the_process_keeps_the_lease_of_its_node(tmp_path: Path) -> None:
    with full_backlog() as port:
        async with kubernetes() as (store, url):
            words = ["prober", LISTENING, CLOSED, "--node", "node-0", "--port", str(port)]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dualstack", *words, "--kubeconfig", str(kubeconfig(tmp_path, url))
            )
            try:
                report = await reported(store, reached={CLOSED})
                assert report.of(LISTENING) == ProbeResult()
                assert report.of(CLOSED).first == pytest.approx(time.time(), abs=60)
            finally:
                process.terminate()
                await process.wait()


async def test_a_report_is_retried_while_kubernetes_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    client = kubeconfig(tmp_path, f"http://127.0.0.1:{port}")
    words = ["prober", CLOSED, "--node", "node-0", "--port", str(port), "--kubeconfig", str(client)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dualstack", *words, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert b"report not written" in await asyncio.wait_for(process.stderr.readline(), 60)
        assert process.returncode is None
    finally:
        process.terminate()
        await process.wait()


def test_its_arguments_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = dualstack("prober", "not-an-address", "--node", "node-0")
    assert outcome.status == 2
    assert "'not-an-address' is not an IP address" in outcome.err
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    outcome = dualstack("prober", "127.0.0.1", "--node", "node-0")
    assert outcome.status == 2
    assert "no kubeconfig: --kubeconfig and $KUBECONFIG are not set" in outcome.err
