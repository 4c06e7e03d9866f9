"""The effect of the knobs without a number."""

from __future__ import annotations

import pytest

from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import FabricKnobs
from tests.sim.compute.cloud import NETWORK, REGION, ZONE, Json, Setting, instance, route, running
from tests.sim.fabric.cloud import PODS, cluster, node, pod


@pytest.mark.parametrize(
    ("limits", "instances", "refused"),
    [
        ("enforced", 130, False),
        ("enforced", 131, True),
        ("advice", 131, False),
    ],
)
async def test_hybrid_limits_may_be_enforced(limits: str, instances: int, refused: bool) -> None:
    knobs = Knobs(hybrid_limits="enforced") if limits == "enforced" else Knobs()
    async with running(Setting(knobs=knobs)) as cloud:
        cloud.populate()
        for number in range(instances):
            cloud.compute.place("instances", "zones/europe-west1-b", instance(f"vm{number}"))
        if refused:
            error = await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True)
            assert "131 instances, more than the 130" in error["message"]
        else:
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)


NONE_LEFT = Limits(
    static_routes_per_network=1, subnet_ranges_per_network=1, instances_per_network=1, aliases_per_network=0
)
BEYOND: dict[str, tuple[str, str, Json]] = {
    "STATIC_ROUTES_PER_NETWORK": ("POST", "global/routes", route("r", "100.96.0.0/24", "vm0")),
    "SUBNET_RANGES_PER_NETWORK": (
        "POST",
        f"{REGION}/subnetworks",
        {"name": "other", "network": NETWORK, "ipCidrRange": "192.168.0.0/24"},
    ),
    "INSTANCES_PER_NETWORK_GLOBAL": ("POST", f"{ZONE}/instances", instance("vm1")),
    "ALIASES_PER_NETWORK_GLOBAL": ("PATCH", f"{ZONE}/instances/vm0/updateNetworkInterface", {}),
}


@pytest.mark.parametrize("quota", BEYOND)
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_resource_beyond_a_quota_may_fail_in_the_request(quota: str, at_once: bool) -> None:
    knobs = Knobs(network_quotas="request") if at_once else Knobs()
    async with running(Setting(knobs=knobs, quotas=NONE_LEFT)) as cloud:
        cloud.populate()
        cloud.compute.place("instances", ZONE, instance("vm0"))
        verb, path, body = BEYOND[quota]
        query = {}
        if path.endswith("updateNetworkInterface"):
            query = {"networkInterface": "nic0"}
            fingerprint = (await cloud.interface("vm0"))["fingerprint"]
            body = {"fingerprint": fingerprint, "aliasIpRanges": [{"ipCidrRange": "/28"}]}
        error = await (cloud.refused if at_once else cloud.fail)(verb, path, body, **query)
        assert f"Quota '{quota}' exceeded." in error["message"]


@pytest.mark.parametrize("serves", [True, False])
def test_static_routes_to_instances_may_serve_unused_addresses(serves: bool) -> None:
    fabric, cloud = cluster(knobs=FabricKnobs(unmatched_to_instances=serves))
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    assert (fabric.probe(node(1), pod(2), 100.0).delivered_to == node(2)) is serves
