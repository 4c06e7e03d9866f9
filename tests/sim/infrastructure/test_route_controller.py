"""Stopping and restoring the route controller: by its flag, or by scaling cloud-controller-manager to zero."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.model import kinds, names
from dualstack.model.errors import GateFailed
from dualstack.model.workloads import flags_of
from tests.sim.infrastructure.scene import Scene, scene


def manager(made: Scene) -> CloudControllerManager:
    return CloudControllerManager(made.kube, made.clock, made.namespace)


def pods(made: Scene) -> list[str]:
    return [pod["metadata"]["name"] for pod in made.store.list(kinds.POD, made.namespace)]


def containers(made: Scene, change: Callable[[list[Any]], Any]) -> None:
    """Change the containers of the Deployment as another writer."""
    deployment = made.controller_manager()
    change(deployment["spec"]["template"]["spec"]["containers"])
    made.store.patch(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, {"spec": deployment["spec"]}, made.namespace)


async def first_pod(made: Scene) -> None:
    while not pods(made):
        await made.clock.sleep(1.0)


async def test_p17_only_the_route_controller_stops() -> None:
    async with scene() as made:
        await first_pod(made)
        before = made.controller_manager()["spec"]
        await manager(made).stop()
        after = made.controller_manager()["spec"]
        assert after["replicas"] == before["replicas"] == 1
        changed = flags_of(made.controller_manager()) | {"configure-cloud-routes": "true"}
        assert changed["cidr-allocator-type"] == "RangeAllocator"
        assert len(pods(made)) == 1
        facts = await manager(made).observe()
        assert facts.gone
        assert made.controller_manager_is_ignored()
        assert made.pods.finish() <= 60.0
        notice = await manager(made).stop_notice()
        assert notice is not None
        assert notice.startswith("the route controller of cloud-controller-manager has been stopped")
        assert notice.endswith("meanwhile new nodes get no route")


async def test_p17_it_waits_until_the_last_pod_that_creates_routes_is_gone() -> None:
    async with scene() as made:
        await first_pod(made)
        stopping = asyncio.create_task(manager(made).stop())
        await made.clock.sleep(made.pods.start + 5.0)
        assert not stopping.done()
        assert not (await manager(made).observe()).gone
        await stopping
        assert (await manager(made).observe()).gone


async def test_p17_a_second_stop_changes_nothing() -> None:
    async with scene() as made:
        await first_pod(made)
        await manager(made).stop()
        version = made.controller_manager()["metadata"]["resourceVersion"]
        await manager(made).stop()
        assert made.controller_manager()["metadata"]["resourceVersion"] == version


def without_flags(found: list[Any]) -> None:
    found[0]["command"] = ["/start.sh"]


def under_another_name(found: list[Any]) -> None:
    found[0]["name"] = "manager"
    found[0]["command"] = ["/start.sh"]


@pytest.mark.parametrize("change", [without_flags, under_another_name])
async def test_p17_where_the_flag_cannot_be_set_it_is_scaled_to_zero(change: Callable[[list[Any]], Any]) -> None:
    async with scene() as made:
        containers(made, change)
        await first_pod(made)
        assert not (await manager(made).observe()).gone
        await manager(made).stop()
        assert made.controller_manager()["spec"]["replicas"] == 0
        assert pods(made) == []
        assert (await manager(made).observe()).gone
        notice = await manager(made).stop_notice()
        assert notice is not None
        assert "no new node is initialised" in notice


async def test_p17_where_the_flag_does_not_take_effect_it_is_scaled_to_zero() -> None:
    """The new pod never becomes ready, for example because no node of the seed has room for it."""
    async with scene() as made:
        await first_pod(made)
        made.pods.start = 10_000.0
        stopping = asyncio.create_task(manager(made).stop())
        while made.controller_manager()["spec"]["replicas"]:
            await made.clock.sleep(1.0)
        made.store.delete(kinds.POD, pods(made)[0], made.namespace)
        await stopping
        assert (await manager(made).observe()).gone


async def test_p17_pods_that_do_not_end_stop_the_cut_over() -> None:
    async with scene() as made:
        await first_pod(made)
        made.pods.grace = 10_000.0
        with pytest.raises(GateFailed, match="still has 1 pods"):
            await manager(made).stop()
