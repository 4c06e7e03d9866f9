"""One operator for many Shoots at rest: memory, CPU, calls to Compute, and how soon it reacts, as one JSON document.

It reacts to a request on an Infrastructure, and without Gardener to a Node: beside the Shoots at rest there are some
that wait for their last dual-stack Node, each with an API server of its own.

The API servers run in this process, the operator in one of its own. Exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import web

from dualstack.clock import rfc3339
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE, SHOOT
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model.kinds import NAMESPACE, NODE, SECRET, Manifest
from dualstack.model.manifests import manifest
from dualstack.operator.landscape import GARDENER, STANDALONE
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.credentials import shoot_access
from tests.bench.run import cpu_seconds
from tests.support.loopback import kubeconfig, on_loopback
from tests.support.manifests import opted_in
from tests.unit.gardener.controllers.migration import NODES, Migration
from tests.unit.gardener.controllers.scripted_world import NS

SHOOTS, WAITING = 1000, 20
"""Shoots at rest, and Shoots that wait for a Node."""
SETTLE, MEASURE = 180.0, 30.0
"""Wall seconds in which the first look at all Shoots must end, and of the measurement."""
TARGETS = {"residentMegabytes": 300.0, "cpuPercent": 5.0, "computeCalls": 0.0, "reactionSeconds": 2.0}
OF_NODE = "nodeReactionSeconds"
"""The slowest of all, with the target of `reactionSeconds`."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"


async def waiting_for_node() -> Migration:
    """A cluster whose Shoot waits only for its last Node to become dual-stack."""
    migration = Migration(rollout="manual", shoot=opted_in(load_shoot(EXAMPLE.read_text(encoding="utf-8"))))
    migration.world.roll_nodes = False
    migration.trigger()
    while status_of_nodes(migration.world.store, "bar") != "Progressing":
        await migration.turn()
    nodes = migration.world.store.list(NODE)
    for number in range(len(nodes) - 1):
        become_dual_stack(migration.world.store, number)
    return migration


def status_of_nodes(store: KubeStore, name: str) -> str | None:
    """The status of the constraint DualStackNodesMigrationReady."""
    constraints = (store.get(SHOOT, name, "garden-foo") or {})["status"].get("constraints") or ()
    return next((entry["status"] for entry in constraints if entry["type"] == NODES), None)


def become_dual_stack(store: KubeStore, number: int) -> None:
    """The Node of this number joins again, with two pod CIDRs."""
    node = store.list(NODE)[number]
    store.delete(NODE, node["metadata"]["name"])
    cidrs = [node["spec"]["podCIDR"], f"2600:1900:4010:1234:0:{number + 1}::/112"]
    metadata = {"name": node["metadata"]["name"], "labels": node["metadata"]["labels"]}
    store.upsert(NODE, {**node, "metadata": metadata, "spec": {**node["spec"], "podCIDRs": cidrs}})


def waiting(store: KubeStore, migration: Migration, number: int) -> list[KubeStore]:
    """API servers of this many Shoots like the one of `migration`; what the seed and garden have is in `store` too."""
    world = migration.world
    everything, servers = world.store.snapshot(), []
    for each in range(number):
        text = json.dumps(world.store.snapshot()).replace(NS, waiting_namespace(each))
        text = text.replace('"bar"', f'"{waiting_name(each)}"')
        renamed = json.loads(re.sub(r'("uid": ")[0-9a-f]{8}', rf"\g<1>{each:08x}", text))
        servers.append(KubeStore(world.clock, Chance(each)))
        servers[-1].restore(renamed)
        for known, others in zip(everything["objects"], renamed["objects"], strict=True):
            known["items"] += [found for found in others["items"] if _is_of(found["metadata"], each)]
    store.restore(everything)
    return servers


def waiting_name(number: int) -> str:
    return f"waiting-{number}"


def waiting_namespace(number: int) -> str:
    return f"shoot--foo--{waiting_name(number)}"


def _is_of(metadata: Manifest, number: int) -> bool:
    """Whether the object is one of this Shoot's in the seed or in the garden."""
    namespace = waiting_namespace(number)
    return metadata.get("namespace") == namespace or metadata["name"] in (namespace, waiting_name(number))


def place(store: KubeStore, shoots: int) -> None:
    """Add Shoots that were reconciled long ago, their Clusters and Infrastructures."""
    example = load_shoot(EXAMPLE.read_text(encoding="utf-8"))
    last = {
        "type": "Reconcile",
        "state": "Succeeded",
        "progress": 100,
        "description": "done",
        "lastUpdateTime": rfc3339(time.time()),
    }
    for number in range(shoots):
        _place(store, copy.deepcopy(example), f"bar-{number}", last)


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


async def measure(landscape: str, shoots: int, settle: float, seconds: float, wait: int = WAITING) -> dict[str, Any]:
    """The figures of an operator in this landscape. wait: Shoots that wait for a Node, if it is not Gardener's."""
    calls: list[str] = []

    async def compute(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.json_response({}, status=403)

    cloud = web.Application()
    cloud.router.add_route("*", "/{tail:.*}", compute)
    migration = await waiting_for_node()
    store = migration.world.store
    servers = waiting(store, migration, wait if landscape == STANDALONE else 0)
    place(store, shoots)
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(on_loopback(create_app(store)))
            compute_url = await stack.enter_async_context(on_loopback(cloud))
            store.create(SECRET, shoot_access(NS, url))
            for number, server in enumerate(servers):
                own = await stack.enter_async_context(on_loopback(create_app(server)))
                store.create(SECRET, shoot_access(waiting_namespace(number), own))
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
                result |= {"computeCalls": len(calls), "reactionSeconds": await reaction(store)}
                reactions = [await node_reaction(store, server, number) for number, server in enumerate(servers)]
                if reactions:
                    result |= {OF_NODE: max(reactions), "medianNodeReactionSeconds": round(median(reactions), 3)}
                return result
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


async def node_reaction(store: KubeStore, server: KubeStore, number: int) -> float:
    """Seconds from the last dual-stack Node of this waiting Shoot to the constraint that says so."""
    assert status_of_nodes(store, waiting_name(number)) == "Progressing"
    began = time.monotonic()
    become_dual_stack(server, len(server.list(NODE)) - 1)
    while time.monotonic() < began + 30.0:
        if status_of_nodes(store, waiting_name(number)) == "True":
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
        for name, most in {**TARGETS, OF_NODE: TARGETS["reactionSeconds"]}.items()
        if figures[landscape].get(name, 0.0) > most
    ]
    sys.stdout.write(json.dumps({"manyShoots": figures, "targets": TARGETS, "missed": missed}) + "\n")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
