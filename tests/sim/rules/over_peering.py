"""Scenarios of the area `peering` and of the allocation quotas of networks."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, instance, route
from tests.sim.rules.scenarios import over_http, status

PEER = "projects/proj-1/global/networks/peer"
ROUTES = "global/routes"


async def give_peer(cloud: Cloud, cidr: str = "10.80.0.0/16", name: str = "peer") -> None:
    """A second network with one subnetwork."""
    network = f"projects/proj-1/global/networks/{name}"
    cloud.compute.place("networks", "global", {"name": name, "autoCreateSubnetworks": False})
    cloud.compute.place("subnetworks", REGION, {"name": f"{name}-nodes", "network": network, "ipCidrRange": cidr})


async def peer_from(cloud: Cloud, network: str, peer: str) -> dict[str, Any]:
    body = {
        "networkPeering": {"name": f"to-{peer}", "network": f"global/networks/{peer}", "exchangeSubnetRoutes": True}
    }
    return await cloud.begin("POST", f"global/networks/{network}/addPeering", body)


async def connect(cloud: Cloud, one: str = "vpc", other: str = "peer") -> None:
    await cloud.ended(await peer_from(cloud, one, other))
    await cloud.ended(await peer_from(cloud, other, one))


async def state(cloud: Cloud, network: str) -> str:
    return str((await cloud.get(f"global/networks/{network}"))["peerings"][0]["state"])


@over_http("peering.both-sides")
async def both_sides(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await cloud.ended(await peer_from(cloud, "vpc", "peer"))
    alone = await state(cloud, "vpc")
    await cloud.ended(await peer_from(cloud, "peer", "vpc"))
    return (alone, await state(cloud, "vpc"), await state(cloud, "peer")) == ("INACTIVE", "ACTIVE", "ACTIVE")


@over_http("peering.disjoint-networks")
async def disjoint_networks(cloud: Cloud) -> bool:
    await give_peer(cloud, "10.250.128.0/20")
    await cloud.ended(await peer_from(cloud, "vpc", "peer"))
    body = {"networkPeering": {"name": "back", "network": NETWORK, "exchangeSubnetRoutes": True}}
    return await status(cloud, "POST", "global/networks/peer/addPeering", body) == 400


@over_http("peering.range-overlap")
async def range_overlap(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await give_peer(cloud, "10.90.0.0/16", "far")
    await connect(cloud)
    await connect(cloud, "peer", "far")
    answers = []
    for cidr in ("10.80.1.0/24", "10.90.1.0/24", "10.91.0.0/24"):
        ranges = [{"rangeName": "pods", "ipCidrRange": cidr}]
        body = {"fingerprint": await cloud.fingerprint(), "secondaryIpRanges": ranges}
        answers.append(await status(cloud, "PATCH", NODES, body))
    return answers == [400, 400, 200]


@over_http("peering.routes-in-range")
async def routes_in_range(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await connect(cloud)
    body = {"name": "more", "network": PEER, "ipCidrRange": "100.96.0.0/16"}
    return await status(cloud, "POST", f"{REGION}/subnetworks", body) == 400


@over_http("peering.route-inside-range")
async def route_inside_range(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await connect(cloud)
    operation = await cloud.ended(await cloud.begin("POST", ROUTES, route("inside", "10.80.3.0/24", "vm0")))
    broader = await cloud.ended(await cloud.begin("POST", ROUTES, route("broader", "10.0.0.0/8", "vm0")))
    return "hides the address space of the peer network" in str(operation.get("error")) and "error" not in broader


@over_http("peering.blocks-routes", by_hand=True)
async def blocks_routes(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await peer_from(cloud, "vpc", "peer")
    return await status(cloud, "DELETE", f"{ROUTES}/shoot--foo--bar-0") == 400


@over_http("peering.one-at-a-time", by_hand=True)
async def one_at_a_time(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await peer_from(cloud, "vpc", "peer")
    body = {"networkPeering": {"name": "back", "network": NETWORK, "exchangeSubnetRoutes": True}}
    return await status(cloud, "POST", "global/networks/peer/addPeering", body) == 400


@over_http("quotas.peerings", quotas=Limits(peerings_per_network=1))
async def peerings(cloud: Cloud) -> bool:
    await give_peer(cloud)
    await give_peer(cloud, "10.90.0.0/16", "far")
    await cloud.ended(await peer_from(cloud, "vpc", "peer"))
    body = {"networkPeering": {"name": "far", "network": "global/networks/far", "exchangeSubnetRoutes": True}}
    return await status(cloud, "POST", "global/networks/vpc/addPeering", body) == 400


async def quota_error(cloud: Cloud, verb: str, path: str, body: dict[str, Any], **query: str) -> bool:
    operation = await cloud.ended(await cloud.begin(verb, path, body, **query))
    if "error" not in operation:
        return False
    error = operation["error"]["errors"][0]
    return bool(error["code"] == "QUOTA_EXCEEDED" and error["errorDetails"][0]["quotaInfo"]["limit"] == 1.0)


@over_http("quotas.instances", quotas=Limits(instances_per_network=1))
async def instances(cloud: Cloud) -> bool:
    return await quota_error(cloud, "POST", f"{ZONE}/instances", instance("second"))


@over_http("quotas.aliases", quotas=Limits(aliases_per_network=1))
async def aliases(cloud: Cloud) -> bool:
    path, query = f"{ZONE}/instances/vm0/updateNetworkInterface", {"networkInterface": "nic0"}
    entries = [{"ipCidrRange": "10.250.8.0/24"}]
    nic = await cloud.interface("vm0")
    await cloud.do("PATCH", path, {"fingerprint": nic["fingerprint"], "aliasIpRanges": entries}, **query)
    nic = await cloud.interface("vm0")
    more = {"fingerprint": nic["fingerprint"], "aliasIpRanges": [*entries, {"ipCidrRange": "10.250.9.0/24"}]}
    return await quota_error(cloud, "PATCH", path, more, **query)


@over_http("quotas.subnet-ranges", quotas=Limits(subnet_ranges_per_network=1))
async def subnet_ranges(cloud: Cloud) -> bool:
    body = {"name": "second", "network": NETWORK, "ipCidrRange": "10.9.0.0/16"}
    return await quota_error(cloud, "POST", f"{REGION}/subnetworks", body)


@over_http("quotas.concurrent-operations", nodes=2, by_hand=True, quotas=Limits(concurrent_operations=1))
async def concurrent_operations(cloud: Cloud) -> bool:
    operation = await cloud.begin("DELETE", f"{ROUTES}/shoot--foo--bar-0")
    refused = await status(cloud, "DELETE", f"{ROUTES}/shoot--foo--bar-1")
    elsewhere = await status(cloud, "POST", f"{ZONE}/instances/vm0/stop")
    await cloud.ended(operation)
    later = await status(cloud, "DELETE", f"{ROUTES}/shoot--foo--bar-1")
    return (refused, elsewhere, later) == (403, 200, 200)
