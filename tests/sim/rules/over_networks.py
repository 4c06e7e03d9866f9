"""Scenarios of the areas `networks`, `subnetworks` and `routes`."""

from __future__ import annotations

from typing import Any

from tests.sim.compute.cloud import NETWORK, NODES, POD_RANGE, REGION, ZONE, Cloud, Json, instance, route
from tests.sim.rules.scenarios import failure, over_http, status

SUBNETS = f"{REGION}/subnetworks"
ULA = {"name": "six", "autoCreateSubnetworks": False, "enableUlaInternalIpv6": True}
EXTERNAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
SMALL = {"rangeName": "small", "ipCidrRange": "192.168.50.0/24"}
NIC = f"{ZONE}/instances/vm0/updateNetworkInterface"


def subnet(name: str = "more", cidr: str = "10.1.0.0/16", **fields: Any) -> Json:
    return {"name": name, "network": NETWORK, "ipCidrRange": cidr, **fields}


async def patched(cloud: Cloud, **change: Any) -> str:
    """The outcome of a patch of the subnetwork `nodes`."""
    return await failure(cloud, "PATCH", NODES, {"fingerprint": await cloud.fingerprint(), **change})


async def hybrid(cloud: Cloud) -> None:
    """Set the flag and add the pod range over the routes."""
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])


async def prefix(cloud: Cloud) -> str:
    """The external prefix of `nodes`, awaited if it is pending."""
    for _ in range(200):
        found = (await cloud.get(NODES)).get("externalIpv6Prefix")
        if found:
            return str(found)
        await cloud.clock.sleep(1.0)
    return ""


# -- networks


@over_http("networks.internet-route")
async def internet_route(cloud: Cloud) -> bool:
    await cloud.do("POST", "global/networks", {"name": "other", "autoCreateSubnetworks": False})
    routes = (await cloud.get("global/routes"))["items"]
    return any(entry["destRange"] == "0.0.0.0/0" and entry["network"].endswith("/other") for entry in routes)


@over_http("networks.in-use")
async def network_in_use(cloud: Cloud) -> bool:
    return await failure(cloud, "DELETE", "global/networks/vpc") == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"


@over_http("networks.mtu")
async def mtu(cloud: Cloud) -> bool:
    body = {"name": "other", "autoCreateSubnetworks": False, "mtu": 9000}
    return await status(cloud, "POST", "global/networks", body) == 400


@over_http("networks.unique-local-range")
async def unique_local_range(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/networks", ULA | {"internalIpv6Range": "fd30:1:2::/48"}) == 400


@over_http("networks.unique-local-stays")
async def unique_local_stays(cloud: Cloud) -> bool:
    await cloud.do("POST", "global/networks", ULA)
    return await status(cloud, "PATCH", "global/networks/six", {"enableUlaInternalIpv6": False}) == 400


@over_http("networks.lists-subnetworks")
async def lists_subnetworks(cloud: Cloud) -> bool:
    return (await cloud.get(NODES))["selfLink"] in (await cloud.get("global/networks/vpc")).get("subnetworks", [])


@over_http("subnetworks.flow-sampling-precision")
async def flow_sampling_precision(cloud: Cloud) -> bool:
    await cloud.patch_nodes(logConfig={"enable": True, "flowSampling": 0.20000000298023224})
    return bool((await cloud.get(NODES))["logConfig"]["flowSampling"] == 0.2)


@over_http("subnetworks.flow-sampling-range")
async def flow_sampling_range(cloud: Cloud) -> bool:
    return await patched(cloud, logConfig={"enable": True, "flowSampling": 1.5}) == "invalid"


# -- subnetworks: fingerprint and kinds of change


@over_http("subnetworks.fingerprint")
async def fingerprint(cloud: Cloud) -> bool:
    return await status(cloud, "PATCH", NODES, {"allowSubnetCidrRoutesOverlap": True}) == 412


@over_http("subnetworks.fingerprint-changes")
async def fingerprint_changes(cloud: Cloud) -> bool:
    before = await cloud.fingerprint()
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    return await cloud.fingerprint() != before


@over_http("subnetworks.one-kind-of-change")
async def one_kind_of_change(cloud: Cloud) -> bool:
    return await patched(cloud, allowSubnetCidrRoutesOverlap=True, secondaryIpRanges=[SMALL]) == "invalid"


@over_http("subnetworks.immutable-fields")
async def immutable_fields(cloud: Cloud) -> bool:
    return await patched(cloud, description="mine") == "invalid"


# -- subnetworks: ranges


@over_http("subnetworks.range-overlap")
async def range_overlap(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", SUBNETS, subnet(cidr="10.250.7.0/24")) == "invalid"


@over_http("subnetworks.routes-in-range")
async def routes_in_range(cloud: Cloud) -> bool:
    return await patched(cloud, secondaryIpRanges=[POD_RANGE]) == "invalid"


@over_http("subnetworks.flag-admits-routes")
async def flag_admits_routes(cloud: Cloud) -> bool:
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    return await patched(cloud, secondaryIpRanges=[POD_RANGE]) == ""


@over_http("subnetworks.flag-in-v1")
async def flag_in_v1(cloud: Cloud) -> bool:
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    return (await cloud.get(NODES)).get("allowSubnetCidrRoutesOverlap") is True


@over_http("subnetworks.flag-off-over-routes")
async def flag_off_over_routes(cloud: Cloud) -> bool:
    await hybrid(cloud)
    return await patched(cloud, allowSubnetCidrRoutesOverlap=False) == "invalid"


@over_http("subnetworks.add-and-remove")
async def add_and_remove(cloud: Cloud) -> bool:
    await cloud.patch_nodes(secondaryIpRanges=[SMALL])
    other = {"rangeName": "other", "ipCidrRange": "192.168.60.0/24"}
    return await patched(cloud, secondaryIpRanges=[other]) == "invalid"


@over_http("subnetworks.range-fixed")
async def range_fixed(cloud: Cloud) -> bool:
    await cloud.patch_nodes(secondaryIpRanges=[SMALL])
    return await patched(cloud, secondaryIpRanges=[SMALL | {"ipCidrRange": "192.168.50.0/23"}]) == "invalid"


@over_http("subnetworks.range-in-use")
async def range_in_use(cloud: Cloud) -> bool:
    await hybrid(cloud)
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
    return await patched(cloud, secondaryIpRanges=[]) == "resourceInUseByAnotherResource"


@over_http("subnetworks.range-names")
async def range_names(cloud: Cloud) -> bool:
    twice = [SMALL, SMALL | {"ipCidrRange": "192.168.60.0/24"}]
    return await failure(cloud, "POST", SUBNETS, subnet(secondaryIpRanges=twice)) == "invalid"


@over_http("subnetworks.smallest-range")
async def smallest_range(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", SUBNETS, subnet(cidr="10.1.0.0/30")) == "invalid"


@over_http("subnetworks.prohibited-ranges")
async def prohibited_ranges(cloud: Cloud) -> bool:
    answers = [
        await status(cloud, "POST", SUBNETS, subnet(f"s{number}", cidr))
        for number, cidr in enumerate(("127.1.0.0/24", "169.254.1.0/24", "224.0.0.0/24", "255.255.255.0/24"))
    ]
    assert await patched(cloud, secondaryIpRanges=[SMALL | {"ipCidrRange": "240.1.0.0/16"}]) == ""
    return answers == [400] * 4


@over_http("subnetworks.prefix-preset", nodes=0)
async def prefix_preset(cloud: Cloud) -> bool:
    chosen = "2600:1900:4000:1ae:0:0:0:0/64"
    await cloud.do("POST", SUBNETS, subnet(**EXTERNAL, externalIpv6Prefix=chosen))
    await cloud.clock.sleep(200.0)
    assert (await cloud.get(f"{SUBNETS}/more"))["externalIpv6Prefix"] == chosen
    assert await failure(cloud, "POST", SUBNETS, subnet("b", "10.9.0.0/24", **EXTERNAL, externalIpv6Prefix=chosen))
    return await patched(cloud, **EXTERNAL, externalIpv6Prefix="2600:1900:4000:1af:0:0:0:0/64") == "invalid"


@over_http("subnetworks.empty-list-clears")
async def empty_list_clears(cloud: Cloud) -> bool:
    await cloud.patch_nodes(secondaryIpRanges=[SMALL])
    await cloud.patch_nodes(secondaryIpRanges=[])
    return "secondaryIpRanges" not in await cloud.get(NODES)


@over_http("subnetworks.expand-only")
async def expand_only(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", f"{NODES}/expandIpCidrRange", {"ipCidrRange": "10.250.0.0/17"}) == "invalid"


@over_http("subnetworks.reserved-addresses", nodes=0)
async def reserved_addresses(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{ZONE}/instances", instance("vm0"))
    return str((await cloud.interface("vm0"))["networkIP"]) == "10.250.0.2"


# -- subnetworks: stack type


@over_http("subnetworks.access-type-needed")
async def access_type_needed(cloud: Cloud) -> bool:
    return await patched(cloud, stackType="IPV4_IPV6") == "required"


@over_http("subnetworks.access-type-stays", by_hand=True)
async def access_type_stays(cloud: Cloud) -> bool:
    await cloud.do("PATCH", "global/networks/vpc", {"enableUlaInternalIpv6": True})
    await cloud.patch_nodes(**EXTERNAL)
    body = {"fingerprint": await cloud.fingerprint(), "ipv6AccessType": "INTERNAL"}
    return await status(cloud, "PATCH", NODES, body) == 400


@over_http("subnetworks.internal-needs-range", by_hand=True)
async def internal_needs_range(cloud: Cloud) -> bool:
    body = {"fingerprint": await cloud.fingerprint(), **EXTERNAL, "ipv6AccessType": "INTERNAL"}
    return await status(cloud, "PATCH", NODES, body) == 400


@over_http("subnetworks.internal-stays-dual")
async def internal_stays_dual(cloud: Cloud) -> bool:
    await cloud.do("PATCH", "global/networks/vpc", {"enableUlaInternalIpv6": True})
    await cloud.patch_nodes(**EXTERNAL | {"ipv6AccessType": "INTERNAL"})
    return await patched(cloud, stackType="IPV4_ONLY") == "invalid"


@over_http("subnetworks.prefix-comes-later", by_hand=True)
async def prefix_comes_later(cloud: Cloud) -> bool:
    await cloud.patch_nodes(**EXTERNAL)
    return "externalIpv6Prefix" not in await cloud.get(NODES)


@over_http("subnetworks.prefix-remembered")
async def prefix_remembered(cloud: Cloud) -> bool:
    await cloud.patch_nodes(**EXTERNAL)
    before = await prefix(cloud)
    await cloud.patch_nodes(stackType="IPV4_ONLY")
    await cloud.patch_nodes(**EXTERNAL)
    return bool(before) and await prefix(cloud) == before


# -- subnetworks: deletion


@over_http("subnetworks.in-use")
async def subnetwork_in_use(cloud: Cloud) -> bool:
    return await status(cloud, "DELETE", NODES) == 400


@over_http("subnetworks.in-use-by-nat", nodes=0)
async def in_use_by_nat(cloud: Cloud) -> bool:
    entry = {"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}
    nat = {"name": "nat", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "subnetworks": [entry]}
    nat |= {"natIpAllocateOption": "AUTO_ONLY"}
    await cloud.do("POST", f"{REGION}/routers", {"name": "router", "network": NETWORK, "nats": [nat]})
    return await status(cloud, "DELETE", NODES) == 400


# -- routes


async def routed(cloud: Cloud, destination: str, **fields: Any) -> str:
    """The outcome of inserting a route to `destination` through vm0."""
    return await failure(cloud, "POST", "global/routes", route("new", destination, "vm0") | fields)


@over_http("routes.inside-range")
async def inside_range(cloud: Cloud) -> bool:
    return await routed(cloud, "10.250.7.0/24") == "UNSUPPORTED_OPERATION"


@over_http("routes.inside-flagged-range")
async def inside_flagged_range(cloud: Cloud) -> bool:
    await hybrid(cloud)
    return await routed(cloud, "100.97.0.0/24") == "UNSUPPORTED_OPERATION"


@over_http("routes.conflict-in-operation")
async def conflict_in_operation(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/routes", route("new", "10.250.7.0/24", "vm0")) == 200


@over_http("routes.name-taken")
async def route_name_taken(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", "global/routes", route("shoot--foo--bar-0", "10.2.0.0/24", "vm0")) != ""


@over_http("routes.next-hop-exists")
async def next_hop_exists(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", "global/routes", route("new", "10.2.0.0/24", "ghost")) == "invalid"


@over_http("routes.one-next-hop")
async def one_next_hop(cloud: Cloud) -> bool:
    return await routed(cloud, "10.2.0.0/24", nextHopIp="10.250.0.9") == "invalid"


@over_http("routes.priority")
async def route_priority(cloud: Cloud) -> bool:
    return await routed(cloud, "10.2.0.0/24", priority=70000) == "invalid"


@over_http("routes.tags")
async def route_tags(cloud: Cloud) -> bool:
    return await routed(cloud, "10.2.0.0/24", tags=[f"tag-{number}" for number in range(257)]) == "invalid"


@over_http("routes.default-priority")
async def default_priority(cloud: Cloud) -> bool:
    assert await routed(cloud, "10.2.0.0/24", priority=None) == ""
    return int((await cloud.get("global/routes/new"))["priority"]) == 1000


@over_http("routes.subnet-routes-listed")
async def subnet_routes_listed(cloud: Cloud) -> bool:
    return any("nextHopNetwork" in entry for entry in (await cloud.get("global/routes"))["items"])


@over_http("routes.subnet-routes-stay")
async def subnet_routes_stay(cloud: Cloud) -> bool:
    local = [entry["name"] for entry in (await cloud.get("global/routes"))["items"] if "nextHopNetwork" in entry]
    return await status(cloud, "DELETE", f"global/routes/{local[0]}") == 400


async def warnings(cloud: Cloud) -> list[str]:
    found = (await cloud.get("global/routes/shoot--foo--bar-0")).get("warnings", [])
    return [str(warning["code"]) for warning in found]


@over_http("routes.lost-next-hop")
async def lost_next_hop(cloud: Cloud) -> bool:
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    return await warnings(cloud) == ["NEXT_HOP_INSTANCE_NOT_FOUND"]


@over_http("routes.stopped-next-hop")
async def stopped_next_hop(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{ZONE}/instances/vm0/stop")
    return await warnings(cloud) == ["NEXT_HOP_NOT_RUNNING"]


@over_http("routes.next-hop-cannot-forward", nodes=0)
async def next_hop_cannot_forward(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{ZONE}/instances", instance("vm0") | {"canIpForward": False})
    await cloud.do("POST", "global/routes", route("shoot--foo--bar-0", "100.96.0.0/24", "vm0"))
    return await warnings(cloud) == ["NEXT_HOP_CANNOT_IP_FORWARD"]


@over_http("routes.internet-ipv6")
async def internet_ipv6(cloud: Cloud) -> bool:
    await cloud.patch_nodes(**EXTERNAL)
    await prefix(cloud)
    return any(entry["destRange"] == "::/0" for entry in (await cloud.get("global/routes"))["items"])
