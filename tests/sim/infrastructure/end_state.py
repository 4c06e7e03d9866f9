"""The state after the golden scenario's Infrastructure migration (docs/reference/gardener.md#golden-r2-13)."""

from __future__ import annotations

from dualstack.model import cidr, kinds
from dualstack.prober.report import NAMESPACE
from tests.sim.infrastructure.scene import NS, ZONE, Scene


async def assert_end_state(made: Scene) -> None:
    """Cloud, status and state, item by item."""
    subnet = await made.subnet()
    assert subnet["stackType"] == "IPV4_IPV6"
    assert subnet["ipv6AccessType"] == "EXTERNAL"
    assert subnet["allowSubnetCidrRoutesOverlap"] is False
    assert subnet["secondaryIpRanges"] == [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}]
    assert await made.node_routes() == []
    for node in made.world.nodes:
        instance = await made.resource("instances.get", ZONE, node.name)
        aliases = instance["networkInterfaces"][0]["aliasIpRanges"]
        assert aliases == [{"ipCidrRange": node.pod_cidr, "subnetworkRangeName": "ipv4-pod-cidr"}]
    services = await made.subnet(f"{NS}-services")
    assert services["ipCidrRange"] == "100.64.0.0/13"
    nodes_ipv6 = cidr.canonical(subnet["externalIpv6Prefix"])
    services_ipv6 = cidr.services_range(services["externalIpv6Prefix"])
    status = made.infrastructure()["status"]
    assert status["networking"] == {
        "nodes": ["10.250.0.0/16", nodes_ipv6],
        "pods": ["100.96.0.0/11", nodes_ipv6],
        "services": ["100.64.0.0/13", services_ipv6],
    }
    networks = status["providerStatus"]["networks"]
    assert networks["ipfamilies"] == ["IPv4", "IPv6"]
    assert networks["subnets"] == [
        {"name": f"{NS}-nodes", "purpose": "nodes"},
        {"name": f"{NS}-services", "purpose": "services"},
    ]
    assert status.get("egressCIDRs", []) == []
    assert "routes" not in status["state"]
    assert status["state"]["data"]["nodes-subnet-ipv6-cidr"] == subnet["externalIpv6Prefix"]
    assert status["lastOperation"]["state"] == "Succeeded"
    assert status["lastOperation"]["progress"] == 100
    assert status.get("lastError") is None
    firewall = await made.resource("firewalls.get", "global", f"{NS}-allow-internal-access-ipv6")
    assert {cidr.canonical(source) for source in firewall["sourceRanges"]} == {
        nodes_ipv6,
        cidr.canonical(services["externalIpv6Prefix"]),
    }
    await made.resource("firewalls.get", "global", f"{NS}-allow-health-checks-ipv6")


async def assert_no_decoys(made: Scene) -> None:
    """Nothing of the decoy check is left, in the cloud or in the cluster."""
    listed = await made.compute.answer("instances.list", ZONE)
    assert [instance["name"] for instance in listed["items"] if "decoy" in instance["name"]] == []
    routes = await made.compute.answer("routes.list", "global")
    assert [route["name"] for route in routes.get("items", ()) if "decoy" in route["name"]] == []
    assert made.store.get(kinds.NAMESPACE, NAMESPACE) is None
    assert made.store.list(kinds.LEASE, NAMESPACE) == []
