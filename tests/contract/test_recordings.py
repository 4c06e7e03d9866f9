"""The recordings of cloud-controller-manager, ingress-gce and the machine driver, replayed (tests/data/recordings)."""

from __future__ import annotations

import pytest

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
