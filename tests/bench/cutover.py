"""`python -m tests.bench.cutover`: what the cut-over of large clusters costs, as JSON.

The whole Infrastructure migration against the simulated Compute Engine over HTTP at its latencies and quotas, in
virtual time; Nodes and Machines stand in the store, and no kubelet runs. One process for each run, so that the memory
of one is not counted for the next.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml
from aiohttp import web

from dualstack.clock import rfc3339
from dualstack.controllers.infrastructure import InfrastructureController
from dualstack.gce import ComputeClients
from dualstack.gce.credentials import Anonymous
from dualstack.model import kinds, names
from dualstack.model.events import AnyEvent
from dualstack.model.shoot import ShootView
from dualstack.plan.facts import ControllerFacts, CutoverFacts, NodeFacts, RouteFacts, SubnetFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategy import STRATEGIES
from dualstack_sim.chance import Chance
from dualstack_sim.compute.backend import Compute
from dualstack_sim.compute.quotas import Limits
from dualstack_sim.compute.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.builder import build
from tests.bench.reachability import PROPAGATION, Darkness
from tests.bench.virtual_time import VirtualClock, VirtualLoop
from tests.unit.controllers.store_kube import StoreKube

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"
SIZES = (100, 130, 1000, 5000)
PER_MINUTE = Limits().requests_per_minute
DEAREST = 1000
"""Up to this size `gardener` runs unless it is asked for: it looks at everything after each node."""


@click.command()
@click.option("--nodes", type=int, multiple=True, help="Sizes instead of 100, 130, 1000 and 5000.")
@click.option("--strategy", multiple=True, type=click.Choice(["overlap", "compressed", "gardener"]))
@click.option("--one", is_flag=True, hidden=True)
def main(nodes: tuple[int, ...], strategy: tuple[str, ...], one: bool) -> None:
    """Run every size with every strategy and print one JSON document."""
    if one:
        click.echo(msgspec.json.encode(_run(nodes[0], strategy[0])))
        return
    sizes = nodes or SIZES
    rows = []
    for size in sizes:
        for name in strategy or ("overlap", "compressed", "gardener"):
            if strategy or name != "gardener" or size <= DEAREST:
                rows.append(_in_a_process(size, name))
                click.echo(f"{size} {name}: {rows[-1]['totalSeconds']} s", err=True)
    plans = [plan(size) for size in sizes]
    click.echo(msgspec.json.format(msgspec.json.encode({"cutover": rows, "plan": plans, "reach": reach(rows, plans)})))


def _in_a_process(size: int, strategy: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.cutover", "--one", "--nodes", str(size), "--strategy", strategy]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    row: dict[str, Any] = msgspec.json.decode(done.stdout)
    return row


def _run(size: int, strategy: str) -> dict[str, Any]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(migrate(size, strategy))


async def migrate(size: int, strategy: str, limits: Limits | None = None) -> dict[str, Any]:
    """One migration; must run in a VirtualLoop. Times in seconds of the cloud."""
    clock, chance = VirtualClock(), Chance(1)
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    ns = ShootView.of(shoot).technical_id
    dark = Darkness(names.nodes_subnet(ns), names.POD_RANGE_NAME)
    zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
    compute = Compute(
        clock,
        chance,
        regions={shoot["spec"]["region"]: zones},
        quotas=limits or Limits(static_routes_per_network=2 * size + 200),
        on_commit=dark.on_commit,
    )
    minutes: Counter[tuple[str, int]] = Counter()
    runner = web.AppRunner(_counted(create_app(compute), minutes, clock), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    store = KubeStore(clock, chance)
    world = build(store, compute, shoot, nodes=size, token_uri=f"{url}/token", clock=clock, chance=chance)
    clients = ComputeClients(clock, endpoint=url, credentials_for=lambda _: Anonymous())
    events: list[AnyEvent] = []
    controller = InfrastructureController(StoreKube(store), clients, clock, events.append, strategy=strategy)
    name = world.shoot["metadata"]["name"]
    _trigger(store, clock, world.shoot, ns)
    compute.reset_statistics()
    dark.start(node.name for node in world.nodes)
    began, wall = clock.now(), time.monotonic()
    try:
        await controller.reconcile(name, ns)
        total = clock.now() - began
        slowest = await _slowest(compute, shoot["spec"]["region"], zones)
    finally:
        await clients.close()
        await runner.cleanup()
    statistics = compute.statistics()
    return _figures(size, strategy, dark, statistics, minutes, slowest) | {
        "state": _state(store, name, ns),
        "totalSeconds": round(total, 1),
        "permittedSeconds": round(_permitted(size, strategy, slowest), 1),
        "wallSeconds": round(time.monotonic() - wall, 1),
    }


def _counted(application: web.Application, minutes: Counter[tuple[str, int]], clock: VirtualClock) -> web.Application:
    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        minute = int(clock.now() // 60)
        minutes["calls", minute] += 1
        response: web.StreamResponse = await handler(request)
        if request.method != "GET" and response.status == 200:
            minutes[_group(request.path), minute] += 1
        return response

    application.middlewares.insert(0, count)
    return application


def _group(path: str) -> str:
    """The quota that a mutation is charged to."""
    return "global changes" if "/global/" in path else "regional changes"


def _trigger(store: KubeStore, clock: VirtualClock, shoot: kinds.Manifest, ns: str) -> None:
    networking = {**shoot["spec"]["networking"], "ipFamilies": ["IPv4", "IPv6"]}
    changed = {**shoot, "spec": {**shoot["spec"], "networking": networking}}
    store.patch(kinds.CLUSTER, ns, {"spec": {"shoot": changed}})
    annotations = {names.OPERATION: names.RECONCILE, names.TIMESTAMP: rfc3339(clock.now(), fraction=True)}
    store.patch(kinds.INFRASTRUCTURE, shoot["metadata"]["name"], {"metadata": {"annotations": annotations}}, ns)


def _state(store: KubeStore, name: str, ns: str) -> str:
    found = store.get(kinds.INFRASTRUCTURE, name, ns)
    return str(found["status"]["lastOperation"]["state"]) if found else "gone"


async def _slowest(compute: Compute, region: str, zones: list[str]) -> dict[str, float]:
    """The longest operation of each kind, in seconds."""
    slowest: dict[str, float] = {}
    scopes = [("globalOperations", "global"), ("regionOperations", f"regions/{region}")]
    scopes += [("zoneOperations", f"zones/{zone}") for zone in zones]
    for kind, scope in scopes:
        token = ""
        while True:
            page = await compute.answer(f"{kind}.list", scope, query={"pageToken": token} if token else {})
            for operation in page.get("items", ()):
                target = operation["targetLink"].rsplit("/", 2)[1]
                taken = _seconds(operation["endTime"]) - _seconds(operation["insertTime"])
                key = f"{target}.{operation['operationType']}"
                slowest[key] = max(slowest.get(key, 0.0), taken)
            token = page.get("nextPageToken", "")
            if not token:
                break
    return slowest


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _bound(size: int, slowest: dict[str, float]) -> float:
    """Slowest delete, range, slowest alias, propagation, and the minutes that quotas add (issue of `compressed`)."""
    windows = 2 * (math.ceil(size / PER_MINUTE) - 1) * 60.0
    return (
        slowest.get("routes.delete", 0.0)
        + slowest.get("subnetworks.patch", 0.0)
        + slowest.get("instances.updateNetworkInterface", 0.0)
        + PROPAGATION
        + windows
    )


def _permitted(size: int, strategy: str, slowest: dict[str, float]) -> float:
    """The shortest total: what the plan waits on purpose, its operations one after the other, and the quotas."""
    settings = Settings()
    barriers = 0.0
    batches = 1
    if strategy == "overlap":
        stages = len(settings.delete_shares)
        barriers = settings.barrier_flag + settings.barrier_range + settings.barrier_canary + settings.soak_aliases
        barriers += settings.barrier_route_canary + (stages - 1) * settings.barrier_routes
        batches = 1 + len(settings.alias_shares)
    if strategy == "gardener":
        batches = 2 * size  # polled every ten seconds, and most operations take less
        return batches / 2 * 10.0 + sum(slowest.values())
    windows = 2 * (math.ceil(size / PER_MINUTE) - 1) * 60.0
    operations = sum(slowest.values()) + (batches - 1) * slowest["instances.updateNetworkInterface"]
    return barriers + operations + windows + 30.0


def _figures(
    size: int,
    strategy: str,
    dark: Darkness,
    statistics: dict[str, Any],
    minutes: Counter[tuple[str, int]],
    slowest: dict[str, float],
) -> dict[str, Any]:
    blackouts = dark.blackouts()
    return {
        "nodes": size,
        "strategy": strategy,
        "blackoutSeconds": {
            "p50": round(blackouts[len(blackouts) // 2], 1),
            "p99": round(blackouts[math.ceil(0.99 * len(blackouts)) - 1], 1),
            "max": round(blackouts[-1], 1),
        },
        "boundSeconds": round(_bound(size, slowest), 1),
        "callsPerNode": round(statistics["calls"] / size, 3),
        "mutationsPerNode": round(statistics["mutations"] / size, 3),
        "rateLimited": statistics["rateLimited"],
        "peakCallsPerMinute": max(count for (kind, _), count in minutes.items() if kind == "calls"),
        "windows": {
            group: [minutes[kind, minute] for kind, minute in sorted(minutes) if kind == group]
            for group in ("global changes", "regional changes")
        },
        "slowestOperations": {kind: round(seconds, 1) for kind, seconds in sorted(slowest.items())},
        "byMethod": statistics["byMethod"],
    }


def plan(size: int) -> dict[str, Any]:
    """Seconds of CPU and memory for the whole plan of `overlap`, every step of it, from a cluster at rest."""
    facts = _at_rest(size)
    settings, strategy = Settings(), STRATEGIES["overlap"]
    begun = time.process_time()
    steps = sum(1 for _ in strategy.transitions(facts, settings))
    seconds = time.process_time() - begun
    tracemalloc.start()
    for _ in strategy.transitions(_at_rest(size), settings):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"nodes": size, "steps": steps, "seconds": round(seconds, 3), "megabytes": round(peak / 2**20, 1)}


def _at_rest(size: int) -> CutoverFacts:
    machines = [(f"node-{index:05}", f"100.{96 + index // 256}.{index % 256}.0/24") for index in range(size)]
    return CutoverFacts(
        pods_cidr="100.96.0.0/11",
        range_name=names.POD_RANGE_NAME,
        subnet=SubnetFacts("nodes", "europe-west1"),
        routes=tuple(RouteFacts(f"route-{name}", cidr, name, "europe-west1-b") for name, cidr in machines),
        nodes=tuple(NodeFacts(name, "europe-west1-b", cidr) for name, cidr in machines),
        saved_routes=(),
        controller=ControllerFacts(replicas=1, pods=1, ignored=False),
    )


def reach(rows: list[dict[str, Any]], plans: list[dict[str, Any]]) -> dict[str, bool]:
    """The bounds of the issue that these rows can tell of, and whether each holds."""
    by = {(row["nodes"], row["strategy"]): row for row in rows}
    found = {
        f"{row['strategy']} blackout at {row['nodes']}": row["blackoutSeconds"]["max"] == 0.0
        if row["strategy"] == "overlap"
        else row["blackoutSeconds"]["max"] <= 1.15 * row["boundSeconds"]
        for row in rows
        if row["strategy"] != "gardener"
    }
    found |= {
        f"{row['strategy']} total time at {row['nodes']}": row["totalSeconds"] <= 1.2 * row["permittedSeconds"]
        for row in rows
        if row["strategy"] != "gardener"
    }
    for name in ("overlap", "compressed"):
        if row := by.get((1000, name)):
            found[f"{name} calls per node at 1000"] = row["callsPerNode"] <= 2.3 and row["mutationsPerNode"] <= 2.05
    if (1000, "compressed") in by and (1000, "gardener") in by:
        ours, theirs = (by[1000, name]["blackoutSeconds"]["max"] for name in ("compressed", "gardener"))
        found["compressed ten times shorter than gardener at 1000"] = theirs >= 10 * ours
    for made in plans:
        found[f"plan for {made['nodes']}"] = made["seconds"] < 1.0 and made["megabytes"] < 200
    return found


if __name__ == "__main__":
    main()
