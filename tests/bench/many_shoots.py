"""One operator for many Shoots at rest: memory, CPU, calls to Compute, and how soon it reacts, as one JSON document.

The API servers run in this process, the operator in one of its own. Exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from dualstack.clock import ScaledClock, rfc3339
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE, SHOOT
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model.kinds import CRD, NAMESPACE, Manifest
from dualstack.model.manifests import manifest
from dualstack.operator.landscape import GARDENER, STANDALONE
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from tests.bench.run import cpu_seconds
from tests.support.loopback import kubeconfig, on_loopback

SHOOTS = 1000
SETTLE, MEASURE = 180.0, 30.0
"""Wall seconds in which the first look at all Shoots must end, and of the measurement."""
TARGETS = {"residentMegabytes": 300.0, "cpuPercent": 5.0, "computeCalls": 0.0, "reactionSeconds": 2.0}
EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"


def placed(shoots: int) -> KubeStore:
    """An API server with Shoots that were reconciled long ago, their Clusters and Infrastructures."""
    store, example = KubeStore(ScaledClock(), Chance(1)), load_shoot(EXAMPLE.read_text(encoding="utf-8"))
    for each in definitions():
        store.create(CRD, each)
    store.create(NAMESPACE, manifest(NAMESPACE, example["metadata"]["namespace"]))
    last = {
        "type": "Reconcile",
        "state": "Succeeded",
        "progress": 100,
        "description": "done",
        "lastUpdateTime": rfc3339(time.time()),
    }
    for number in range(shoots):
        _place(store, copy.deepcopy(example), f"bar-{number}", last)
    return store


def _place(store: KubeStore, shoot: Manifest, name: str, last: Manifest) -> None:
    namespace = f"shoot--foo--{name}"
    shoot["metadata"]["name"] = name
    made = store.create(SHOOT, shoot)
    status = {"technicalID": namespace, "observedGeneration": 1, "lastOperation": last}
    made = store.upsert(SHOOT, {**made, "status": status})
    store.create(NAMESPACE, manifest(NAMESPACE, namespace))
    store.create(CLUSTER, manifest(CLUSTER, namespace, spec={"shoot": made, "seed": {}, "cloudProfile": {}}))
    spec = {
        "type": "gcp",
        "region": "europe-west1",
        "secretRef": {"name": "cloudprovider", "namespace": namespace},
        "providerConfig": shoot["spec"]["provider"]["infrastructureConfig"],
    }
    store.upsert(
        INFRASTRUCTURE,
        {
            **manifest(INFRASTRUCTURE, name, namespace, spec=spec),
            "status": {"observedGeneration": 1, "lastOperation": last},
        },
    )


async def measure(landscape: str, shoots: int, settle: float, seconds: float) -> dict[str, Any]:
    """The figures of an operator in this landscape."""
    calls: list[str] = []

    async def compute(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.json_response({}, status=403)

    cloud = web.Application()
    cloud.router.add_route("*", "/{tail:.*}", compute)
    store = placed(shoots)
    with tempfile.TemporaryDirectory() as folder:
        async with on_loopback(create_app(store)) as url, on_loopback(cloud) as compute_url:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(Path(folder), url))),
                *("--compute-endpoint", compute_url, "--namespace", "*", "--events", "-", "--landscape", landscape),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                assert process.stdout is not None
                await asyncio.wait_for(process.stdout.readline(), 120)
                settled = await settling(process.pid, settle)
                before, began = cpu_seconds(process.pid), time.monotonic()
                await asyncio.sleep(seconds)
                cpu = 100.0 * (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
                result: dict[str, Any] = {"shoots": shoots, "settledSeconds": settled}
                result |= {"residentMegabytes": resident(process.pid), "cpuPercent": round(cpu, 2)}
                return {**result, "computeCalls": len(calls), "reactionSeconds": await reaction(store)}
            finally:
                process.terminate()
                await process.wait()


async def settling(process: int, most: float) -> float:
    """Seconds until the process uses less than a tenth of a core, at most `most`."""
    began = time.monotonic()
    while time.monotonic() < began + most:
        before = cpu_seconds(process)
        await asyncio.sleep(3.0)
        if cpu_seconds(process) - before < 0.1 * 3.0:
            break
    return round(time.monotonic() - began, 1)


async def reaction(store: KubeStore) -> float:
    """Seconds from a request on an Infrastructure to the first change of its status."""
    name, namespace = "bar-0", "shoot--foo--bar-0"
    known = (store.get(INFRASTRUCTURE, name, namespace) or {})["status"]
    began = time.monotonic()
    body = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}
    store.patch(INFRASTRUCTURE, name, body, namespace)
    while time.monotonic() < began + 30.0:
        if (store.get(INFRASTRUCTURE, name, namespace) or {})["status"] != known:
            break
        await asyncio.sleep(0.01)
    return round(time.monotonic() - began, 3)


def resident(process: int) -> float:
    """Resident memory of a process in megabytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


def main() -> None:
    figures = {name: asyncio.run(measure(name, SHOOTS, SETTLE, MEASURE)) for name in (GARDENER, STANDALONE)}
    missed = [
        f"{landscape} {name}"
        for landscape in figures
        for name, most in TARGETS.items()
        if figures[landscape][name] > most
    ]
    sys.stdout.write(json.dumps({"manyShoots": figures, "targets": TARGETS, "missed": missed}) + "\n")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
