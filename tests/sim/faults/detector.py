"""The network problem detector of a scene without machines: Nodes say which other nodes their pods do not reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

from dualstack.model import kinds
from tests.sim.infrastructure.scene import Scene

PERIOD = 10.0
"""Simulated seconds between two rounds."""

CONDITION = "ClusterNetworkProblem"


@asynccontextmanager
async def detector(made: Scene) -> AsyncIterator[None]:
    """Keep the condition of every Node up to date."""
    running = asyncio.create_task(_watch(made))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _watch(made: Scene) -> None:
    shown: dict[str, list[str]] = {}
    while True:
        for node in made.world.nodes:
            others = [other for other in made.world.nodes if other is not node]
            dark = [other.name for other in others if not _reaches(made, node.name, other.name, other.pod_cidr)]
            if shown.get(node.name, []) != dark:
                shown[node.name] = dark
                _report(made, node.name, dark)
        await made.clock.sleep(PERIOD)


def _reaches(made: Scene, source: str, target: str, pod_cidr: str) -> bool:
    return made.fabric.probe(source, str(ip_network(pod_cidr)[5])).delivered_to == target


def _report(made: Scene, name: str, dark: list[str]) -> None:
    found = made.store.get(kinds.NODE, name)
    assert found is not None
    message = f"pods do not reach {', '.join(dark)}" if dark else "all pods are reached"
    condition = {"type": CONDITION, "status": "True" if dark else "False", "message": message}
    kept = [entry for entry in found["status"].get("conditions") or () if entry["type"] != CONDITION]
    made.store.patch(kinds.NODE, name, {"status": {"conditions": [*kept, condition]}}, subresource="status")
