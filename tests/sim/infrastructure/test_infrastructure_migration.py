"""The whole Infrastructure migration of a three-node cluster over HTTP of both servers (gardener-behaviour.md 11.4)."""

from __future__ import annotations

import pytest

from dualstack.errors import InvalidInput
from dualstack.model import cidr, kinds, names
from dualstack.model.kinds import Manifest

from .scene import NS, QUICK, ZONE, Scene, scene


async def assert_end_state(made: Scene) -> None:
    """gardener-behaviour.md 11.4 after #13."""
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


def annotated(manifest: Manifest | None) -> dict[str, str]:
    assert manifest is not None
    return dict(manifest["metadata"].get("annotations") or {})


async def test_an_ipv4_cluster_at_rest_is_left_alone() -> None:
    async with scene() as made:
        made.request()
        before = made.mutations()
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        assert made.events == []
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


async def test_overlap_migrates_without_a_lost_packet_and_then_changes_nothing() -> None:
    async with scene() as made:
        made.trigger()
        controller = made.controller(settings=QUICK)
        assert await controller.reconcile(made.shoot, made.namespace) is None
        await assert_end_state(made)
        assert made.fabric.traffic.report(made.clock.now()).blackout_seconds["max"] == 0.0
        assert made.steps() == [
            "stop-cloud-controller-manager",
            "save-routes",
            "set-overlap-flag",
            "add-secondary-range",
            "add-alias-canary",
            "add-aliases",
            "delete-route-canary",
            "delete-routes",
            "delete-routes",
            "clear-overlap-flag",
            "clear-saved-routes",
            "set-stack-type",
            "create-services-subnet",
            "await-ipv6-prefixes",
            "create-firewall-rules",
            "publish-status",
        ]
        assert made.phases() == [
            ("started", "cut-over"),
            ("finished", "cut-over"),
            ("started", "ipv6"),
            ("finished", "ipv6"),
        ]
        resource = made.store.get(kinds.MANAGED_RESOURCE, names.MANAGED_RESOURCE_CONTROL_PLANE, made.namespace)
        assert annotated(resource)[names.IGNORE] == "true"
        assert annotated(resource)[names.REMOVE_IGNORE] == "true"
        deployment = made.store.get(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, made.namespace)
        assert deployment is not None
        assert deployment["spec"]["replicas"] == 0

        before = made.mutations()
        made.events.clear()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        assert made.events == []
        await assert_end_state(made)


async def test_gardeners_order_ends_in_the_same_state_and_loses_packets() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "gardener"})
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        await assert_end_state(made)
        assert made.fabric.traffic.report(made.clock.now()).blackout_seconds["max"] > 10.0
        assert "set-overlap-flag" not in made.steps()


async def test_the_controller_waits_for_the_pods_of_the_cloud_controller_manager() -> None:
    async with scene() as made:
        made.trigger()
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        stopped = next(event for event in made.events if getattr(event, "step", "") == "stop-cloud-controller-manager")
        saved = next(event for event in made.events if getattr(event, "step", "") == "save-routes")
        assert saved.at - stopped.at >= made.grace


async def test_an_unknown_strategy_is_refused_before_anything_is_done() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "brute-force"})
        before = made.mutations()
        with pytest.raises(InvalidInput, match="unknown strategy 'brute-force'"):
            await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Error"
        assert status["lastOperation"]["progress"] == 50
        assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
        assert status["lastError"]["description"].startswith("Error reconciling infrastructure: unknown strategy")
        assert made.mutations() == before
