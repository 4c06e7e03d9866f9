"""Reads everything that the preflight and the plan of a live cluster look at."""

from __future__ import annotations

from dataclasses import replace

from dualstack.cli.live.change import Change, Progress
from dualstack.cli.live.connect import Connected
from dualstack.gardener.model.names import internal_subnet, ipv6_firewalls
from dualstack.live.reading import read_inventory
from dualstack.live.record import PROVEN
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.prepare import PREPARE
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.reading import Preflight


async def observed(cluster: Connected) -> CutoverFacts | DualstackError:
    """The state of the cut-over, or why it cannot be read."""
    try:
        return await Change(cluster, Progress(cluster.clock.now())).cut_over().observe()
    except DualstackError as error:
        return error


async def inspect(
    cluster: Connected,
    facts: CutoverFacts | DualstackError,
    strategy: Strategy = PREPARE,
    settings: Settings | None = None,
    prober_image: str = "",
) -> Inventory:
    """What all checks look at."""
    platform = cluster.identity.platform
    gardener = platform == "gardener"
    preflight = Preflight(
        cluster.compute,
        cluster.identity.cluster,
        settings or Settings(),
        planned_firewalls=ipv6_firewalls(cluster.identity.cluster.name) if gardener else (),
        prober_image=prober_image,
        guest_agent=cluster.landscape.guest_agent,
    )
    inventory = await read_inventory(
        cluster.kube, preflight, facts, strategy, platform=platform, now=cluster.clock.now()
    )
    if gardener:
        inventory = replace(inventory, cluster=_with_internal_subnet(inventory))
    return replace(
        inventory,
        deleted_elsewhere=gardener and not await _proven(cluster),
        answers={**inventory.answers, **cluster.landscape.answers},
    )


def _with_internal_subnet(inventory: Inventory) -> Cluster:
    """The cluster with the internal subnet if it has one, which Gardener makes dual-stack too."""
    name = internal_subnet(inventory.cluster.name)
    try:
        return replace(inventory.cluster, internal_subnet=name if inventory.subnet(name) else "")
    except DualstackError:
        return inventory.cluster


async def _proven(cluster: Connected) -> bool:
    """Whether an earlier run has proven every alias; False when that cannot be read."""
    try:
        return PROVEN in await Change(cluster, Progress(cluster.clock.now())).record.notes()
    except DualstackError:
        return False
