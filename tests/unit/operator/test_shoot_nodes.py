"""The watches of Nodes, one for each Shoot that migrates or is prepared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dualstack.gardener.model.names import ENABLED, PREPARED
from dualstack.kube.watching import Watched
from dualstack.model.kinds import NODE, Kind, Manifest
from dualstack.operator.queue import Key
from dualstack.operator.shoot_nodes import NodeInterest, ShootNodes
from tests.support.manifests import opted_in

FIRST, SECOND = Key("shoot", "garden-foo", "bar"), Key("shoot", "garden-foo", "baz")


def node(*cidrs: str, name: str = "n") -> Manifest:
    spec = {"podCIDRs": list(cidrs)} if cidrs else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}, "spec": spec}


def shoot(name: str = "bar", *constraints: str) -> Manifest:
    status = {"technicalID": f"shoot--foo--{name}", "constraints": [{"type": each} for each in constraints]}
    return opted_in({"metadata": {"name": name, "namespace": "garden-foo"}, "status": status})


def test_a_node_matters_when_its_pod_cidrs_change() -> None:
    interest = NodeInterest()
    assert interest.wakes(node())
    assert not interest.wakes(node()), "a heartbeat"
    assert interest.wakes(node("100.96.0.0/24", "2600::/112"))
    assert not interest.wakes(node("100.96.0.0/24", "2600::/112"))


def is_enabled(shoot: Manifest) -> bool:
    return (shoot["metadata"].get("annotations") or {}).get(ENABLED) == "true"


class Shoots:
    """The API servers of shoots, each with changes of its own to tell."""

    def __init__(self) -> None:
        self.changes: dict[str, asyncio.Queue[Manifest]] = {}
        self.forgotten: list[str] = []

    def of(self, namespace: str) -> Watched:
        self.changes.setdefault(namespace, asyncio.Queue())
        return Shoot(self.changes[namespace])

    async def forget(self, namespace: str) -> None:
        self.forgotten.append(namespace)


class Shoot:
    """One API server."""

    def __init__(self, changes: asyncio.Queue[Manifest]) -> None:
        self._changes = changes

    async def snapshot(self, kind: Kind) -> tuple[list[Manifest], str]:
        assert kind == NODE
        return [], "1"

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[tuple[str, Manifest]]:
        while True:
            yield "ADDED", await self._changes.get()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_x1_a_node_queues_the_shoot_whose_api_server_shows_it() -> None:
    shoots, added, gone = Shoots(), list[Key](), list[str]()
    nodes = ShootNodes(shoots, added.append, is_enabled, gone.append)
    try:
        for name in ("bar", "baz"):
            nodes.see(shoot(name, "DualStackNodesMigrationReady"))
        nodes.see(shoot("rest"))
        assert set(shoots.changes) == {"shoot--foo--bar", "shoot--foo--baz"}, "at rest no connection is open"
        shoots.changes["shoot--foo--baz"].put_nowait(node("100.96.0.0/24"))
        await turns()
        assert added == [SECOND]
        shoots.changes["shoot--foo--bar"].put_nowait(node("100.96.0.0/24"))
        await turns()
        assert added == [SECOND, FIRST], "a Node of the same name in another shoot is another Node"

        nodes.see(shoot("bar"))
        nodes.gone(SECOND, "shoot--foo--baz")
        for changes in shoots.changes.values():
            changes.put_nowait(node("100.96.9.0/24"))
        await turns()
    finally:
        await nodes.close()
    assert added == [SECOND, FIRST], "every watch has ended"
    assert shoots.forgotten == gone == ["shoot--foo--baz"]


async def test_p17_a_node_queues_the_infrastructure_of_a_prepared_shoot() -> None:
    shoots, added = Shoots(), list[Key]()
    nodes = ShootNodes(shoots, added.append, is_enabled)
    metadata = {"name": "bar", "namespace": "shoot--foo--bar"}
    try:
        nodes.see_infrastructure({"metadata": metadata})
        assert not shoots.changes
        nodes.see_infrastructure({"metadata": {**metadata, "annotations": {PREPARED: "begun"}}})
        shoots.changes["shoot--foo--bar"].put_nowait(node("100.96.0.0/24"))
        await turns()
        nodes.see_infrastructure({"metadata": metadata})
        shoots.changes["shoot--foo--bar"].put_nowait(node("100.96.9.0/24"))
        await turns()
    finally:
        await nodes.close()
    assert added == [Key("infrastructure", "shoot--foo--bar", "bar")], "the watch ends with the preparation"
