"""Obstacles to a migration in the world, and the operator's answer: reported with a code before the first change."""

from __future__ import annotations

from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.refusals import assert_refused
from tests.sim.infrastructure.scene import NS, SUBNET, Scene


async def subnet_in_the_service_range(made: Scene) -> None:
    network = (await made.subnet())["network"]
    body = {"name": "of-another-cluster", "network": network, "ipCidrRange": "100.70.0.0/24"}
    made.compute.place("subnetworks", SUBNET, body)


async def node_without_route_and_subnet_in_the_service_range(made: Scene) -> None:
    await upstream.delete_routes(made, left=2)
    await made.clock.sleep(120.0)  # every host has learned it
    await subnet_in_the_service_range(made)


async def internal_ipv6_access(made: Scene) -> None:
    await made.change("networks.patch", "global", NS, enableUlaInternalIpv6=True)
    await upstream.patch_nodes_subnet(made, stackType="IPV4_IPV6", ipv6AccessType="INTERNAL")


async def pod_range_under_another_name(made: Scene) -> None:
    await upstream.patch_nodes_subnet(made, allowSubnetCidrRoutesOverlap=True)
    taken = {"rangeName": "pods-default", "ipCidrRange": upstream.PODS}
    await upstream.patch_nodes_subnet(made, secondaryIpRanges=[taken])


async def test_p01_a_node_without_its_route_leaves_the_preflight_switched_on() -> None:
    await assert_refused(
        node_without_route_and_subnet_in_the_service_range,
        says="subnet of-another-cluster",
        code=CONFIGURATION_PROBLEM,
        quotas=Limits(static_routes_per_network=4),
    )


async def test_p02_an_immutable_internal_access_type_is_refused_before_the_first_change() -> None:
    await assert_refused(internal_ipv6_access, says="INTERNAL", code=CONFIGURATION_PROBLEM)


async def test_p03_the_pod_range_under_another_name_is_refused_before_the_first_change() -> None:
    await assert_refused(pod_range_under_another_name, says="secondary range pods-default", code=CONFIGURATION_PROBLEM)
