"""VMs that end while a cut-over runs, and the machine controller, which replaces them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model import kinds, names
from dualstack.model.cidr import block
from dualstack_sim.actors.machine_instances import instance_body
from dualstack_sim.actors.network_problem_detector import CONDITION
from dualstack_sim.compute.api.errors import ApiError, ConnectionCut
from dualstack_sim.world.nodes import WorldNode
from tests.storm.world import StormWorld

JOINS = 40.0
"""Seconds from a running VM to its Node."""


@dataclass(frozen=True, slots=True)
class Loss:
    """`after` seconds, the VM of the node `number` ends; replaced: another one takes its place."""

    after: float
    number: int
    replaced: bool


async def lose(world: StormWorld, loss: Loss) -> None:
    """Let the VM end, as a preempted one does, remove its Machine and Node, and replace it."""
    await world.clock.sleep(loss.after)
    left = sorted((node for node in world.nodes if node.name not in world.ending), key=lambda node: node.name)
    if len(left) < 2:
        return
    gone = left[loss.number % len(left)]
    world.ending.add(gone.name)
    template = await _vm(world, gone)
    await _change(world, "instances.delete", gone)
    machine = world.store.get(gardener_kinds.MACHINE, gone.name, world.namespace)
    node = world.store.get(kinds.NODE, gone.name)
    assert template is not None
    assert machine is not None
    assert node is not None
    while await _vm(world, gone) is not None:
        await world.clock.sleep(1.0)
    world.store.delete(gardener_kinds.MACHINE, gone.name, world.namespace)
    world.store.delete(kinds.NODE, gone.name)
    world.nodes.remove(gone)
    if loss.replaced:
        await _replace(world, gone, machine, node)


async def _replace(world: StormWorld, gone: WorldNode, machine: dict[str, Any], node: dict[str, Any]) -> None:
    name = f"{gone.name[:-5]}n{len(world.used_cidrs):04d}"
    spec = world.store.get(gardener_kinds.MACHINE_CLASS, machine["spec"]["class"]["name"], world.namespace)
    assert spec is not None
    joined = WorldNode(name, "", gone.pool, gone.zone, "", _next_cidr(world))
    world.store.upsert(gardener_kinds.MACHINE, _renamed(machine, gone.name, name))
    body = instance_body(name, spec["providerSpec"])
    if world.migrated:
        alias = {"ipCidrRange": joined.pod_cidr, "subnetworkRangeName": names.POD_RANGE_NAME}
        body["networkInterfaces"][0]["aliasIpRanges"] = [alias]
    await _change(world, "instances.insert", joined, body)
    while (vm := await _vm(world, joined)) is None or vm["status"] != "RUNNING":
        await world.clock.sleep(1.0)
    await world.clock.sleep(JOINS)
    fresh = _renamed(node, gone.name, name)
    fresh["spec"] |= {"podCIDR": joined.pod_cidr, "podCIDRs": [joined.pod_cidr]}
    fresh["status"]["conditions"] = [each for each in fresh["status"]["conditions"] if each["type"] != CONDITION]
    address = vm["networkInterfaces"][0]["networkIP"]
    fresh["status"]["addresses"][0]["address"] = address
    uid = world.store.upsert(kinds.NODE, fresh)["metadata"]["uid"]
    world.nodes.append(WorldNode(name, uid, gone.pool, gone.zone, address, joined.pod_cidr))
    world.fabric.traffic.join(world.clock.now(), name, [joined.pod_cidr])


def _next_cidr(world: StormWorld) -> str:
    """The next block of the pod range, as kube-controller-manager allocates it: not one that was in use."""
    shoot = world.world.shoot["spec"]
    mask = shoot["kubernetes"]["kubeControllerManager"]["nodeCIDRMaskSize"]
    found = block(shoot["networking"]["pods"], mask, len(world.used_cidrs))
    world.used_cidrs.add(found)
    return found


def _renamed(item: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """A copy of an object for another machine."""
    fresh = copy.deepcopy(item)
    metadata = fresh["metadata"]
    kept = {key: metadata[key] for key in ("namespace", "labels", "ownerReferences", "finalizers") if key in metadata}
    labels = {key: new if value == old else value for key, value in (kept.get("labels") or {}).items()}
    fresh["metadata"] = {**kept, "name": new, "labels": labels}
    fresh["spec"]["providerID"] = fresh["spec"]["providerID"].replace(old, new)
    return fresh


async def _vm(world: StormWorld, node: WorldNode) -> dict[str, Any] | None:
    try:
        return await world.compute.answer("instances.get", f"zones/{node.zone}", node.name)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def _change(world: StormWorld, method: str, node: WorldNode, body: dict[str, Any] | None = None) -> None:
    """Send a request until it is accepted: the machine controller does not give up."""
    name = node.name if body is None else ""
    while True:
        try:
            await world.compute.answer(method, f"zones/{node.zone}", name, body=body)
        except (ApiError, ConnectionCut):
            await world.clock.sleep(10.0)
        else:
            return
