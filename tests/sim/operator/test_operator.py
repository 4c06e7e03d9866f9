"""The operator as a process against the simulated Kubernetes API: it watches, reconciles, and ends on a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model.events import OperatorReady, decode
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType
from tests.loopback import kubeconfig, on_loopback
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld

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
    world = ScriptedWorld(load_shoot(EXAMPLE.read_text()))
    log = tmp_path / "log"
    changes: list[tuple[str, str]] = []

    def see(resource: ResourceType, change: Change) -> None:
        changes.append((resource.plural, str(change.object.name)))

    world.store.listen(see)
    async with on_loopback(create_app(world.store)) as url:
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(tmp_path, url))),
                *("--compute-endpoint", "http://127.0.0.1:9", "--events", "-", "--clock-speed", "10"),
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


async def test_a_cluster_at_rest_sees_no_write(running: Running) -> None:
    await asyncio.sleep(2.0)
    assert running.changes == []
    assert running.process.returncode is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_quickly_and_with_status_0(running: Running, number: signal.Signals) -> None:
    began = time.monotonic()
    running.process.send_signal(number)
    assert await asyncio.wait_for(running.process.wait(), 10) == 0, running.log.read_text()
    assert time.monotonic() - began < 3.0


async def test_an_extension_that_asks_is_reconciled(running: Running) -> None:
    """A Network with a request is answered as soon as the watch shows it."""
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
    began = time.monotonic()
    running.process.terminate()
    assert await asyncio.wait_for(running.process.wait(), 10) == 0, running.log.read_text()
    assert time.monotonic() - began < 3.0


async def _eventually(check: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
