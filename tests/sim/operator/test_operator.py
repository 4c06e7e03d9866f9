"""The operator as a process against the simulated Kubernetes API: how it starts, watches, reconciles and ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.names import ENABLED
from dualstack.gardener.model.shoot import load_shoot
from dualstack.kube.client import LightkubeKube
from dualstack.kube.interface import Unavailable
from dualstack.model.events import OperatorReady, decode
from dualstack.model.kinds import NODE, SECRET
from dualstack.operator import process
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType
from dualstack_sim.world.gardener.credentials import shoot_access
from tests.sim.rehearsal.command import dualstack
from tests.support.loopback import connection, kubeconfig, on_loopback
from tests.support.manifests import opted_in
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld

pytestmark = pytest.mark.slow

STANDALONE = ("--landscape", "standalone")
KUBECONFIG = """
current-context: it
contexts: [{name: it, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
"""
EXAMPLE = Path(__file__).parents[3] / "examples" / "shoot.yaml"


@dataclass
class Running:
    """An operator process and the world that it sees."""

    world: ScriptedWorld
    process: asyncio.subprocess.Process
    changes: list[tuple[str, str]]
    """Plural and name of every object that was written since the operator started."""
    log: Path


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    world = ScriptedWorld(opted_in(load_shoot(EXAMPLE.read_text())))
    log = tmp_path / "log"
    changes: list[tuple[str, str]] = []

    def see(resource: ResourceType, change: Change) -> None:
        changes.append((resource.plural, str(change.object.name)))

    world.store.listen(see)
    async with on_loopback(create_app(world.store)) as url:
        world.store.create(SECRET, shoot_access(NS, url))
        changes.clear()
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(tmp_path, url))),
                *("--compute-endpoint", "http://127.0.0.1:9", "--events", "-", "--clock-speed", "10", *STANDALONE),
                stdout=asyncio.subprocess.PIPE,
                stderr=stream,
            )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert isinstance(decode(line), OperatorReady), log.read_text()
        yield Running(world, process, changes, log)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_cluster_at_rest_is_not_written_to(running: Running) -> None:
    await asyncio.sleep(2.0)
    assert running.changes == []
    assert running.process.returncode is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_quickly_and_with_status_0(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    assert await asyncio.wait_for(running.process.wait(), 10) == 0, running.log.read_text()


async def test_a_requested_extension_is_reconciled(running: Running) -> None:
    """Given a Network with the operation annotation, when the watch shows it, then it is reconciled by the protocol
    (docs/reference/gardener.md#reconcile-protocol)."""
    store = running.world.store
    annotations = {"gardener.cloud/operation": "reconcile", "gardener.cloud/timestamp": "2026-01-01T00:00:00.5Z"}
    store.patch(gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": annotations}}, NS)

    async def answered() -> bool:
        found = store.get(gardener_kinds.NETWORK, "bar", NS)
        assert found is not None
        taken = "gardener.cloud/operation" not in found["metadata"]["annotations"]
        return taken and found["status"]["lastOperation"]["description"] == "Successfully reconciled network."

    await _eventually(answered)
    # Nothing but the Network's own annotation and status was written: what is there is what is wanted.
    assert {plural for plural, _ in running.changes} == {"networks"}


async def test_x2_a_shoot_that_has_not_opted_in_is_left_alone_until_it_does(running: Running) -> None:
    """Given a Shoot without the annotation, when a Network requests a reconcile, then nothing is written; when it
    has the annotation again, then the request is answered within a minute."""
    store = running.world.store
    (cluster,) = store.list(gardener_kinds.CLUSTER)

    def opt(value: str | None) -> None:
        body = {"metadata": {"annotations": {ENABLED: value}}}
        store.patch(gardener_kinds.SHOOT, "bar", body, "garden-foo")
        store.patch(gardener_kinds.CLUSTER, cluster["metadata"]["name"], {"spec": {"shoot": body}})

    def request() -> None:
        annotations = {"gardener.cloud/operation": "reconcile", "gardener.cloud/timestamp": "2026-01-01T00:00:00.5Z"}
        store.patch(gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": annotations}}, NS)

    async def answered() -> bool:
        found = store.get(gardener_kinds.NETWORK, "bar", NS)
        assert found is not None
        return "gardener.cloud/operation" not in found["metadata"]["annotations"]

    opt(None)
    request()
    await asyncio.sleep(1.0)
    assert not await answered()
    assert ENABLED in running.log.read_text()
    opt("true")
    await _eventually(answered)


async def test_it_ends_in_the_middle_of_a_reconcile(running: Running) -> None:
    """Given a reconcile that waits for the machines, when the signal comes, then the process does not wait for them."""
    store = running.world.store
    deployment = store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS)[0]
    store.patch(gardener_kinds.MACHINE_DEPLOYMENT, deployment["metadata"]["name"], {"spec": {"replicas": 5}}, NS)
    store.patch(
        gardener_kinds.WORKER, "bar", {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}, NS
    )

    async def processing() -> bool:
        found = store.get(gardener_kinds.WORKER, "bar", NS)
        return found is not None and found["status"]["lastOperation"]["state"] == "Processing"

    await _eventually(processing)
    running.process.terminate()
    assert await asyncio.wait_for(running.process.wait(), 10) == 0, running.log.read_text()


async def test_it_finds_its_kubeconfig_in_the_environment_and_serves_its_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world = ScriptedWorld(opted_in(load_shoot(EXAMPLE.read_text())))
    async with on_loopback(create_app(world.store)) as url, aiohttp.ClientSession() as session:
        world.store.create(SECRET, shoot_access(NS, url))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, url)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dualstack", "operator", "--events", "-", "--health-port", str(port)),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert isinstance(decode(await asyncio.wait_for(process.stdout.readline(), 30)), OperatorReady)
            for path in ("healthz", "readyz"):
                async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                    assert (answer.status, await answer.text()) == (200, "ok")
        finally:
            process.terminate()
            await process.wait()


async def test_p12_credentials_that_are_refused_are_bad_input(tmp_path: Path) -> None:
    """Given an API server that answers 401, when the operator starts, then it ends with one line and status 2."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", refuse)
    async with on_loopback(application) as url:
        outcome = await asyncio.to_thread(dualstack, "operator", "--kubeconfig", str(kubeconfig(tmp_path, url)))
    assert outcome.status == 2
    assert (
        outcome.err
        == f"dualstack: {url} does not accept the credentials: HTTP status 401 Unauthorized; check the kubeconfig\n"
    )


async def test_an_api_that_stays_unreachable_ends_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START_TIMEOUT", 1.5)
    kube = LightkubeKube.connect(connection("http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match=r"^http://127.0.0.1:9 has not answered for 2 s: .*; check that it is reach"):
        await process._reach(kube, "http://127.0.0.1:9", [NODE])
    await kube.close()


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (None, [], "kubeconfig {file}: No such file or directory"),
        ("", [], "kubeconfig {file}: has no current context; set one with `kubectl config use-context NAME`"),
        ("{", [], "kubeconfig {file}: not YAML"),
        (KUBECONFIG, ["--health-port", "{taken}"], "--health-port {taken}: "),
        (KUBECONFIG, ["--metrics-port", "{taken}"], "--metrics-port {taken}: "),
        (KUBECONFIG, ["--events", "/none/events"], "--events /none/events: No such file or directory"),
    ],
)
def test_p12_options_that_cannot_be_used_are_one_line(
    tmp_path: Path, text: str | None, options: list[str], words: str
) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with socket.create_server(("", 0)) as server:
        values = {"file": file, "taken": server.getsockname()[1]}
        outcome = dualstack("operator", "--kubeconfig", str(file), *(option.format(**values) for option in options))
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"dualstack: {words.format(**values)}")


async def _eventually(check: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
