"""How long upstream's Infrastructure controller cuts nodes off, in virtual time.

The cluster and its cloud are those of `tests.bench.cutover`; the actor that plays provider-gcp takes the place of the
product (`dualstack_sim.actors.provider_gcp`).
"""

from __future__ import annotations

from typing import Any

import aiohttp
import yaml

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.shoot import ShootView
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp import ProviderGcp
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric
from dualstack_sim.kube.server import create_app as kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.builder import World, build
from dualstack_sim.world.gardener.prepared import prepare
from tests.bench.example import EXAMPLE, join_pairs
from tests.bench.virtual_time import VirtualClock
from tests.support.loopback import on_loopback

SETTLED = 120.0
"""Seconds after which the last alias has taken effect on every host: upstream does not wait for it."""


async def measure(size: int, *, prepared: bool = False, seed: int = 1) -> dict[str, Any]:
    """One migration; must run in a VirtualLoop. Times in seconds of the cloud.

    Every pair of nodes is watched, as hosts with delays of their own see it.
    """
    clock, chance = VirtualClock(), Chance(seed)
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    fabric = Fabric(clock, chance)
    region = shoot["spec"]["region"]
    zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
    limits = Limits(static_routes_per_network=2 * size + 200)
    compute = Compute(clock, chance, regions={region: zones}, quotas=limits, on_commit=fabric.on_commit)
    store = KubeStore(clock, chance)
    world = build(store, compute, shoot, nodes=size, token_uri="", clock=clock, chance=chance)
    if prepared:
        await prepare(compute, world, clock)
    _edit(store, world)
    compute.reset_statistics()
    join_pairs(fabric, world, clock.now())
    began = clock.now()
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        on_loopback(compute_app(compute)) as url,
        on_loopback(kube_app(store)) as kube_url,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        kube, client = KubeApi(kube_url, session), ComputeApi(url, session, compute.project.name)
        context = ActorContext(kube, client, clock, chance, world.technical_id, fabric.traffic)
        await ProviderGcp(context).reconcile((world.technical_id, world.shoot["metadata"]["name"]))
        total = clock.now() - began
        await clock.sleep(SETTLED)
    report = fabric.traffic.report(clock.now())
    return {
        "nodes": size,
        "prepared": prepared,
        "seed": seed,
        "pairs": report.pairs,
        "brokenPairs": len(report.broken_pairs),
        "unreachablePairs": report.current,
        "blackoutSeconds": report.blackout_seconds,
        "totalSeconds": round(total, 1),
        "callsPerNode": round(compute.statistics()["calls"] / size, 3),
    }


def _edit(store: KubeStore, world: World) -> None:
    """The Cluster as gardenlet writes it in the run that migrates: both families and the constraint."""
    shoot = world.shoot
    networking = {**shoot["spec"]["networking"], "ipFamilies": ["IPv4", "IPv6"]}
    constraint = {"type": gardener_names.NODES_MIGRATION, "status": "Progressing"}
    status = {**shoot.get("status", {}), "constraints": [constraint]}
    changed = {**shoot, "spec": {**shoot["spec"], "networking": networking}, "status": status}
    store.patch(gardener_kinds.CLUSTER, ShootView.of(shoot).technical_id, {"spec": {"shoot": changed}})
