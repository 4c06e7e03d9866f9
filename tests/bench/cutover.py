"""`python -m tests.bench.cutover`: what the cut-over of large clusters costs, as JSON.

The whole Infrastructure migration against the simulated Compute Engine over HTTP, in virtual time, with its quotas and
the latencies of operations and of requests (docs/reference/compute-engine.md#request-latency). Nodes and Machines are
objects in the store, and no kubelet runs. Each run has a process of its own, so that its memory does not include that
of another. Exit status 1 when a bound does not hold.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec
import yaml
from aiohttp import web

from dualstack.clock import rfc3339
from dualstack.gardener.controllers.infrastructure import InfrastructureController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClients
from dualstack.gce.credentials import Anonymous
from dualstack.model import kinds, names
from dualstack.model.events import AnyEvent
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import STRATEGIES
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import World, build
from tests.bench.bounds import bounds_of
from tests.bench.example import EXAMPLE, join_pairs
from tests.bench.planning import plan
from tests.bench.reachability import PROPAGATION, Outages
from tests.bench.timing import PREFIXES, STOP, operations_of, outage_bound, permitted, slowest, steps_of
from tests.support.clusters import one_api_server
from tests.support.controller_pods import ControllerPods
from tests.support.store_kube import StoreKube
from tests.support.virtual_time import VirtualClock, VirtualLoop

SIZES = (100, 130, 1000, 5000)
PAIRED = 130
"""Up to this size every pair of nodes is watched by the fabric as well: pairs grow with the square."""


@click.command()
@click.option("--nodes", type=int, multiple=True, help="Sizes instead of 100, 130, 1000 and 5000.")
@click.option("--strategy", multiple=True, type=click.Choice(list(STRATEGIES)))
@click.option("--one", is_flag=True, hidden=True)
def main(nodes: tuple[int, ...], strategy: tuple[str, ...], one: bool) -> None:
    """Run every size with every strategy and print one JSON document."""
    if one:
        planner = plan(nodes[0], strategy[0])  # first, so that the memory holds no world yet
        click.echo(msgspec.json.encode(_run(nodes[0], strategy[0]) | {"planner": planner}))
        return
    rows = []
    for size in nodes or SIZES:
        for name in strategy or STRATEGIES:
            rows.append(_in_a_process(size, name))
            click.echo(f"{size} {name}: {rows[-1]['totalSeconds']} s", err=True)
    bounds = bounds_of(rows)
    document = {"schema": "dualstack.bench.cutover/v1", "rows": rows, "bounds": [bound.as_json() for bound in bounds]}
    click.echo(msgspec.json.format(msgspec.json.encode(document)))
    sys.exit(0 if all(bound.holds for bound in bounds) else 1)


def _in_a_process(size: int, strategy: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.cutover", "--one", "--nodes", str(size), "--strategy", strategy]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    row: dict[str, Any] = msgspec.json.decode(done.stdout)
    return row


def _run(size: int, strategy: str) -> dict[str, Any]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(migrate(size, strategy))


async def migrate(
    size: int,
    strategy: str,
    limits: Limits | None = None,
    *,
    answers: Mapping[str, float] = OBSERVED_REQUESTS,
    seed: int = 1,
) -> dict[str, Any]:
    """One migration; must run in a VirtualLoop. Times in seconds of the cloud; answers: `LatencyProfile.requests`."""
    clock, chance = VirtualClock(), Chance(seed)
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    ns = ShootView.of(shoot).technical_id
    outages, fabric = Outages(gardener_names.nodes_subnet(ns), names.POD_RANGE_NAME), Fabric(clock, chance)
    paired = size <= PAIRED

    prefixes: dict[str, float] = {}

    def on_commit(commit: Commit) -> None:
        outages.on_commit(commit)
        if (commit.after or {}).get("externalIpv6Prefix"):
            prefixes.setdefault(commit.name, commit.at)
        if paired:
            fabric.on_commit(commit)

    region = shoot["spec"]["region"]
    zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
    limits = limits or Limits(static_routes_per_network=2 * size + 200)
    latency = LatencyProfile(requests=answers)
    compute = Compute(clock, chance, regions={region: zones}, quotas=limits, latency=latency, on_commit=on_commit)
    minutes: Counter[tuple[str, int]] = Counter()
    runner = web.AppRunner(_counted(create_app(compute), minutes, clock), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    store = KubeStore(clock, chance)
    world = build(
        ApiServers.one(store), compute, shoot, nodes=size, token_uri=f"{url}/token", clock=clock, chance=chance
    )
    clients = ComputeClients(clock, endpoint=url, credentials_for=lambda _: Anonymous())
    events: list[AnyEvent] = []
    controller = InfrastructureController(
        one_api_server(StoreKube(store)), clients, clock, events.append, strategy=strategy
    )
    name = world.shoot["metadata"]["name"]
    _trigger(store, clock, world.shoot, ns)
    compute.reset_statistics()
    outages.start({node.name: node.pod_cidr for node in world.nodes})
    if paired:
        join_pairs(fabric, world, clock.now())
    pods = ControllerPods(store, clock, ns, grace=30.0)
    following = asyncio.create_task(pods.run())
    await asyncio.sleep(0)  # the first pod
    began, wall = clock.now(), time.monotonic()
    try:
        await controller.reconcile(name, ns)
    finally:
        following.cancel()
        await clients.close()
        await runner.cleanup()
    total = clock.now() - began
    statistics = compute.statistics()
    steps, operations = steps_of(events), await operations_of(compute, region, zones, began)
    per_minute = limits.requests_per_minute
    reached = {STOP: pods.replaced, PREFIXES: max(prefixes.values(), default=None)}
    return {
        "nodes": size,
        "strategy": strategy,
        "state": _state(store, name, ns),
        "blackoutSeconds": _spread(outages.blackouts()),
        "pairs": _pairs(fabric, world, clock.now() + PROPAGATION) if paired else None,
        "boundSeconds": round(outage_bound(steps, operations, per_minute, PROPAGATION), 1),
        "totalSeconds": round(total, 1),
        "controllerAwaySeconds": round(pods.finish(), 1),
        "permittedSeconds": round(permitted(steps, operations, Settings(), per_minute, reached, answers), 1),
        "callsPerNode": round(statistics["calls"] / size, 3),
        "mutationsPerNode": round(statistics["mutations"] / size, 3),
        "peakCallsPerMinute": max(count for (kind, _), count in minutes.items() if kind == "calls"),
        "rateLimited": statistics["rateLimited"],
        "windows": {
            group: [minutes[kind, minute] for kind, minute in sorted(minutes) if kind == group]
            for group in ("global changes", "regional changes")
        },
        "slowestOperations": {kind: round(seconds, 1) for kind, seconds in slowest(operations).items()},
        "byMethod": statistics["byMethod"],
        "wallSeconds": round(time.monotonic() - wall, 1),
    }


def _pairs(fabric: Fabric, world: World, at: float) -> dict[str, Any]:
    """For each node the longest blackout of a pair that leads to it, as hosts with delays of their own see it."""
    report = fabric.traffic.report(at)
    longest = {node.name: 0.0 for node in world.nodes}
    for pair in report.broken_pairs:
        if pair.family == 4:
            longest[pair.destination] = max(longest[pair.destination], pair.seconds)
    return {"pairs": report.pairs, "blackoutSeconds": _spread(sorted(longest.values()))}


def _spread(ascending: Sequence[float]) -> dict[str, float]:
    """Nearest ranks."""
    return {
        "p50": round(ascending[math.ceil(0.5 * len(ascending)) - 1], 1),
        "p99": round(ascending[math.ceil(0.99 * len(ascending)) - 1], 1),
        "max": round(ascending[-1], 1),
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
    store.patch(gardener_kinds.CLUSTER, ns, {"spec": {"shoot": changed}})
    annotations = {
        gardener_names.OPERATION: gardener_names.RECONCILE,
        gardener_names.TIMESTAMP: rfc3339(clock.now(), fraction=True),
    }
    store.patch(
        gardener_kinds.INFRASTRUCTURE, shoot["metadata"]["name"], {"metadata": {"annotations": annotations}}, ns
    )


def _state(store: KubeStore, name: str, ns: str) -> str:
    found = store.get(gardener_kinds.INFRASTRUCTURE, name, ns)
    return str(found["status"]["lastOperation"]["state"]) if found else "gone"


if __name__ == "__main__":
    main()
