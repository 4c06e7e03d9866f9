"""The simulated provider-gcp cuts nodes off for as long as the real one was measured to do
(docs/reference/gardener.md#traffic-outage)."""

from __future__ import annotations

from functools import partial

import pytest

from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.fabric.blackout import TrafficReport
from tests.bench.upstream import ANSWERS, WAYS
from tests.contract.provider_gcp import in_virtual_time, stage, workers_of
from tests.contract.recordings.recording import recording

SEED = 3
"""Of the simulated cloud in which the real program was measured: it draws the latency of each operation from the name
of its resource. The Compute API answered within milliseconds there; here it answers at once."""

TOLERANCE = 0.5
"""Seconds. In the same cloud each operation needs the same number of polls, so that only the time differs that the real
program took for the requests of a task, at most 0.6 s. An operation on the other side of a poll would make 10 s."""

SETTLED = 120.0
"""Seconds after which the last alias is known to every host: upstream does not wait for it."""

MEASURED = {(3, False): 36.6, (20, False): 41.5, (100, False): 87.6, (20, True): 0.0, (100, True): 0.0}
"""The longest blackout of a pair in seconds, by number of nodes and whether they were prepared."""


@pytest.mark.parametrize(
    ("nodes", "prepared"),
    [pytest.param(*case, marks=pytest.mark.slow if case[0] > 20 else ()) for case in MEASURED],
)
def test_r2_the_longest_blackout_of_a_pair_is_that_of_the_real_program(nodes: int, prepared: bool) -> None:
    report = in_virtual_time(lambda: migrate(nodes, prepared=prepared))
    assert report.blackout_seconds["max"] == pytest.approx(MEASURED[nodes, prepared], abs=TOLERANCE)
    assert report.pairs == nodes * (nodes - 1)
    assert len(report.broken_pairs) == (0 if prepared else report.pairs)
    assert report.current == 0


@pytest.mark.parametrize("nodes", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("answers", ANSWERS)
def test_r2_compressed_cuts_nodes_off_for_less_time_and_preparation_for_none(nodes: int, answers: str) -> None:
    """With the same latencies, also when the API takes as long as a real one (docs/measurements.md#upstream)."""
    longest = {
        way: in_virtual_time(partial(run, nodes, ANSWERS[answers], 1))["blackoutSeconds"]["max"]
        for way, run in WAYS.items()
    }
    assert longest["prepared"] == 0.0
    assert 0.0 < longest["compressed"] < longest["upstream"]


async def migrate(nodes: int, *, prepared: bool) -> TrafficReport:
    """The traffic during a migration of the recorded VMs."""
    workers = workers_of(recording(f"provider-gcp-migrate-{nodes}-nodes"))
    async with stage(seed=SEED, latency=LatencyProfile()) as made:
        await made.reconcile(dual=False)
        made.place(workers)
        if prepared:
            await made.prepare(workers)
        made.watch(workers)
        await made.reconcile(dual=True)
        await made.clock.sleep(SETTLED)
        return made.fabric.traffic.report(made.clock.now())
