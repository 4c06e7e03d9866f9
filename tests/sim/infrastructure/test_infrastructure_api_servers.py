"""The Infrastructure migration with garden, seed and shoot on API servers of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.kube.interface import Kube
from dualstack.model.kinds import DEPLOYMENT, NODE, SECRET
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER as CCM
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import QUICK, scene
from tests.support.store_kube import StoreKube

OF_GARDENER = (DEPLOYMENT, MANAGED_RESOURCE, SECRET)


async def test_x1_the_nodes_are_those_of_the_shoot() -> None:
    async with scene(separate=True) as made:
        in_seed = {node["metadata"]["name"] for node in await made.clusters.seed.list(NODE)}
        assert in_seed == {"seed-worker-0", "seed-worker-1"}
        in_shoot = {node["metadata"]["name"] for node in await made.clusters.shoot(made.namespace).list(NODE)}
        assert in_shoot == {node.name for node in made.world.nodes}
        assert await made.clusters.garden.list(NODE) == []
        made.trigger()
        assert await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace) is None
        await assert_end_state(made)
        assert made.lost() == 0.0
        assert isinstance(made.clusters.garden, StoreKube)
        assert made.clusters.garden.writes == [], "the Shoot is gardenlet's"


async def test_x7_x8_beside_gardener_only_the_route_controller_of_the_control_plane_is_touched() -> None:
    async with scene(separate=True) as made:
        seed, shoot = made.clusters.seed, made.clusters.shoot(made.namespace)
        before = {kind: {each["metadata"]["name"]: each for each in await seed.list(kind)} for kind in OF_GARDENER}
        made.trigger()
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        assert isinstance(seed, StoreKube)
        assert isinstance(shoot, StoreKube)
        written = {(kind, name) for _, kind, name in seed.writes if kind not in ("Infrastructure", "Event")}
        assert written == {("Deployment", CCM), ("ManagedResource", "extension-controlplane-seed")}
        assert shoot.writes == []
        for kind, objects in before.items():
            after = {each["metadata"]["name"]: each for each in await seed.list(kind)}
            assert after.keys() == objects.keys()
            for name, found in after.items():
                if name != CCM:
                    assert found.get("spec") == objects[name].get("spec"), name
                    assert found.get("data") == objects[name].get("data"), name


class _NoNodes(StoreKube):
    """A shoot that shows no Node, as to a user who may not see them through a proxy that filters."""

    def __init__(self) -> None:
        self.writes = []

    async def list(self, *_: object, **__: object) -> list[dict[str, object]]:
        return []


def _of_seed(clusters: Clusters) -> Kube:
    return clusters.seed


def _of_garden(clusters: Clusters) -> Kube:
    return clusters.garden


def _empty(_: Clusters) -> Kube:
    return _NoNodes()


@pytest.mark.parametrize("wrong", [_of_seed, _of_garden, _empty])
async def test_x1_nodes_of_another_api_server_stop_it_before_the_first_change(
    wrong: Callable[[Clusters], Kube],
) -> None:
    async with scene(separate=True) as made:
        made.trigger()
        before = made.mutations()
        clusters = replace(made.clusters, shoot=lambda _: wrong(made.clusters))
        refusal = await made.refusal(clusters=clusters)
        for node in made.world.nodes:
            assert f"VM {node.name}: runs, but the API server shows no Node of its name" in refusal
        assert made.mutations() == before
        assert not made.controller_manager_is_ignored()
        assert made.creates_routes()
