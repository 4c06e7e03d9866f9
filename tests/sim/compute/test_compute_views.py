"""Views: router status, utilization, peering routes; and moved interfaces."""

from __future__ import annotations

from typing import Any

from tests.sim.compute.cloud import NETWORK, NODES, POD_RANGE, REGION, ZONE, Cloud, instance, route

NAT: dict[str, Any] = {
    "name": "nat",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    "minPortsPerVm": 32256,
}
NIC = {"networkInterface": "nic0"}


async def test_router_status_counts_the_vms_that_a_nat_serves(cloud: Cloud) -> None:
    cloud.populate(nodes=3)
    await cloud.do("POST", f"{ZONE}/instances/vm0/addAccessConfig", {}, **NIC)
    await cloud.do("POST", f"{REGION}/routers", {"name": "router", "network": NETWORK, "nats": [NAT]})
    status = (await cloud.get(f"{REGION}/routers/router/getRouterStatus"))["result"]
    (nat,) = status["natStatus"]
    assert (nat["numVmEndpointsWithNatMappings"], len(nat["autoAllocatedNatIps"])) == (2, 1)
    await cloud.do("POST", f"{REGION}/addresses", {"name": "nat-ip"})
    await cloud.do("POST", f"{ZONE}/instances/vm0/deleteAccessConfig", None, accessConfig="External NAT", **NIC)
    manual = NAT | {"natIpAllocateOption": "MANUAL_ONLY", "natIps": [f"{REGION}/addresses/nat-ip"]}
    await cloud.do("PATCH", f"{REGION}/routers/router", {"nats": [manual]})
    (nat,) = (await cloud.get(f"{REGION}/routers/router/getRouterStatus"))["result"]["natStatus"]
    address = (await cloud.get(f"{REGION}/addresses/nat-ip"))["address"]
    assert (nat["userAllocatedNatIps"], nat["minExtraNatIpsNeeded"]) == ([address], 1)
    assert (await cloud.refused("GET", f"{REGION}/routers/none/getRouterStatus"))["code"] == 404


async def test_utilization_is_shown_on_request(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    await cloud.do("PATCH", path, await cloud.aliases("vm0", "100.96.0.0/24"), **NIC)
    assert "utilizationDetails" not in await cloud.get(NODES)
    shown = await cloud.get(NODES, views="WITH_UTILIZATION")
    assert shown["utilizationDetails"]["ipv4Utilizations"] == [
        {"totalAllocatedIp": "2", "totalFreeIp": str(65536 - 4 - 2)},
        {"rangeName": "ipv4-pod-cidr", "totalAllocatedIp": "256", "totalFreeIp": str(2**21 - 256)},
    ]
    assert (await cloud.get(f"{REGION}/subnetworks", views="WITH_UTILIZATION"))["items"] == [shown]
    everywhere = (await cloud.get("aggregated/subnetworks", views="WITH_UTILIZATION"))["items"]
    assert everywhere[REGION]["subnetworks"] == [shown]


async def test_utilization_of_an_ipv6_prefix_counts_whole_vms(cloud: Cloud) -> None:
    cloud.populate()
    six = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    body = {"name": "dual", "network": NETWORK, "ipCidrRange": "10.9.0.0/16", **six}
    cloud.compute.place("subnetworks", REGION, body)
    vm = instance("vm", subnetwork=f"{REGION}/subnetworks/dual", stackType="IPV4_IPV6")
    await cloud.do("POST", f"{ZONE}/instances", vm)
    details = (await cloud.get(f"{REGION}/subnetworks/dual", views="WITH_UTILIZATION"))["utilizationDetails"]
    assert details["externalIpv6InstanceUtilization"]["totalAllocatedIp"] == {"high": "0", "low": str(2**32)}


async def test_a_stopped_vm_moves_to_another_subnetwork(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    cloud.compute.place("networks", "global", {"name": "other", "autoCreateSubnetworks": False})
    network = "projects/proj-1/global/networks/other"
    pods = [{"rangeName": "pods", "ipCidrRange": "100.64.0.0/16"}]
    body = {"name": "new", "network": network, "ipCidrRange": "10.9.0.0/16", "secondaryIpRanges": pods}
    cloud.compute.place("subnetworks", REGION, body)
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    alias = {"ipCidrRange": "/24", "subnetworkRangeName": "pods"}
    move = {"network": network, "subnetwork": f"{REGION}/subnetworks/new", "aliasIpRanges": [alias]}
    fingerprint = (await cloud.interface("vm0"))["fingerprint"]
    refusal = await cloud.refused("PATCH", path, move | {"fingerprint": fingerprint}, **NIC)
    assert "must be stopped" in refusal["message"]
    await cloud.do("POST", f"{ZONE}/instances/vm0/stop")
    await cloud.do("PATCH", path, move | {"fingerprint": fingerprint}, **NIC)
    moved = await cloud.interface("vm0")
    assert (moved["networkIP"], moved["aliasIpRanges"][0]["ipCidrRange"]) == ("10.9.0.2", "100.64.0.0/24")
    assert moved["subnetwork"].endswith("/subnetworks/new")
    # Its addresses in the old subnetwork are free again.
    await cloud.do("POST", f"{ZONE}/instances", instance("heir", networkIP="10.250.0.2"))
    warning = (await cloud.get("global/routes/shoot--foo--bar-0"))["warnings"][0]
    assert warning["code"] == "NEXT_HOP_INSTANCE_NOT_ON_NETWORK"


async def test_a_stopped_vm_takes_another_address(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    await cloud.do("POST", f"{ZONE}/instances/vm0/stop")
    fingerprint = (await cloud.interface("vm0"))["fingerprint"]
    taken = {"fingerprint": fingerprint, "networkIP": "10.250.0.3"}
    assert (await cloud.fail("PATCH", path, taken, **NIC))["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    await cloud.do("PATCH", path, taken | {"networkIP": "10.250.0.77"}, **NIC)
    assert (await cloud.interface("vm0"))["networkIP"] == "10.250.0.77"
    await cloud.do("POST", f"{ZONE}/instances", instance("heir", networkIP="10.250.0.2"))


async def test_peers_exchange_routes(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    cloud.compute.place("networks", "global", {"name": "peer", "autoCreateSubnetworks": False})
    peer = "projects/proj-1/global/networks/peer"
    cloud.compute.place("subnetworks", REGION, {"name": "far", "network": peer, "ipCidrRange": "10.80.0.0/16"})
    for one, other, switch in (("vpc", "peer", "exportCustomRoutes"), ("peer", "vpc", "importCustomRoutes")):
        peering = {"name": f"to-{other}", "network": f"global/networks/{other}", "exchangeSubnetRoutes": True}
        await cloud.do("POST", f"global/networks/{one}/addPeering", {"networkPeering": peering | {switch: True}})
    query = {"peeringName": "to-vpc", "region": "europe-west1", "direction": "INCOMING"}
    rows = (await cloud.get("global/networks/peer/listPeeringRoutes", **query))["items"]
    assert {(row["destRange"], row["type"], row["imported"]) for row in rows} == {
        ("10.250.0.0/16", "SUBNET_PEERING_ROUTE", True),
        ("100.96.0.0/24", "STATIC_PEERING_ROUTE", True),
    }
    await cloud.do("PATCH", "global/networks/peer/updatePeering",
                   {"networkPeering": {"name": "to-vpc", "importCustomRoutes": False}})  # fmt: skip
    rows = (await cloud.get("global/networks/peer/listPeeringRoutes", **query))["items"]
    assert [row["imported"] for row in rows if row["type"] == "STATIC_PEERING_ROUTE"] == [False]
    assert (await cloud.fail("DELETE", "global/networks/peer"))["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    await cloud.do("POST", "global/networks/peer/removePeering", {"name": "to-vpc"})
    assert "peerings" not in await cloud.get("global/networks/peer")
    (left,) = (await cloud.get("global/networks/vpc"))["peerings"]
    assert left["state"] == "INACTIVE"
    await cloud.do("POST", "global/routes", route("free", "10.80.3.0/24", "vm0"))


async def test_a_peering_with_a_network_that_is_gone_can_be_removed(cloud: Cloud) -> None:
    cloud.populate()
    cloud.compute.place("networks", "global", {"name": "peer", "autoCreateSubnetworks": False})
    peering = {"name": "p", "network": "global/networks/peer", "exchangeSubnetRoutes": True}
    await cloud.do("POST", "global/networks/vpc/addPeering", {"networkPeering": peering})
    await cloud.do("DELETE", "global/networks/peer")
    assert "items" not in await cloud.get("global/networks/vpc/listPeeringRoutes")
    await cloud.do("POST", "global/networks/vpc/removePeering", {"name": "p"})
    assert "peerings" not in await cloud.get("global/networks/vpc")


async def test_peers_exchange_ipv6_routes_if_both_sides_allow_it(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(60)
    prefix = (await cloud.get(f"{REGION}/subnetworks/nodes"))["externalIpv6Prefix"]
    cloud.compute.place("networks", "global", {"name": "peer", "autoCreateSubnetworks": False})
    for one, other in (("vpc", "peer"), ("peer", "vpc")):
        peering = {"name": f"to-{other}", "network": f"global/networks/{other}", "exchangeSubnetRoutes": True}
        await cloud.do("POST", f"global/networks/{one}/addPeering", {"networkPeering": peering})

    async def six() -> list[bool]:
        query = {"peeringName": "to-vpc", "region": "europe-west1", "direction": "INCOMING"}
        rows = (await cloud.get("global/networks/peer/listPeeringRoutes", **query))["items"]
        return [row["imported"] for row in rows if row["destRange"] == prefix]

    assert await six() == []
    for one, other, seen in (("vpc", "peer", [False]), ("peer", "vpc", [True])):
        change = {"name": f"to-{other}", "stackType": "IPV4_IPV6"}
        await cloud.do("PATCH", f"global/networks/{one}/updatePeering", {"networkPeering": change})
        assert await six() == seen


async def test_bad_peerings_are_refused(cloud: Cloud) -> None:
    cloud.populate()
    add = "global/networks/vpc/addPeering"
    bad: list[dict[str, Any]] = [
        {},
        {"networkPeering": {"name": "p"}},
        {"networkPeering": {"name": "p", "network": "global/networks/none", "exchangeSubnetRoutes": True}},
        {"networkPeering": {"name": "p", "network": NETWORK, "exchangeSubnetRoutes": True}},
        {"networkPeering": {"name": "p", "network": "projects/other/global/networks/n", "exchangeSubnetRoutes": False}},
    ]
    for body in bad:
        assert (await cloud.refused("POST", add, body))["code"] == 400
    foreign = {"name": "p", "network": "projects/other/global/networks/n", "exchangeSubnetRoutes": True}
    await cloud.do("POST", add, {"networkPeering": foreign})
    assert (await cloud.get("global/networks/vpc"))["peerings"][0]["state"] == "INACTIVE"
    assert (await cloud.refused("POST", add, {"networkPeering": foreign}))["code"] == 400
    assert (await cloud.refused("POST", "global/networks/vpc/removePeering", {"name": "none"}))["code"] == 400
