"""Obstacles to a migration in the world, and the operator's answer: reported with a code before the first change."""

from __future__ import annotations

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM
from dualstack.model import kinds
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.refusals import Spoil, assert_refused
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene


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


def edited(**pool: object) -> Spoil:
    """A Shoot whose first worker pool has these fields too."""

    async def edit(made: Scene) -> None:
        namespace = made.world.shoot["metadata"]["namespace"]
        before = {**made.world.shoot["spec"]["provider"]["workers"][0], **pool}
        workers = [{key: value for key, value in before.items() if value is not None}]
        change = {"spec": {"provider": {"workers": workers}}}
        made.store.patch(gardener_kinds.SHOOT, made.shoot, change, namespace)

    return edit


async def nothing(_: Scene) -> None:
    """A cluster without an obstacle."""


@pytest.mark.parametrize("strategy", ["AutoInPlaceUpdate", "ManualInPlaceUpdate"])
async def test_p04_a_pool_whose_nodes_are_never_replaced_is_refused_before_the_first_change(strategy: str) -> None:
    await assert_refused(
        edited(updateStrategy=strategy, maxSurge=None, maxUnavailable=None),
        says=f'spec.provider.workers[0].updateStrategy: Invalid value: "{strategy}"',
        code=CONFIGURATION_PROBLEM,
    )


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        ("stratgy", "compressed", "did you mean dualstack.dev/strategy?"),
        ("strategy", "fast", '"fast": supported values'),
        ("drill", "yes", '"yes": supported values'),
    ],
)
async def test_p08_an_annotation_without_effect_is_refused_before_the_first_change(
    annotation: str, value: str, says: str
) -> None:
    annotations = {f"dualstack.dev/{annotation}": value}
    await assert_refused(nothing, says=says, code=CONFIGURATION_PROBLEM, annotations=annotations)


async def test_p08_an_unknown_annotation_of_the_infrastructure_is_refused_before_the_first_change() -> None:
    async def annotate(made: Scene) -> None:
        change = {"metadata": {"annotations": {"dualstack.dev/strategy": "compressed"}}}
        made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, change, made.namespace)

    await assert_refused(annotate, says="it has no effect here; set it on the Shoot", code=CONFIGURATION_PROBLEM)


@pytest.mark.parametrize(
    ("labels", "spec", "says"),
    [
        ({"worker.gardener.cloud/pool": "w1"}, {}, "Node left: has no Machine of its name"),
        ({"type": "virtual-kubelet"}, {}, "Node left: belongs to no worker pool"),
        ({"type": "virtual-kubelet"}, {"providerID": "vk://left"}, "has provider ID 'vk://left'"),
    ],
    ids=["pool", "virtual", "virtual with a provider ID"],
)
async def test_p04_a_node_that_no_machine_has_made_is_refused_by_the_infrastructure_controller_alone(
    labels: dict[str, str], spec: dict[str, str], says: str
) -> None:
    """With `--controllers infrastructure`, no other controller looks at the Nodes before the routes go."""
    async with scene() as made:
        made.store.create(kinds.NODE, {"metadata": {"name": "left", "labels": labels}, "spec": spec})
        made.trigger()
        before = made.mutations()

        refused = await made.refusal()

        assert says in refused
        assert made.mutations() == before
