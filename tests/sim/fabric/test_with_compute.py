"""The fabric behind the simulated Compute API: packets follow what the API commits."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dualstack.clock import ScaledClock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ConnectionCut
from dualstack_sim.compute.api.fault_injection import Fault
from dualstack_sim.fabric import Fabric, LagProfile
from dualstack_sim.faults import FaultPlan, FaultRule
from tests.sim.fabric.cloud import PODS, REGION, node, pod, pods

ZONE = f"zones/{REGION}-b"
MACHINE = f"{ZONE}/machineTypes/e2-medium"
SUBNET = f"regions/{REGION}"


class World:
    """Two nodes with routes, converged, with a clock 500 times as fast as wall time."""

    def __init__(self, *rules: FaultRule) -> None:
        clock = ScaledClock(time.time(), 500.0)
        self.clock = clock
        self.faults = FaultPlan(list(rules), Chance(0), clock)
        self.fabric = Fabric(clock, Chance(0), LagProfile.fixed(1.0))
        self.compute = Compute(clock, Chance(0), on_commit=self.fabric.on_commit, faults=self.faults)
        place = self.compute.place
        place("networks", "global", {"name": "net", "autoCreateSubnetworks": False})
        place(
            "subnetworks", SUBNET, {"name": "nodes", "network": "global/networks/net", "ipCidrRange": "10.250.0.0/16"}
        )
        allowed = [{"IPProtocol": "tcp"}]
        rule = {"name": "pods", "network": "global/networks/net", "sourceRanges": [PODS], "allowed": allowed}
        place("firewalls", "global", rule)
        for number in (1, 2):
            nic = {"network": "global/networks/net", "subnetwork": f"{SUBNET}/subnetworks/nodes"}
            body = {"name": node(number), "machineType": MACHINE, "canIpForward": True}
            place("instances", ZONE, {**body, "networkInterfaces": [nic]})
            hop = f"{ZONE}/instances/{node(number)}"
            route = {"name": f"route-{number}", "network": "global/networks/net", "destRange": pods(number)}
            place("routes", "global", {**route, "nextHopInstance": hop})
            self.fabric.traffic.join(clock.now(), node(number), [pods(number)])
        self.fabric.rest(clock.now())
        self.fabric.traffic.mark(clock.now())

    async def call(self, method: str, scope: str, name: str, **request: Any) -> dict[str, Any]:
        """Call, wait for the operation, and for two seconds more until every host sees its effect."""
        operation = await self.compute.answer(method, scope, name, **request)
        kind = {"g": "global", "r": "region", "z": "zone"}[scope[0]]
        while operation["status"] != "DONE":
            operation = await self.compute.answer(f"{kind}Operations.wait", scope, operation["name"])
        await self.clock.sleep(2.0)
        return operation

    async def patch_subnet(self, **fields: Any) -> None:
        current = await self.compute.answer("subnetworks.get", SUBNET, "nodes")
        await self.call("subnetworks.patch", SUBNET, "nodes", body={**fields, "fingerprint": current["fingerprint"]})

    async def set_alias(self, number: int) -> None:
        current = await self.compute.answer("instances.get", ZONE, node(number))
        alias = {"ipCidrRange": pods(number), "subnetworkRangeName": "ipv4-pod-cidr"}
        body = {"aliasIpRanges": [alias], "fingerprint": current["networkInterfaces"][0]["fingerprint"]}
        query = {"networkInterface": "nic0"}
        await self.call("instances.updateNetworkInterface", ZONE, node(number), query=query, body=body)

    async def to_aliases(self) -> None:
        await self.patch_subnet(allowSubnetCidrRoutesOverlap=True)
        await self.patch_subnet(secondaryIpRanges=[{"rangeName": "ipv4-pod-cidr", "ipCidrRange": PODS}])
        for number in (1, 2):
            await self.set_alias(number)


async def test_make_before_break_through_the_api_loses_nothing() -> None:
    world = World()
    assert (
        world.fabric.probe(node(1), pod(2)).rule
        == "static route route-2 to 10.96.2.0/24 (docs/reference/cut-over.md#r5)"
    )
    await world.to_aliases()
    for number in (1, 2):
        await world.call("routes.delete", "global", f"route-{number}")
    await world.patch_subnet(allowSubnetCidrRoutesOverlap=False)
    rule = "subnet route 10.96.0.0/11 of nodes, matched resource (docs/reference/cut-over.md#r5)"
    assert world.fabric.probe(node(1), pod(2)).rule == rule
    report = world.fabric.traffic.report(world.clock.now())
    assert (report.ipv4.pairs, report.ipv4.total, report.broken_pairs) == (2, 0.0, ())
    await world.compute.close()


async def test_a_route_that_is_deleted_too_early_is_a_loss_until_its_alias_is_there() -> None:
    world = World()
    await world.call("routes.delete", "global", "route-2")
    assert world.fabric.probe(node(1), pod(2)).delivered_to is None
    assert world.fabric.traffic.report(world.clock.now()).ipv4.current == 1
    await world.to_aliases()
    report = world.fabric.traffic.report(world.clock.now())
    assert report.ipv4.current == 0
    assert [(pair.source, pair.destination) for pair in report.broken_pairs] == [(node(1), node(2))]
    assert report.ipv4.maximum > 10.0
    await world.compute.close()


async def test_a_peers_vm_keeps_reaching_pods_from_routes_to_aliases() -> None:
    world = World()
    place = world.compute.place
    place("networks", "global", {"name": "peer", "autoCreateSubnetworks": False})
    place("subnetworks", SUBNET, {"name": "far", "network": "global/networks/peer", "ipCidrRange": "10.80.0.0/16"})
    nic = {"network": "global/networks/peer", "subnetwork": f"{SUBNET}/subnetworks/far"}
    place("instances", ZONE, {"name": "bastion", "machineType": MACHINE, "networkInterfaces": [nic]})
    await world.call("firewalls.patch", "global", "pods", body={"sourceRanges": [PODS, "10.80.0.0/16"]})
    assert world.fabric.probe("bastion", pod(2)).reason == "PRIVATE_TRAFFIC_TO_INTERNET"
    for network, peer, switch in (("net", "peer", "exportCustomRoutes"), ("peer", "net", "importCustomRoutes")):
        peering = {"name": peer, "network": f"global/networks/{peer}", "exchangeSubnetRoutes": True, switch: True}
        await world.call("networks.addPeering", "global", network, body={"networkPeering": peering})
    rule = "by peering with net, static route route-2 to 10.96.2.0/24 (docs/reference/cut-over.md#r5)"
    assert world.fabric.probe("bastion", pod(2)).rule == rule
    await world.to_aliases()
    for number in (1, 2):
        await world.call("routes.delete", "global", f"route-{number}")
        assert world.fabric.probe("bastion", pod(number)).delivered_to == node(number)
    await world.compute.close()


async def test_vms_of_one_name_in_two_zones_are_two() -> None:
    world = World()
    place = world.compute.place
    other = f"zones/{REGION}-c"
    nic = {"network": "global/networks/net", "subnetwork": f"{SUBNET}/subnetworks/nodes"}
    body = {"name": node(2), "machineType": f"{other}/machineTypes/e2-medium", "networkInterfaces": [nic]}
    place("instances", other, {**body, "canIpForward": True})
    hop = {"network": "global/networks/net", "nextHopInstance": f"{other}/instances/{node(2)}"}
    place("routes", "global", {"name": "route-c", "destRange": pods(3), **hop})
    namesake = f"{REGION}-c/{node(2)}"
    world.fabric.traffic.join(world.clock.now(), namesake, [pods(3)])
    world.fabric.rest(world.clock.now())
    assert world.fabric.hosts == [namesake, node(1), node(2)]
    assert world.fabric.probe(node(1), pod(2)).delivered_to == node(2)
    assert world.fabric.probe(node(1), pod(3)).delivered_to == namesake
    await world.call("instances.delete", ZONE, node(2))
    assert world.fabric.probe(node(1), pod(2)).reason == "ROUTE_NEXT_HOP_RESOURCE_NOT_FOUND"
    assert world.fabric.probe(node(1), pod(3)).delivered_to == namesake
    assert world.fabric.host(node(2)) == world.fabric.host(namesake) == namesake
    assert world.fabric.host(f"{REGION}-b/{node(1)}") == node(1)
    assert world.fabric.host(f"{REGION}-b/{node(2)}") is None
    await world.compute.close()


async def test_a_vm_that_is_deleted_leaves_the_fabric() -> None:
    world = World()
    await world.call("instances.delete", ZONE, node(2))
    assert world.fabric.probe(node(1), pod(2)).delivered_to is None
    assert world.fabric.hosts == [node(1)]
    assert world.fabric.traffic.report(world.clock.now()).broken_pairs == ()
    await world.compute.close()


async def test_a_fault_plan_makes_an_operation_fail_without_effect() -> None:
    failure = Fault(operation_error=("INTERNAL_ERROR", "Internal error."))
    world = World(FaultRule("routes.delete", failure, target="route-2"))
    operation = await world.call("routes.delete", "global", "route-2")
    assert operation["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert world.fabric.probe(node(1), pod(2)).delivered_to == node(2)
    assert [fired.target for fired in world.faults.fired] == ["route-2"]
    await world.call("routes.delete", "global", "route-2")
    assert world.fabric.probe(node(1), pod(2)).delivered_to is None
    await world.compute.close()


async def test_a_connection_that_is_cut_gives_no_answer() -> None:
    world = World(FaultRule("routes.*", Fault(cut="before"), probability=1.0))
    with pytest.raises(ConnectionCut):
        await world.compute.answer("routes.get", "global", "route-1")
    assert await world.compute.answer("routes.get", "global", "route-1")
    await world.compute.close()
