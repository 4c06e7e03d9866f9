"""Requests to roll back, and the state that they must lead to."""

from __future__ import annotations

from typing import Any

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack_sim.compute.project.knobs import Knobs
from tests.sim.infrastructure.scene import ZONE, Scene

ALLOW = Knobs(new_route_in_flagged_range="allow")


BACK = {"dualstack.dev/cut-over": "back"}


def annotate(made: Scene, annotations: dict[str, Any]) -> None:
    """As the shoot controller relays what the Shoot's owner requests during a reconcile of the Infrastructure."""
    body = {"spec": {"shoot": {"metadata": {"annotations": annotations}}}}
    made.store.patch(gardener_kinds.CLUSTER, made.namespace, body)


async def assert_on_routes(made: Scene) -> None:
    """IPv4 alone, as if nothing had been (docs/reference/gardener.md#golden-state-at-rest)."""
    routes = {route["destRange"]: route["nextHopInstance"] for route in await made.node_routes()}
    assert sorted(routes) == sorted(node.pod_cidr for node in made.world.nodes)
    for node in made.world.nodes:
        assert routes[node.pod_cidr].endswith(f"/instances/{node.name}")
        interface = (await made.resource("instances.get", ZONE, node.name))["networkInterfaces"][0]
        assert not interface.get("aliasIpRanges")
    subnet = await made.subnet()
    assert not subnet.get("secondaryIpRanges")
    assert not subnet.get("allowSubnetCidrRoutesOverlap")
    assert not made.controller_manager_is_ignored()
    assert not made.infrastructure()["status"]["state"].get("routes")
