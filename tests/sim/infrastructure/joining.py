"""Nodes that join a scene, and their aliases."""

from __future__ import annotations

from dualstack.model import kinds
from tests.sim.infrastructure.scene import NS, ZONE, Scene


async def aliases(made: Scene) -> list[str]:
    listed = await made.compute.answer("instances.list", ZONE)
    found = [vm["networkInterfaces"][0].get("aliasIpRanges", []) for vm in listed["items"]]
    return sorted(alias["ipCidrRange"] for entry in found for alias in entry)


async def join(made: Scene, name: str, pod_cidr: str, *, routed: bool = True) -> None:
    """A VM with its Node, and its route if `routed`."""
    first = made.world.nodes[0]
    old = await made.resource("instances.get", ZONE, first.name)
    nic = {"subnetwork": old["networkInterfaces"][0]["subnetwork"]}
    body = {"name": name, "machineType": old["machineType"], "canIpForward": True, "tags": old["tags"]}
    vm = made.compute.place("instances", ZONE, {**body, "networkInterfaces": [nic]})
    node = made.store.get(kinds.NODE, first.name)
    assert node is not None
    labels = dict(node["metadata"].get("labels") or {})
    spec = {
        "podCIDR": pod_cidr,
        "podCIDRs": [pod_cidr],
        "providerID": node["spec"]["providerID"].replace(first.name, name),
    }
    made.store.upsert(
        kinds.NODE, {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": node["status"]}
    )
    made.fabric.traffic.join(made.clock.now(), name, [pod_cidr])
    if not routed:
        return
    route = {"name": f"{NS}-zzzzz", "network": vm["networkInterfaces"][0]["network"], "destRange": pod_cidr}
    made.compute.place(
        "routes",
        "global",
        {**route, "nextHopInstance": vm["selfLink"], "priority": 1000, "description": "k8s-node-route"},
    )
