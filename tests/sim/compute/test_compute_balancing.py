"""Load balancers as cloud-controller-manager and ingress-gce make them."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_network
from typing import Any

import pytest

from dualstack_sim.compute.project.latency import MEDIANS, LatencyProfile
from dualstack_sim.fabric.load_balancing import reach
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
    with_dual_nodes,
    with_group,
    with_load_balancer,
    with_service,
)
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, Setting, instance, running

RULES = f"{REGION}/forwardingRules"


# -- reading


@pytest.mark.parametrize(
    "collection",
    [
        "backendServices", "forwardingRules", "healthChecks", "urlMaps", "targetHttpProxies", "targetHttpsProxies",
        "sslCertificates", "targetTcpProxies", "targetSslProxies", "sslPolicies",
    ],
)  # fmt: skip
async def test_s4_global_collections_are_listed(cloud: Cloud, collection: str) -> None:
    document = await cloud.get(f"global/{collection}")
    assert document["kind"].startswith("compute#")
    assert "items" not in document
    assert (await cloud.call("GET", f"global/{collection}/none"))[0] == 404


@pytest.mark.parametrize(
    "collection", ["backendServices", "forwardingRules", "healthChecks", "targetPools", "urlMaps", "targetHttpProxies"]
)
async def test_s4_regional_collections_are_listed(cloud: Cloud, collection: str) -> None:
    assert "items" not in await cloud.get(f"{REGION}/{collection}")
    aggregated = await cloud.get(f"aggregated/{collection}")
    assert aggregated["items"][REGION]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


async def test_s4_an_aggregated_list_has_the_rules_of_every_scope(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_load_balancer(cloud, "vm0")
    items = (await cloud.get("aggregated/forwardingRules"))["items"]
    assert set(items) == {"global", REGION}
    assert [row["name"] for row in items[REGION]["forwardingRules"]] == ["k8s-fr", "k8s-fr6"]
    assert {row["loadBalancingScheme"] for row in items[REGION]["forwardingRules"]} == {"EXTERNAL"}


# -- the load balancer of a dual-stack Service


async def test_s4_a_dual_stack_service_gets_an_address_of_each_family(cloud: Cloud) -> None:
    await with_dual_nodes(cloud)
    await with_load_balancer(cloud, "vm0", "vm1")
    four, six = await cloud.get(RULE), await cloud.get(RULE6)
    prefix = IPv6Network((await cloud.get(NODES))["externalIpv6Prefix"])
    assert IPv6Network(six["IPAddress"]).prefixlen == 96
    assert IPv6Network(six["IPAddress"]).subnet_of(prefix)
    assert six["IPAddress"].split(":")[4] == "8000"
    assert six["ipVersion"] == "IPV6"
    assert "." in four["IPAddress"]
    assert four["portRange"] == "80-80"
    assert four["backendService"].endswith(SERVICE)
    for address in (four["IPAddress"], str(ip_network(six["IPAddress"])[1])):
        found = reach(cloud.compute.project, address, 80)
        assert found.reached, found
        assert found.backends == found.healthy == ("vm0", "vm1")
    assert not reach(cloud.compute.project, four["IPAddress"], 81).reached
    assert not reach(cloud.compute.project, four["IPAddress"], 80, "UDP").reached


async def test_s4_an_ipv4_only_node_gets_no_ipv6_connections(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await cloud.do("POST", f"{ZONE}/instances", instance("old"))
    await with_load_balancer(cloud, "vm0", "old")
    four, six = (await cloud.get(RULE))["IPAddress"], ip_network((await cloud.get(RULE6))["IPAddress"])
    assert reach(cloud.compute.project, four, 80).backends == ("old", "vm0")
    assert reach(cloud.compute.project, str(six[0]), 80).backends == ("vm0",)
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    found = reach(cloud.compute.project, str(six[0]), 80)
    assert (found.reached, found.reason) == (False, "backend service k8s-svc has no running VM with IPv6")


async def test_s4_the_firewall_decides_for_each_family(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_load_balancer(cloud, "vm0")
    six = str(ip_network((await cloud.get(RULE6))["IPAddress"])[0])
    await cloud.do("DELETE", "global/firewalls/k8s-fw6")
    found = reach(cloud.compute.project, six, 80)
    assert not found.reached
    assert "denies ingress from 2001:db8::7" in found.reason
    assert reach(cloud.compute.project, (await cloud.get(RULE))["IPAddress"], 80).reached
    await allow(cloud, "friends", "2001:db8:1::/48")
    assert reach(cloud.compute.project, six, 80, client="2001:db8:1::9").reached


async def test_s4_without_health_checks_all_backends_get_connections(cloud: Cloud) -> None:
    """As a last resort; the VM that admits health checks gets all connections once there is one."""
    await with_dual_nodes(cloud)
    await with_load_balancer(cloud, "vm0", "vm1")
    await cloud.do("DELETE", "global/firewalls/k8s-hc-fw")
    address = (await cloud.get(RULE))["IPAddress"]
    found = reach(cloud.compute.project, address, 80)
    assert (found.backends, found.healthy) == (("vm0", "vm1"), ())
    tags = await cloud.get(f"{ZONE}/instances/vm1")
    await cloud.do(
        "POST", f"{ZONE}/instances/vm1/setTags", {"items": ["a"], "fingerprint": tags["tags"]["fingerprint"]}
    )
    ranges = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"]
    body = {"name": "one", "network": NETWORK, "sourceRanges": ranges, "targetTags": ["a"]}
    await cloud.do("POST", "global/firewalls", body | {"allowed": [{"IPProtocol": "tcp"}]})
    assert reach(cloud.compute.project, address, 80).backends == ("vm1",)


async def test_s4_an_insert_that_runs_is_not_in_force() -> None:
    slow = LatencyProfile(medians={**MEDIANS, "forwardingRules.insert": 1e7})
    async with running(Setting(latency=slow)) as cloud:
        await with_dual_nodes(cloud, 1)
        await with_service(cloud, "vm0")
        await cloud.begin("POST", RULES, rule())
        address = (await cloud.get(RULE))["IPAddress"]
        assert reach(cloud.compute.project, address, 80).reason.startswith("no forwarding rule")
        cloud.compute.finish()
        assert reach(cloud.compute.project, address, 80).rule == "k8s-fr"


async def test_s4_an_internal_load_balancer_uses_the_subnetwork(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_group(cloud, "vm0")
    await cloud.do("POST", "global/healthChecks", health_check())
    body = service(loadBalancingScheme="INTERNAL", healthChecks=["global/healthChecks/k8s-hc"])
    await cloud.do("POST", f"{REGION}/backendServices", body)
    internal = rule(loadBalancingScheme="INTERNAL", subnetwork=NODES, network=NETWORK)
    await cloud.do("POST", RULES, internal)
    shown = await cloud.get(RULE)
    assert shown["IPAddress"].startswith("10.250.")
    assert shown["network"].endswith("/vpc")
    await allow(cloud, "inside", "10.0.0.0/8")
    assert reach(cloud.compute.project, shown["IPAddress"], 80).reached
    error = await cloud.refused("DELETE", NODES)
    assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    await cloud.do("DELETE", RULE)
    await cloud.do("POST", RULES, internal | {"IPAddress": shown["IPAddress"]})


# -- reserved addresses


async def test_s4_a_rule_uses_reserved_addresses_of_both_families(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0")
    await cloud.do("POST", f"{REGION}/addresses", {"name": "four"})
    six = {"name": "six", "ipVersion": "IPV6", "ipv6EndpointType": "NETLB", "subnetwork": NODES}
    await cloud.do("POST", f"{REGION}/addresses", six)
    four_address = (await cloud.get(f"{REGION}/addresses/four"))["address"]
    await cloud.do("POST", RULES, rule(IPAddress=four_address))
    await cloud.do("POST", RULES, rule6(IPAddress=f"{REGION}/addresses/six"))
    for name, path in (("four", RULE), ("six", RULE6)):
        address = await cloud.get(f"{REGION}/addresses/{name}")
        assert address["status"] == "IN_USE"
        assert address["users"] == [(await cloud.get(path))["selfLink"]]
        assert (await cloud.refused("DELETE", f"{REGION}/addresses/{name}"))["code"] == 400
    for path in (RULE, RULE6):
        await cloud.do("DELETE", path)
    assert (await cloud.get(f"{REGION}/addresses/six"))["status"] == "RESERVED"


async def test_s4_a_deleted_rule_frees_its_range(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0")
    await cloud.do("POST", RULES, rule6())
    first = (await cloud.get(RULE6))["IPAddress"]
    await cloud.do("POST", RULES, rule6("other"))
    assert (await cloud.get(f"{RULES}/other"))["IPAddress"] != first
    await cloud.do("DELETE", RULE6)
    await cloud.do("POST", RULES, rule6())
    assert (await cloud.get(RULE6))["IPAddress"] == first


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"networkTier": "STANDARD", "ipVersion": "IPV6", "subnetwork": NODES}, "resource.networkTier"),
        ({"ipVersion": "IPV6"}, "resource.subnetwork"),
        ({"ipVersion": "IPV6", "subnetwork": f"{REGION}/subnetworks/single"}, "resource.subnetwork"),
        ({"ipVersion": "IPV4", "IPAddress": "2600:1900::/96"}, "resource.IPAddress"),
        ({"IPAddress": "192.0.2.9"}, "resource.IPAddress"),
        ({"IPAddress": "vm-address", "ipVersion": "IPV6", "subnetwork": NODES}, "resource.IPAddress"),
        ({"loadBalancingScheme": "INTERNAL", "subnetwork": NODES}, "resource.loadBalancingScheme"),
        ({"backendService": f"{REGION}/backendServices/none"}, "resource.backendService"),
        ({"backendService": None, "target": "global/targetHttpProxies/x"}, "resource.target"),
        ({"target": "global/targetHttpProxies/x"}, "resource"),
        ({"backendService": None}, "resource.target"),
        ({"ports": [str(port) for port in range(80, 86)]}, "resource.ports"),
        ({"portRange": "80-90"}, "resource.portRange"),
        ({"ports": []}, "resource.ports"),
        ({"ports": ["http"]}, "resource.ports[0]"),
        ({"ports": [], "portRange": "90-80"}, "resource.portRange"),
        ({"IPProtocol": "L3_DEFAULT"}, "resource.ports"),
    ],
)
async def test_s4_bad_forwarding_rules_are_refused(cloud: Cloud, change: dict[str, Any], where: str) -> None:
    await with_dual_nodes(cloud, 1)
    cloud.compute.place("subnetworks", REGION, {"name": "single", "network": NETWORK, "ipCidrRange": "10.9.0.0/24"})
    vm_address = {"name": "vm-address", "ipVersion": "IPV6", "ipv6EndpointType": "VM", "subnetwork": NODES}
    cloud.compute.place("addresses", REGION, vm_address)
    await with_service(cloud, "vm0")
    error = await cloud.refused("POST", RULES, rule() | change)
    assert error["code"] == 400
    assert f"'{where}'" in error["message"]
    assert "items" not in await cloud.get(RULES)


async def test_s4_an_internal_rule_has_the_premium_tier(cloud: Cloud) -> None:
    """The text of terraform-google-lb-internal issue 125."""
    await with_dual_nodes(cloud, 1)
    await with_group(cloud, "vm0")
    await cloud.do("POST", f"{REGION}/healthChecks", health_check())
    await cloud.do("POST", f"{REGION}/backendServices", service(loadBalancingScheme="INTERNAL"))
    body = rule(loadBalancingScheme="INTERNAL", subnetwork=NODES, networkTier="STANDARD")
    assert "is not supported for loadBalancingScheme=INTERNAL." in (await cloud.refused("POST", RULES, body))["message"]


async def test_s4_rules_of_one_address_need_different_ports(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0", protocol="UNSPECIFIED")
    cloud.compute.place("addresses", REGION, {"name": "one"})
    address = (await cloud.get(f"{REGION}/addresses/one"))["address"]
    await cloud.do("POST", RULES, rule(IPAddress=address))
    await cloud.do("POST", RULES, rule("second", IPAddress=address, ports=["81"]))
    await cloud.do("POST", RULES, rule("third", IPAddress=address, IPProtocol="UDP"))
    error = await cloud.refused("POST", RULES, rule("fourth", IPAddress=address, ports=[], portRange="70-90"))
    assert "Specified IP address is in-use and would result in a conflict." in error["message"]


async def test_s4_a_subnetwork_of_an_own_prefix_serves_no_load_balancer(cloud: Cloud) -> None:
    """facts of 2026-11: ipv6GceEndpoint VM_ONLY."""
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0")
    collection = "projects/proj-1/regions/europe-west1/publicDelegatedPrefixes/own"
    body = {"name": "own", "network": NETWORK, "ipCidrRange": "10.8.0.0/24", "stackType": "IPV4_IPV6"}
    await cloud.do("POST", f"{REGION}/subnetworks", body | {"ipv6AccessType": "EXTERNAL", "ipCollection": collection})
    path = f"{REGION}/subnetworks/own"
    while "ipv6GceEndpoint" not in await cloud.get(path):
        await cloud.clock.sleep(2.0)
    assert (await cloud.get(path))["ipv6GceEndpoint"] == "VM_ONLY"
    assert "VM_ONLY" in (await cloud.refused("POST", RULES, rule6(subnetwork=path)))["message"]


# -- in use, and changes


async def test_s4_parts_of_a_load_balancer_cannot_be_deleted(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_load_balancer(cloud, "vm0")
    for path, noun in ((CHECK, "health_check"), (SERVICE, "backend_service"), (GROUP, "instance_group")):
        error = await cloud.refused("DELETE", path)
        assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
        assert error["message"].startswith(f"The {noun} resource 'projects/proj-1/{path}' is already being used by")
    for path in (RULE, RULE6, SERVICE, CHECK, GROUP):
        await cloud.do("DELETE", path)


async def test_s4_a_backend_service_needs_its_fingerprint(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0")
    assert (await cloud.refused("PATCH", SERVICE, {"timeoutSec": 9}))["code"] == 412
    before = await cloud.get(SERVICE)
    await cloud.do("PATCH", SERVICE, {"timeoutSec": 9, "fingerprint": before["fingerprint"]})
    after = await cloud.get(SERVICE)
    assert after["timeoutSec"] == 9
    assert after["backends"] == before["backends"]
    assert (await cloud.refused("PATCH", SERVICE, {"timeoutSec": 8, "fingerprint": before["fingerprint"]}))[
        "code"
    ] == 412
    await cloud.do("PUT", SERVICE, service(fingerprint=after["fingerprint"], backends=[]))
    emptied = await cloud.get(SERVICE)
    assert "backends" not in emptied
    assert emptied["timeoutSec"] == 30


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"protocol": "HTTP"}, "resource.protocol"),
        ({"backends": [{"group": GROUP, "balancingMode": "UTILIZATION"}]}, "resource.backends[0].balancingMode"),
        ({"backends": [{"group": GROUP}, {"group": GROUP}]}, "resource.backends[1].group"),
        ({"backends": [{"group": f"{ZONE}/instanceGroups/none"}]}, "resource.backends[0].group"),
        ({"healthChecks": [f"{REGION}/healthChecks/none"]}, "resource.healthChecks[0]"),
        ({"loadBalancingScheme": "SIDEWAYS"}, "resource.loadBalancingScheme"),
    ],
)
async def test_s4_bad_backend_services_are_refused(cloud: Cloud, change: dict[str, Any], where: str) -> None:
    await with_dual_nodes(cloud, 1)
    await with_group(cloud, "vm0")
    await cloud.do("POST", f"{REGION}/healthChecks", health_check())
    error = await cloud.refused("POST", f"{REGION}/backendServices", service() | change)
    assert f"'{where}'" in error["message"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": None}, "resource.type"),
        ({"type": "TCP"}, "resource.httpHealthCheck"),
        ({"timeoutSec": 9, "checkIntervalSec": 8}, "resource.timeoutSec"),
        ({"healthyThreshold": 11}, "resource.healthyThreshold"),
        ({"httpHealthCheck": {"port": 70000}}, "resource.httpHealthCheck.port"),
    ],
)
async def test_s4_bad_health_checks_are_refused(cloud: Cloud, change: dict[str, Any], where: str) -> None:
    for scope in ("global", REGION):
        error = await cloud.refused("POST", f"{scope}/healthChecks", health_check() | change)
        assert f"'{where}'" in error["message"]


async def test_s4_health_checks_are_patched_and_updated(cloud: Cloud) -> None:
    await cloud.do("POST", "global/healthChecks", health_check(checkIntervalSec=8))
    await cloud.do("PATCH", "global/healthChecks/k8s-hc", {"timeoutSec": 7})
    patched = await cloud.get("global/healthChecks/k8s-hc")
    assert (patched["timeoutSec"], patched["checkIntervalSec"]) == (7, 8)
    assert patched["httpHealthCheck"] == {"port": 10256, "requestPath": "/healthz", "proxyHeader": "NONE"}
    await cloud.do(
        "PUT", "global/healthChecks/k8s-hc", {"name": "k8s-hc", "type": "TCP", "tcpHealthCheck": {"port": 1}}
    )
    updated = await cloud.get("global/healthChecks/k8s-hc")
    assert "httpHealthCheck" not in updated
    assert (updated["timeoutSec"], updated["tcpHealthCheck"]["port"]) == (5, 1)


# -- groups


async def test_s4_instance_groups_have_members(cloud: Cloud) -> None:
    cloud.populate(3)
    await with_group(cloud, "vm0", "vm1")
    listed = await cloud.call("POST", f"{GROUP}/listInstances", {"instanceState": "ALL"})
    assert [row["instance"].rpartition("/")[2] for row in listed[1]["items"]] == ["vm0", "vm1"]
    shown = await cloud.get(GROUP)
    assert (shown["size"], shown["network"].rpartition("/")[2]) == (2, "vpc")
    assert "members" not in shown
    error = await cloud.refused("POST", f"{GROUP}/addInstances", members("vm2", "vm0"))
    assert error["errors"][0]["reason"] == "memberAlreadyExists"
    await cloud.do("POST", f"{GROUP}/removeInstances", members("vm1"))
    assert (await cloud.refused("POST", f"{GROUP}/removeInstances", members("vm1")))["code"] == 400
    ports = {"namedPorts": [{"name": "http", "port": 80}], "fingerprint": (await cloud.get(GROUP))["fingerprint"]}
    await cloud.do("POST", f"{GROUP}/setNamedPorts", ports)
    assert (await cloud.get(GROUP))["namedPorts"] == ports["namedPorts"]
    assert (await cloud.refused("POST", f"{GROUP}/setNamedPorts", ports))["code"] == 412


async def test_s4_a_new_vm_of_the_name_of_a_member_is_none(cloud: Cloud) -> None:
    cloud.populate(1)
    await with_group(cloud, "vm0")
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    await cloud.do("POST", f"{ZONE}/instances", instance("vm0"))
    assert (await cloud.get(GROUP))["size"] == 0
    await cloud.do("POST", f"{GROUP}/addInstances", members("vm0"))
    assert (await cloud.get(GROUP))["size"] == 1


async def test_s4_a_vm_is_in_one_balanced_group(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_service(cloud, "vm0")
    await cloud.do("POST", f"{ZONE}/instanceGroups", {"name": "second"})
    await cloud.do("POST", f"{ZONE}/instanceGroups/second/addInstances", members("vm0"))
    backends = [{"group": f"{ZONE}/instanceGroups/second"}]
    error = await cloud.refused("POST", f"{REGION}/backendServices", service("other", backends=backends))
    assert "instance may belong to at most one load-balanced instance group" in error["message"]


async def test_s4_endpoint_groups_have_vms_by_address(cloud: Cloud) -> None:
    cloud.populate(2)
    path = f"{ZONE}/networkEndpointGroups/neg"
    neg = {"name": "neg", "networkEndpointType": "GCE_VM_IP", "network": NETWORK, "subnetwork": NODES}
    await cloud.do("POST", f"{ZONE}/networkEndpointGroups", neg)
    endpoints = {"networkEndpoints": [{"instance": "vm0"}, {"instance": "vm1", "ipAddress": "10.250.0.3"}]}
    await cloud.do("POST", f"{path}/attachNetworkEndpoints", endpoints)
    await cloud.do("POST", f"{path}/attachNetworkEndpoints", endpoints)
    assert (await cloud.get(path))["size"] == 2
    _, listed = await cloud.call("POST", f"{path}/listNetworkEndpoints", {})
    assert [row["networkEndpoint"]["ipAddress"] for row in listed["items"]] == ["10.250.0.2", "10.250.0.3"]
    wrong = {"networkEndpoints": [{"instance": "vm0", "ipAddress": "10.250.0.3"}]}
    assert (await cloud.refused("POST", f"{path}/attachNetworkEndpoints", wrong))["code"] == 400
    await cloud.do("POST", f"{path}/detachNetworkEndpoints", {"networkEndpoints": [{"instance": "vm0"}]})
    assert (await cloud.get(path))["size"] == 1
    assert (await cloud.refused("DELETE", NODES))["code"] == 400


async def test_s4_a_saved_load_balancer_is_loaded(cloud: Cloud) -> None:
    await with_dual_nodes(cloud, 1)
    await with_load_balancer(cloud, "vm0")
    state = cloud.compute.dump()
    address = (await cloud.get(RULE))["IPAddress"]
    for path in (RULE, RULE6, SERVICE):
        await cloud.do("DELETE", path)
    assert cloud.compute.load(state) == state
    assert reach(cloud.compute.project, address, 80).backends == ("vm0",)
