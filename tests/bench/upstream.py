"""`python -m tests.bench.upstream`: how long upstream's Infrastructure controller cuts nodes off, beside `compressed`.

The cluster and its cloud are those of `tests.bench.cutover`, in virtual time; the actor that plays provider-gcp takes
the place of the product (`dualstack_sim.actors.provider_gcp`). tests/contract/test_upstream_outage.py compares that
actor with the real program. Exit status 1 when a bound does not hold.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import product
from statistics import median
from typing import Any

import aiohttp
import click
import msgspec
import yaml

from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.decoys import Decoys
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClient
from dualstack.live.platform import LivePlatform
from dualstack.live.record import Record
from dualstack.model import names
from dualstack.model.errors import DualstackError
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.prepare import PREPARE
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp import ProviderGcp
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric
from dualstack_sim.kube.server import create_app as kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import World, build
from tests.bench import cutover
from tests.bench.bounds import Bound
from tests.bench.example import EXAMPLE, join_pairs
from tests.bench.reachability import Outages
from tests.support.loopback import on_loopback
from tests.support.store_kube import StoreKube
from tests.support.virtual_time import VirtualClock, VirtualLoop

SIZES = (3, 20, 100)
SEEDS = (1, 2, 3, 4, 5)
"""Of the latencies: one slow operation adds a multiple of the ten seconds between two polls."""

ANSWERS: Mapping[str, Mapping[str, float]] = {"at once": {}, "observed": OBSERVED_REQUESTS}
"""When the Compute API answers (docs/reference/compute-engine.md#request-latency)."""

SETTLED = 120.0
"""Seconds after which the last alias has taken effect on every host: upstream does not wait for it."""

Row = dict[str, Any]


@click.command()
@click.option("--nodes", type=int, multiple=True, help="Sizes instead of 3, 20 and 100.")
def main(nodes: tuple[int, ...]) -> None:
    """Run every size and print one JSON document."""
    rows = []
    for size, answers, way in product(nodes or SIZES, ANSWERS, WAYS):
        runs = [_run(WAYS[way](size, ANSWERS[answers], seed)) for seed in SEEDS]
        rows.append({"nodes": size, "answers": answers, "way": way} | _row(runs))
        click.echo(f"{size} {way} {answers}: {rows[-1]['blackoutSeconds']}", err=True)
    bounds = list(_bounds(rows))
    document = {"schema": "dualstack.bench.upstream/v1", "rows": rows, "bounds": [bound.as_json() for bound in bounds]}
    click.echo(msgspec.json.format(msgspec.json.encode(document)))
    sys.exit(0 if all(bound.holds for bound in bounds) else 1)


def _bounds(rows: list[Row]) -> Iterator[Bound]:
    """A prepared cluster loses nothing, and `compressed` is shorter than upstream."""
    medians = {(row["nodes"], row["answers"], row["way"]): row["blackoutSeconds"]["median"] for row in rows}
    for row in rows:
        place = (row["nodes"], row["answers"])
        name = f"{row['way']} {row['nodes']} answering {row['answers']}"
        yield Bound(f"{name}: not succeeded", float(not row["succeeded"]), 0.0)
        if row["way"] == "prepared":
            yield Bound(f"{name}: blackout", row["blackoutSeconds"]["max"], 0.0)
        if row["way"] == "compressed":
            yield Bound(f"{name}: blackout", row["blackoutSeconds"]["median"], medians[*place, "upstream"])


def _row(runs: list[Row]) -> Row:
    """One row for all seeds."""
    longest = sorted(run["blackoutSeconds"]["max"] for run in runs)
    return {
        "succeeded": all(run["state"] == "Succeeded" for run in runs),
        "blackoutSeconds": {"median": median(longest), "min": longest[0], "max": longest[-1]},
        "darkAtEnd": max(run["darkAtEnd"] for run in runs),
        "totalSeconds": median(run["totalSeconds"] for run in runs),
    }


async def _compressed(size: int, answers: Mapping[str, float], seed: int) -> Row:
    row = await cutover.migrate(size, "compressed", answers=answers, seed=seed)
    return row | {"blackoutSeconds": (row["pairs"] or row)["blackoutSeconds"], "darkAtEnd": 0}


WAYS: dict[str, Callable[[int, Mapping[str, float], int], Coroutine[Any, Any, Row]]] = {
    "upstream": lambda size, answers, seed: measure(size, answers=answers, seed=seed),
    "prepared": lambda size, answers, seed: measure(size, answers=answers, seed=seed, prepared=True),
    "compressed": _compressed,
}
"""Upstream's controller, the same on a prepared cluster, and the product's strategy with an outage."""


def _run(work: Coroutine[Any, Any, Row]) -> Row:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def measure(
    size: int, *, answers: Mapping[str, float] = OBSERVED_REQUESTS, prepared: bool = False, seed: int = 1
) -> Row:
    """One migration; must run in a VirtualLoop. Times in seconds of the cloud.

    answers: `LatencyProfile.requests`. Up to `cutover.PAIRED` nodes the blackouts are those of pairs, as
    hosts with delays of their own see them; above, those of nodes (`tests.bench.reachability`).
    """
    clock, chance = VirtualClock(), Chance(seed)
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    ns = ShootView.of(shoot).technical_id
    outages, fabric = Outages(gardener_names.nodes_subnet(ns), names.POD_RANGE_NAME), Fabric(clock, chance)
    paired = size <= cutover.PAIRED

    def on_commit(commit: Commit) -> None:
        outages.on_commit(commit)
        if paired:
            fabric.on_commit(commit)

    zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
    limits = Limits(static_routes_per_network=2 * size + 200)
    regions = {shoot["spec"]["region"]: zones}
    latency = LatencyProfile(requests=answers)
    compute = Compute(clock, chance, regions=regions, quotas=limits, latency=latency, on_commit=on_commit)
    store = KubeStore(clock, chance)
    world = build(ApiServers.one(store), compute, shoot, nodes=size, token_uri="", clock=clock, chance=chance)
    outages.start({node.name: node.pod_cidr for node in world.nodes})
    if paired:
        join_pairs(fabric, world, clock.now())
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        on_loopback(compute_app(compute)) as url,
        on_loopback(kube_app(store)) as kube_url,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        if prepared:
            await _prepare(url, store, world, clock)
        _edit(store, world)
        kube, client = KubeApi(kube_url, session), ComputeApi(url, session, compute.project.name)
        context = ActorContext(kube, client, clock, chance, ns, fabric.traffic)
        began, state = clock.now(), "Succeeded"
        try:
            await ProviderGcp(context).reconcile((ns, world.shoot["metadata"]["name"]))
        except DualstackError as error:
            state = str(error)
        total = clock.now() - began
        await clock.sleep(SETTLED)
    blackouts = outages.blackouts(clock.now())
    pairs = fabric.traffic.report(clock.now()).blackout_seconds if paired else None
    return {
        "state": state,
        "blackoutSeconds": {"max": round(pairs["max"] if pairs else blackouts[-1], 1)},
        "darkAtEnd": len(outages.since),
        "totalSeconds": round(total, 1),
    }


async def _prepare(url: str, store: KubeStore, world: World, clock: VirtualClock) -> None:
    """As `dualstack prepare` does."""
    shoot, kube = ShootView.of(world.shoot), StoreKube(store)
    cluster = Desired.of(shoot, project="proj-1", region=shoot.region).cluster
    client = ComputeClient(cluster.project, clock, endpoint=url)
    try:
        decoys = Decoys(client, kube, clock, ignored, cluster)
        platform = LivePlatform(kube, Record(kube, nothing))
        await CutOver(client, cluster, platform, decoys, clock, ignored, Settings()).forward(PREPARE)
    finally:
        await client.close()


async def nothing() -> None:
    """No other process changes the cluster."""


def ignored(_: object) -> None:
    """A listener."""


def _edit(store: KubeStore, world: World) -> None:
    """The Cluster as gardenlet writes it in the run that migrates: both families and the constraint."""
    shoot = world.shoot
    networking = {**shoot["spec"]["networking"], "ipFamilies": ["IPv4", "IPv6"]}
    constraint = {"type": gardener_names.NODES_MIGRATION, "status": "Progressing"}
    status = {**shoot.get("status", {}), "constraints": [constraint]}
    changed = {**shoot, "spec": {**shoot["spec"], "networking": networking}, "status": status}
    store.patch(gardener_kinds.CLUSTER, world.technical_id, {"spec": {"shoot": changed}})


if __name__ == "__main__":
    main()
