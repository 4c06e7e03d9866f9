"""Checks of what Compute shows after the migration (gardener-behaviour.md 4.1, 4.5, 11; cutover.md 4.6)."""

from __future__ import annotations

from ipaddress import ip_network

from dualstack.cli.rehearsal.endpoints import Endpoints
from dualstack.gardener.model.names import nodes_subnet
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import NODE, Manifest
from dualstack.model.names import POD_RANGE_NAME

Verdict = tuple[bool, str]


async def no_node_route(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """No `k8s-node-route` of this cluster is left."""
    prefix = shoot.technical_id[:26] + "-"
    left = [
        route["name"]
        for route in await endpoints.compute_list("global/routes")
        if route.get("description") == "k8s-node-route" and route["name"].startswith(prefix)
    ]
    return not left, f"left: {left}" if left else "no k8s-node-route is left"


async def nodes_subnet_resource(endpoints: Endpoints, shoot: ShootView) -> Manifest:
    """The subnet of the nodes."""
    return await endpoints.compute(f"regions/{shoot.region}/subnetworks/{nodes_subnet(shoot.technical_id)}")


async def nodes_subnet_state(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Overlap flag off, dual-stack, and exactly the pod range."""
    subnet = await nodes_subnet_resource(endpoints, shoot)
    ranges = {entry["rangeName"]: entry["ipCidrRange"] for entry in subnet.get("secondaryIpRanges", [])}
    flag = subnet.get("allowSubnetCidrRoutesOverlap", False)
    evidence = f"overlap flag {str(flag).lower()}, {subnet['stackType']}, ranges {ranges}"
    return not flag and subnet["stackType"] == "IPV4_IPV6" and ranges.get(POD_RANGE_NAME) == shoot.pods, evidence


async def interfaces(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Every node's NIC is dual-stack and has the node's pod CIDR as its first alias."""
    wrong: list[str] = []
    nodes = await endpoints.list_all(NODE)
    for node in nodes:
        name, interface = node["metadata"]["name"], await interface_of(endpoints, node)
        aliases = [alias["ipCidrRange"] for alias in interface.get("aliasIpRanges", [])]
        addresses = interface.get("ipv6AccessConfigs", [])
        pod_cidrs = node["spec"].get("podCIDRs", [])
        if interface.get("stackType") != "IPV4_IPV6" or not addresses:
            wrong.append(f"{name} is {interface.get('stackType')}")
        elif aliases[:1] != pod_cidrs[:1]:
            wrong.append(f"{name} has aliases {aliases}, its Node {pod_cidrs}")
        elif not _inside(pod_cidrs[1:], addresses[-1]["externalIpv6"]):
            wrong.append(f"{name} has {addresses[-1]['externalIpv6']}/96, its Node {pod_cidrs}")
    return not wrong, "; ".join(
        wrong
    ) or f"{len(nodes)} of {len(nodes)} IPV4_IPV6, alias first and equal to the pod CIDR"


async def interface_of(endpoints: Endpoints, node: Manifest) -> Manifest:
    """The NIC of the node's VM."""
    zone, name = node["spec"]["providerID"].removeprefix("gce:///").split("/")[1:]
    interface: Manifest = (await endpoints.compute(f"zones/{zone}/instances/{name}"))["networkInterfaces"][0]
    return interface


def _inside(cidrs: list[str], address: str) -> bool:
    return len(cidrs) == 1 and ip_network(cidrs[0]) == ip_network(f"{address}/112", strict=False)


async def firewall_rules(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """The IPv6 rules stand beside the IPv4 ones, for the ranges that the subnets really have."""
    name = shoot.technical_id
    subnet = await nodes_subnet_resource(endpoints, shoot)
    services = await endpoints.compute(f"regions/{shoot.region}/subnetworks/{name}-services")
    internal = await endpoints.compute(f"global/firewalls/{name}-allow-internal-access-ipv6")
    await endpoints.compute(f"global/firewalls/{name}-allow-health-checks-ipv6")
    wanted = {ip_network(subnet["externalIpv6Prefix"]), ip_network(services["externalIpv6Prefix"])}
    found = {ip_network(source) for source in internal["sourceRanges"]}
    return wanted == found, f"{internal['name']} admits {sorted(map(str, found))}"
