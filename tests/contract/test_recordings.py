"""The recordings of cloud-controller-manager, ingress-gce and the machine driver, replayed (tests/data/recordings)."""

from __future__ import annotations

import pytest

from dualstack_sim.compute.api.backend import Compute
from tests.contract.recordings import worlds
from tests.contract.recordings.recording import names, recording
from tests.contract.recordings.replay import Outcome, Replay
from tests.sim.compute.cloud import Setting, running


def differing(outcomes: list[Outcome]) -> list[tuple[float, str, str, int, int, object]]:
    """The answers whose status is not the recorded one: (at, method, path, recorded, answered, error)."""
    return [
        (it.request.at, it.request.method, it.request.path, it.request.status, it.status, it.document.get("error"))
        for it in outcomes
        if it.status != it.request.status
    ]


@pytest.mark.parametrize("name", names())
def test_each_recording_is_read_completely(name: str) -> None:
    requests = recording(name)
    assert requests[0].at == 0
    assert all((request.status >= 400) == bool(request.error) for request in requests)


@pytest.mark.parametrize(("name", "dual"), [("machine-driver-single", False), ("machine-driver-dual", True)])
async def test_the_machine_driver_is_answered_as_recorded(name: str, dual: bool) -> None:
    async with running(Setting(by_hand=True)) as cloud:
        worlds.place_network(cloud.compute, dual=dual)
        for worker in worlds.WORKERS:
            worlds.place_worker(cloud.compute, worker)
        outcomes = await Replay(cloud).run(recording(name))
        cloud.compute.finish()
        left = cloud.compute.snapshot()["instances"]
    assert differing(outcomes) == []
    assert {name.rpartition("/")[2] for name in left} == set(worlds.WORKERS)


def place_workers(compute: Compute) -> None:
    """Three VMs with their routes, in an IPv4-only network."""
    worlds.place_network(compute, dual=False)
    for number, (worker, route) in enumerate(zip(worlds.WORKERS, worlds.ROUTES, strict=True)):
        worlds.place_worker(compute, worker)
        worlds.place_route(compute, route, f"100.96.{number}.0/24", worker)


async def test_the_route_controller_is_answered_as_recorded() -> None:
    """It creates the route of a worker that has none and of a new worker, and then makes no change."""
    async with running(Setting(by_hand=True)) as cloud:
        place_workers(cloud.compute)
        worlds.place_worker(cloud.compute, f"{worlds.NAME}-w1-z1-new1")
        await cloud.do("DELETE", f"global/routes/{worlds.ROUTES[2]}")
        outcomes = await Replay(cloud).run(recording("ccm-range-allocator"))
        routes = await cloud.get("global/routes", filter="description eq k8s-node-route")
    assert differing(outcomes) == []
    assert sorted(route["destRange"] for route in routes["items"]) == [f"100.96.{number}.0/24" for number in range(4)]


async def test_s3_the_route_controller_finds_its_routes_under_another_host() -> None:
    """The recorded POSTs were made because the filter found no route; their routes exist, so they are 409 as before."""
    async with running(Setting(by_hand=True, endpoint="http://127.0.0.1:18391/compute/v1")) as cloud:
        place_workers(cloud.compute)
        outcomes = await Replay(cloud).run(recording("ccm-range-allocator-filter-other-host"))
    assert differing(outcomes) == []
    lists = [it.document for it in outcomes if it.request.method == "GET" and it.request.path.endswith("/routes")]
    assert lists
    for document in lists:
        assert {route["name"] for route in document["items"]} == set(worlds.ROUTES)


async def test_the_cloud_allocator_is_answered_as_recorded() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        worlds.place_network(cloud.compute, dual=True)
        for worker in (*worlds.WORKERS, f"{worlds.NAME}-w1-z1-dual1", f"{worlds.NAME}-w1-z1-dual2"):
            worlds.place_worker(cloud.compute, worker, dual=True)
        outcomes = await Replay(cloud).run(recording("ccm-cloud-allocator"))
    assert differing(outcomes) == []


async def test_s4_ingress_gce_gets_its_lists_at_start() -> None:
    """It stopped at the list of backend services, which was 404 on the day of the recording."""
    async with running(Setting(by_hand=True)) as cloud:
        outcomes = await Replay(cloud).run(recording("ingress-gce-start"))
    assert {it.status for it in outcomes} == {200}
    assert {it.request.path for it in outcomes if it.request.status == 404} == {
        "projects/proj-1/global/backendServices"
    }
