"""The simulated provider-gcp cuts nodes off for as long as the real one was measured to do
(docs/reference/gardener.md#traffic-outage)."""

from __future__ import annotations

import pytest

from tests.bench.upstream import MEASURED, SEED_OF_THE_MEASUREMENTS, TOLERANCE, measure
from tests.contract.provider_gcp import in_virtual_time


@pytest.mark.parametrize(
    ("nodes", "prepared"),
    [pytest.param(*case, marks=pytest.mark.slow if case[0] > 20 else ()) for case in MEASURED],
)
def test_r2_the_longest_blackout_of_a_pair_is_that_of_the_real_program(nodes: int, prepared: bool) -> None:
    """In the same cloud the number of polls of each operation is the same. So only the milliseconds differ that the
    real program took for its requests; one operation that ended on the other side of a poll would be 10 s."""
    row = in_virtual_time(lambda: measure(nodes, prepared=prepared, seed=SEED_OF_THE_MEASUREMENTS))
    assert row["blackoutSeconds"]["max"] == pytest.approx(MEASURED[nodes, prepared], abs=TOLERANCE)
    assert row["pairs"] == nodes * (nodes - 1)
    assert row["brokenPairs"] == (0 if prepared else row["pairs"])
    assert row["unreachablePairs"] == 0
