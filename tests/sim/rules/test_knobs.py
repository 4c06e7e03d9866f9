"""What the knobs beyond K1 to K5 do."""

from __future__ import annotations

import pytest

from dualstack_sim.compute.knobs import Knobs
from dualstack_sim.fabric import FabricKnobs
from tests.sim.compute.cloud import Setting, instance, running
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
        cloud.furnish()
        for number in range(instances):
            cloud.compute.place("instances", "zones/europe-west1-b", instance(f"vm{number}"))
        if refused:
            error = await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True)
            assert "131 instances, more than the 130" in error["message"]
        else:
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)


@pytest.mark.parametrize("serves", [True, False])
def test_static_routes_to_instances_may_serve_what_no_resource_has(serves: bool) -> None:
    fabric, cloud = cluster(knobs=FabricKnobs(unmatched_to_instances=serves))
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    assert (fabric.probe(node(1), pod(2), 100.0).delivered_to == node(2)) is serves
