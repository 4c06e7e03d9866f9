"""Upstream's Infrastructure controller, killed at its calls while the cluster is prepared: no packet is lost.

Its process is cancelled before a call, which is after the one before, and another one starts over from what it finds.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest

from dualstack.model.errors import DualstackError
from dualstack_sim.fabric.blackout import TrafficReport
from tests.contract.provider_gcp import Stage, in_virtual_time, stage, workers_of
from tests.contract.recordings.recording import recording

WORKERS = workers_of(recording("provider-gcp-migrate-3-nodes"))
RUNS = 10
"""How many more runs the controller may need after the kill."""
SETTLED = 120.0
SAMPLE = 30


async def killed_at(number: int) -> tuple[int, TrafficReport]:
    """How many calls the first run made, and the traffic of all runs. number: the call before which it is killed."""
    async with stage(seed=3) as made:
        await made.reconcile(dual=False)
        made.place(WORKERS)
        await made.prepare(WORKERS)
        made.watch(WORKERS)
        made.client.listen()
        task = asyncio.ensure_future(made.reconcile(dual=True))

        async def before(method: str, path: str) -> None:
            if len(made.client.requests) >= number:
                task.cancel()
                await asyncio.sleep(0)

        made.client.before = before
        done, _ = await asyncio.wait([task])
        assert done
        calls = len(made.client.requests)
        made.client.before = None
        await _to_the_end(made)
        await made.clock.sleep(SETTLED)
        assert not [each for each in made.compute.snapshot()["routes"].values() if "nextHopInstance" in each]
        return calls, made.fabric.traffic.report(made.clock.now())


async def _to_the_end(made: Stage) -> None:
    for _ in range(RUNS):
        try:
            return await made.reconcile(dual=True)
        except DualstackError:
            await made.clock.sleep(30.0)
    raise AssertionError(f"upstream has not finished within {RUNS} runs")


def judge(report: TrafficReport) -> None:
    assert report.blackout_seconds["max"] == 0.0
    assert (report.pairs, report.broken_pairs, report.current) == (6, (), 0)


def test_r2_a_prepared_cluster_loses_nothing_when_upstream_is_killed_between_its_deletions() -> None:
    calls, report = in_virtual_time(partial(killed_at, 12))
    assert calls >= 12
    judge(report)


@pytest.mark.slow
def test_r2_a_prepared_cluster_loses_nothing_at_whichever_call_upstream_is_killed() -> None:
    calls, report = in_virtual_time(partial(killed_at, 10**6))
    judge(report)
    for number in sorted(random.Random(1).sample(range(calls), min(SAMPLE, calls))):
        _, report = in_virtual_time(partial(killed_at, number))
        judge(report)
