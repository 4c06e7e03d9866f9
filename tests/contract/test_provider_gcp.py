"""The simulated provider-gcp sends the recorded requests of the real one, in its order and at its pace, and both bring
the simulated Compute Engine into the same state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dualstack_sim.actors.flow_tasks import FlowFailed
from tests.contract.provider_gcp import (
    RICH,
    Stage,
    Worker,
    chains,
    comparable,
    in_virtual_time,
    replay,
    settled,
    stage,
    workers_of,
)
from tests.contract.recordings import worlds
from tests.contract.recordings.recording import Json, Recorded, names, recording

Act = Callable[[Stage, list[Worker]], Awaitable[None]]


async def nothing(made: Stage, _: list[Worker]) -> None:
    """An empty project; the addresses of the user exist."""
    for name in ("nat-1", "nat-2"):
        made.compute.place("addresses", worlds.REGION, {"name": name})


async def ipv4(made: Stage, workers: list[Worker]) -> None:
    """A reconciled IPv4 cluster with its VMs and routes."""
    await nothing(made, workers)
    await made.reconcile(dual=False)
    made.place(workers)


async def prepared(made: Stage, workers: list[Worker]) -> None:
    await ipv4(made, workers)
    await made.prepare(workers)


async def migrated(made: Stage, workers: list[Worker]) -> None:
    """Without VMs: gardenlet deletes them before the Infrastructure."""
    await ipv4(made, workers)
    await made.reconcile(dual=True)


async def reconcile_ipv4(made: Stage, _: list[Worker]) -> None:
    await made.reconcile(dual=False)


async def reconcile_dual(made: Stage, _: list[Worker]) -> None:
    await made.reconcile(dual=True)


async def refused(made: Stage, _: list[Worker]) -> None:
    """The range that is in use cannot be removed (docs/reference/gardener.md#prepared-ipv4-reconcile)."""
    with pytest.raises(
        FlowFailed, match=r'failed to "ensure worker subnet": googleapi: Error 400: .* already being used'
    ):
        await made.reconcile(dual=False)


async def delete(made: Stage, _: list[Worker]) -> None:
    await made.delete()


@dataclass(frozen=True)
class Run:
    """How the cloud begins, what the program does, the configuration, and whose VMs there are."""

    begin: Act
    act: Act
    config: Json = field(default_factory=dict)
    workers: str = ""


RUNS = {
    "create-ipv4": Run(nothing, reconcile_ipv4),
    "create-rich": Run(nothing, reconcile_ipv4, RICH),
    "migrate-3-nodes": Run(ipv4, reconcile_dual, workers="migrate-3-nodes"),
    "migrate-20-nodes": Run(ipv4, reconcile_dual, workers="migrate-20-nodes"),
    "migrate-100-nodes": Run(ipv4, reconcile_dual, workers="migrate-100-nodes"),
    "migrate-20-nodes-prepared": Run(prepared, reconcile_dual, workers="migrate-20-nodes-prepared"),
    "migrate-rich": Run(ipv4, reconcile_dual, RICH, "migrate-rich"),
    "reconcile-ipv4-prepared": Run(prepared, refused, workers="migrate-3-nodes"),
    "noop-after-migration": Run(migrated, reconcile_dual),
    "delete-rich": Run(migrated, delete, RICH),
}


@asynccontextmanager
async def _begun(name: str) -> AsyncIterator[tuple[Stage, list[Worker], Sequence[Recorded]]]:
    run, requests = RUNS[name], recording(f"provider-gcp-{name}")
    workers = workers_of(recording(f"provider-gcp-{run.workers}")) if run.workers else []
    async with stage(run.config) as made:
        await run.begin(made, workers)
        made.follow(requests)
        yield made, workers, requests


async def simulated(name: str) -> tuple[list[Recorded], Any]:
    """The requests of the simulated program in the circumstances of the recording, and the state at the end."""
    async with _begun(name) as (made, workers, _):
        await RUNS[name].act(made, workers)
        return made.client.requests, settled(made)


async def replayed(name: str) -> tuple[list[tuple[Recorded, int]], Any]:
    """The statuses of the recorded requests, and the state at the end."""
    async with _begun(name) as (made, _, requests):
        return await replay(made, requests), settled(made)


def test_every_recording_of_provider_gcp_is_compared() -> None:
    assert {f"provider-gcp-{name}" for name in RUNS} == {name for name in names() if name.startswith("provider-gcp-")}


@pytest.mark.parametrize("name", RUNS)
def test_s8_the_simulated_program_sends_the_recorded_requests(name: str) -> None:
    """With method, path, query, body, answer, second, and the polls of operations."""
    requests, _ = in_virtual_time(lambda: simulated(name))
    sent, expected = chains(comparable(requests)), chains(comparable(recording(f"provider-gcp-{name}")))
    assert sent.keys() == expected.keys()
    for chain, recorded in expected.items():
        assert sent[chain] == recorded, chain


@pytest.mark.parametrize("name", RUNS)
def test_s8_the_recorded_requests_get_the_recorded_answers_and_end_in_the_same_state(name: str) -> None:
    answered, state = in_virtual_time(lambda: replayed(name))
    differing = [(it.at, it.method, it.path, it.status, status) for it, status in answered if status != it.status]
    assert differing == []
    assert state == in_virtual_time(lambda: simulated(name))[1]
