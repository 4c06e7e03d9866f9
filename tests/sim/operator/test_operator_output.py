"""The operator works on while its output cannot be written, reports its health correctly, and ends at a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model.kinds import SECRET
from dualstack_sim.kube.server import create_app
from dualstack_sim.world.gardener.credentials import shoot_access
from tests.support.loopback import kubeconfig, on_loopback
from tests.support.manifests import opted_in
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld

EXAMPLE = Path(__file__).parents[3] / "examples" / "shoot.yaml"
REQUEST = {"gardener.cloud/operation": "reconcile", "gardener.cloud/timestamp": "2026-01-01T00:00:00.5Z"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def output(kind: str) -> Iterator[int]:
    """A descriptor that takes no output."""
    with ExitStack() as stack:
        if kind == "full disk":
            target = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, target = os.pipe()
            if kind == "no reader":
                os.close(reader)
            else:
                stack.callback(os.close, reader)
                os.set_blocking(target, False)
                with ExitStack() as full:
                    full.callback(os.set_blocking, target, True)
                    while True:
                        try:
                            os.write(target, b"x" * 65536)
                        except BlockingIOError:
                            break
        stack.callback(os.close, target)
        yield target


async def answer(session: aiohttp.ClientSession, port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 while nothing listens."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
            return response.status, await response.text()
    except aiohttp.ClientError as error:
        return 0, str(error)


async def until(session: aiohttp.ClientSession, port: int, path: str, status: int, part: str = "") -> None:
    """Wait until `path` answers with `status` and a text that has `part`."""
    deadline = time.monotonic() + 30
    while (found := await answer(session, port, path))[0] != status or part not in found[1]:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "kind",
    [
        "full disk",
        "reader that does not read",
        pytest.param("no reader", marks=pytest.mark.slow),
        pytest.param("closed", marks=pytest.mark.slow),
    ],
)
async def test_p11_output_that_cannot_be_written_stops_nothing(kind: str, tmp_path: Path) -> None:
    """Given streams that take nothing, when an extension is requested, then it is reconciled, the health is good, and
    one SIGTERM ends the process with status 0."""
    world, port = ScriptedWorld(opted_in(load_shoot(EXAMPLE.read_text()))), free_port()
    async with on_loopback(create_app(world.store)) as url, aiohttp.ClientSession() as session:
        world.store.create(SECRET, shoot_access(NS, url))
        command = [sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(tmp_path, url))]
        command += [
            "--compute-endpoint",
            "http://127.0.0.1:9",
            "--health-port",
            str(port),
            "--debug",
            "--landscape",
            "standalone",
        ]
        with ExitStack() as stack:
            if kind == "closed":
                command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command, "--events", "-"]
                process = await asyncio.create_subprocess_exec(*command)
            else:
                target = stack.enter_context(output(kind))
                events = "/dev/full" if kind == "full disk" else "-"
                process = await asyncio.create_subprocess_exec(
                    *command, "--events", events, stdout=target, stderr=target
                )
        try:
            await until(session, port, "readyz", 200)
            world.store.patch(gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": REQUEST}}, NS)
            deadline = time.monotonic() + 20
            while (
                "gardener.cloud/operation"
                in ((world.store.get(gardener_kinds.NETWORK, "bar", NS) or {})["metadata"]["annotations"])
            ):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            assert await answer(session, port, "healthz") == (200, "ok")
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


STUCK = """
import time
from pathlib import Path
from dualstack.clock import ScaledClock
from dualstack.operator import health, process
from dualstack.operator.assembly import OperatorOptions
from dualstack.streams import protect

async def stuck(options):
    stop = health.serve_health(health.Health(), options.health_port)
    time.sleep(60)

protect()
health.STUCK = 0.2
process._operate = stuck
process.run(OperatorOptions(Path("none"), "", "overlap", "auto", None, ScaledClock(), health_port={port}))
"""


async def test_p11_a_stuck_process_says_so_and_a_second_signal_ends_it_at_once() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUCK.format(port=port))
    try:
        async with aiohttp.ClientSession() as session:
            await until(session, port, "healthz", 503, "the event loop has not run for")
            process.terminate()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 5) == 128 + signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


SIGNALLED_WHILE_LOGGING = """
import os, signal
from dualstack import streams
from dualstack.cli.main import main

class Stderr:
    def write(self, text):
        if "not reachable" in text and not done:
            done.append(text)
            os.kill(os.getpid(), signal.SIGTERM)
        return len(text)
    def flush(self):
        pass

done = []
streams.unfailing_text = lambda descriptor: Stderr()
main()
"""


async def test_p11_a_signal_that_arrives_while_a_line_is_logged_ends_the_operator(tmp_path: Path) -> None:
    """The handler must not wait for what the interrupted code holds, such as the lock of the log."""
    unreachable = kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SIGNALLED_WHILE_LOGGING, "operator", "--kubeconfig", str(unreachable)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_p12_readiness_follows_the_lists_and_watches(tmp_path: Path) -> None:
    """Given a ready operator, when the API server goes away, then it is alive but not ready, with the reason."""
    world, port = ScriptedWorld(opted_in(load_shoot(EXAMPLE.read_text()))), free_port()
    async with aiohttp.ClientSession() as session:
        async with on_loopback(create_app(world.store)) as url:
            world.store.create(SECRET, shoot_access(NS, url))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(tmp_path, url))),
                *("--compute-endpoint", "http://127.0.0.1:9", "--health-port", str(port)),
                *("--landscape", "standalone"),
                stderr=asyncio.subprocess.DEVNULL,
            )
            await until(session, port, "readyz", 200)
        try:
            await until(session, port, "readyz", 503, "shoots: Kubernetes API: ")
            assert await answer(session, port, "healthz") == (200, "ok")
            assert (await answer(session, port, "other"))[0] == 404
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0
