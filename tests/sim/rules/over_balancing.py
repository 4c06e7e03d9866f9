"""Scenarios of the area `balancing`, and of load balancers in the data path."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from dualstack_sim.fabric.load_balancing import Reach, reach
from tests.sim.compute.balancers import (
    CHECK,
    GROUP,
    RULE,
    RULE6,
    SERVICE,
    allow,
    health_check,
    members,
    rule,
    rule6,
    service,
    with_group,
    with_load_balancer,
    with_service,
)
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, Json, instance
from tests.sim.rules.scenarios import failure, over_http, status

RULES = f"{REGION}/forwardingRules"
SERVICES = f"{REGION}/backendServices"


async def refuses_rule(cloud: Cloud, **fields: Any) -> bool:
    return await status(cloud, "POST", RULES, rule(**fields)) == 400


async def refuses_service(cloud: Cloud, **fields: Any) -> bool:
    return await status(cloud, "POST", SERVICES, service("other", **fields)) == 400


@over_http("balancing.health-check-in-use", nodes=0)
async def health_check_in_use(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await failure(cloud, "DELETE", CHECK) == "resourceInUseByAnotherResource"


@over_http("balancing.backend-service-in-use", nodes=0)
async def backend_service_in_use(cloud: Cloud) -> bool:
    await with_service(cloud)
    await cloud.do("POST", RULES, rule())
    return await failure(cloud, "DELETE", SERVICE) == "resourceInUseByAnotherResource"


@over_http("balancing.group-in-use", nodes=0)
async def group_in_use(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await failure(cloud, "DELETE", GROUP) == "resourceInUseByAnotherResource"


@over_http("balancing.fingerprint", nodes=0)
async def fingerprint(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await status(cloud, "PATCH", SERVICE, {"timeoutSec": 9}) == 412


@over_http("balancing.passthrough-protocol", nodes=0)
async def passthrough_protocol(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_service(cloud, protocol="HTTP")


@over_http("balancing.connection-mode", nodes=0)
async def connection_mode(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_service(cloud, backends=[{"group": GROUP, "balancingMode": "RATE"}])


@over_http(
    "balancing.backends-in-region", nodes=0, regions={"europe-west1": ["europe-west1-b"], "us-east1": ["us-east1-b"]}
)
async def backends_in_region(cloud: Cloud) -> bool:
    await with_service(cloud)
    await cloud.do("POST", "zones/us-east1-b/instanceGroups", {"name": "far"})
    return await refuses_service(cloud, backends=[{"group": "zones/us-east1-b/instanceGroups/far"}])


@over_http("balancing.one-network", nodes=1)
async def one_network(cloud: Cloud) -> bool:
    cloud.compute.place("networks", "global", {"name": "far", "autoCreateSubnetworks": False})
    subnetwork = {"name": "far", "network": "global/networks/far", "ipCidrRange": "10.1.0.0/16"}
    cloud.compute.place("subnetworks", REGION, subnetwork)
    cloud.compute.place("instances", ZONE, instance("far", subnetwork=f"{REGION}/subnetworks/far"))
    await with_group(cloud, "vm0")
    await cloud.do("POST", f"{REGION}/healthChecks", health_check())
    await cloud.do("POST", f"{ZONE}/instanceGroups", {"name": "far"})
    await cloud.do("POST", f"{ZONE}/instanceGroups/far/addInstances", members("far"))
    return await refuses_service(cloud, backends=[{"group": GROUP}, {"group": f"{ZONE}/instanceGroups/far"}])


@over_http("balancing.one-health-check", nodes=0)
async def one_health_check(cloud: Cloud) -> bool:
    await with_service(cloud)
    await cloud.do("POST", f"{REGION}/healthChecks", health_check("second"))
    return await refuses_service(cloud, healthChecks=[CHECK, f"{REGION}/healthChecks/second"])


@over_http("balancing.same-scheme", nodes=0)
async def same_scheme(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_rule(cloud, loadBalancingScheme="INTERNAL", subnetwork=NODES)


@over_http("balancing.one-kind-of-ports", nodes=0)
async def one_kind_of_ports(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_rule(cloud, allPorts=True)


@over_http("balancing.five-ports", nodes=0)
async def five_ports(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_rule(cloud, ports=[str(port) for port in range(80, 86)])


@over_http("balancing.address-conflict", nodes=0)
async def address_conflict(cloud: Cloud) -> bool:
    await with_service(cloud)
    cloud.compute.place("addresses", REGION, {"name": "one"})
    await cloud.do("POST", RULES, rule(IPAddress=f"{REGION}/addresses/one"))
    return await status(cloud, "POST", RULES, rule("second", IPAddress=f"{REGION}/addresses/one")) == 400


@over_http("balancing.address-reserved", nodes=0)
async def address_reserved(cloud: Cloud) -> bool:
    await with_service(cloud)
    return await refuses_rule(cloud, IPAddress="192.0.2.9")


@over_http("balancing.same-tier", nodes=0)
async def same_tier(cloud: Cloud) -> bool:
    await with_service(cloud)
    cloud.compute.place("addresses", REGION, {"name": "one", "networkTier": "STANDARD"})
    return await refuses_rule(cloud, IPAddress=f"{REGION}/addresses/one")


@over_http("balancing.internal-premium", nodes=0)
async def internal_premium(cloud: Cloud) -> bool:
    await with_service(cloud, loadBalancingScheme="INTERNAL")
    return await refuses_rule(cloud, loadBalancingScheme="INTERNAL", subnetwork=NODES, networkTier="STANDARD")


async def dual(cloud: Cloud) -> None:
    """Make `nodes` dual-stack."""
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    while "ipv6CidrRange" not in await cloud.get(NODES):
        await cloud.clock.sleep(2.0)


@over_http("balancing.ipv6-premium", nodes=0)
async def ipv6_premium(cloud: Cloud) -> bool:
    await dual(cloud)
    await with_service(cloud)
    return await status(cloud, "POST", RULES, rule6(networkTier="STANDARD")) == 400


@over_http("balancing.ipv6-subnetwork", nodes=0)
async def ipv6_subnetwork(cloud: Cloud) -> bool:
    """The subnetwork has external IPv6, the rule is internal."""
    await dual(cloud)
    await with_service(cloud, loadBalancingScheme="INTERNAL")
    return await status(cloud, "POST", RULES, rule6(loadBalancingScheme="INTERNAL")) == 400


@over_http("balancing.second-half", nodes=0)
async def second_half(cloud: Cloud) -> bool:
    await dual(cloud)
    await with_service(cloud)
    await cloud.do("POST", RULES, rule6())
    return bool((await cloud.get(RULE6))["IPAddress"].split(":")[4] == "8000")


@over_http("balancing.vm-only-prefix", nodes=0)
async def vm_only_prefix(cloud: Cloud) -> bool:
    await with_service(cloud)
    body: Json = {"name": "own", "network": NETWORK, "ipCidrRange": "10.8.0.0/24", "stackType": "IPV4_IPV6"}
    body |= {"ipv6AccessType": "EXTERNAL", "ipCollection": f"projects/proj-1/{REGION}/publicDelegatedPrefixes/own"}
    await cloud.do("POST", f"{REGION}/subnetworks", body)
    path = f"{REGION}/subnetworks/own"
    while "ipv6GceEndpoint" not in await cloud.get(path):
        await cloud.clock.sleep(2.0)
    return await status(cloud, "POST", RULES, rule6(subnetwork=path)) == 400


@over_http("balancing.member-once", nodes=1)
async def member_once(cloud: Cloud) -> bool:
    await with_group(cloud, "vm0")
    return await status(cloud, "POST", f"{GROUP}/addInstances", members("vm0")) == 400


@over_http("balancing.member-is-one-vm", nodes=1)
async def member_is_one_vm(cloud: Cloud) -> bool:
    await with_group(cloud, "vm0")
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    await cloud.do("POST", f"{ZONE}/instances", instance("vm0"))
    return bool((await cloud.get(GROUP))["size"] == 0)


@over_http("balancing.group-of-one-subnetwork", nodes=1)
async def group_of_one_subnetwork(cloud: Cloud) -> bool:
    cloud.compute.place("subnetworks", REGION, {"name": "far", "network": NETWORK, "ipCidrRange": "10.1.0.0/16"})
    cloud.compute.place("instances", ZONE, instance("far", subnetwork=f"{REGION}/subnetworks/far"))
    await with_group(cloud, "vm0")
    return await status(cloud, "POST", f"{GROUP}/addInstances", members("far")) == 400


@over_http("balancing.one-balanced-group", nodes=1)
async def one_balanced_group(cloud: Cloud) -> bool:
    await with_service(cloud, "vm0")
    await cloud.do("POST", f"{ZONE}/instanceGroups", {"name": "second"})
    await cloud.do("POST", f"{ZONE}/instanceGroups/second/addInstances", members("vm0"))
    return await refuses_service(cloud, backends=[{"group": f"{ZONE}/instanceGroups/second"}])


@over_http("balancing.endpoint-address", nodes=1)
async def endpoint_address(cloud: Cloud) -> bool:
    neg = {"name": "neg", "networkEndpointType": "GCE_VM_IP", "network": NETWORK, "subnetwork": NODES}
    await cloud.do("POST", f"{ZONE}/networkEndpointGroups", neg)
    body = {"networkEndpoints": [{"instance": "vm0", "ipAddress": "10.250.0.99"}]}
    return await status(cloud, "POST", f"{ZONE}/networkEndpointGroups/neg/attachNetworkEndpoints", body) == 400


# -- in the data path


async def reached(cloud: Cloud, path: str) -> Reach:
    address = str(ip_network((await cloud.get(path))["IPAddress"])[0])
    return reach(cloud.compute.project, address, 80)


@over_http("forwarding.balancer-family", nodes=0)
async def balancer_family(cloud: Cloud) -> bool:
    await dual(cloud)
    await cloud.do("POST", f"{ZONE}/instances", instance("old"))
    await with_load_balancer(cloud, "old")
    return not (await reached(cloud, RULE6)).reached


@over_http("forwarding.balancer-firewall", nodes=1)
async def balancer_firewall(cloud: Cloud) -> bool:
    await with_service(cloud, "vm0")
    await cloud.do("POST", RULES, rule())
    return not (await reached(cloud, RULE)).reached


@over_http("forwarding.balancer-prefers-healthy", nodes=1)
async def balancer_prefers_healthy(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{ZONE}/instances", instance("well") | {"tags": {"items": ["well"]}})
    await with_service(cloud, "vm0", "well")
    await cloud.do("POST", RULES, rule())
    await allow(cloud, "clients", "198.51.100.0/24")
    ranges = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"]
    body: Json = {"name": "checks", "network": NETWORK, "sourceRanges": ranges, "targetTags": ["well"]}
    await cloud.do("POST", "global/firewalls", body | {"allowed": [{"IPProtocol": "tcp"}]})
    return (await reached(cloud, RULE)).backends == ("well",)
