"""The benchmark of an operator with many Shoots, on a few."""

from __future__ import annotations

import pytest

from dualstack.operator.landscape import GARDENER, STANDALONE
from tests.bench.many_shoots import OF_NODE, TARGETS, measure


@pytest.mark.slow
@pytest.mark.parametrize("landscape", [GARDENER, STANDALONE])
async def test_an_operator_at_rest_sends_nothing_to_compute_and_reacts_to_a_request(landscape: str) -> None:
    figures = await measure(landscape, 3, settle=9.0, seconds=1.0, wait=2)
    assert figures["computeCalls"] == 0
    assert figures["reactionSeconds"] < 30.0, "the status has not changed"
    assert set(TARGETS) < set(figures)
    assert figures.get(OF_NODE, 0.0) < 30.0, "the constraint has not changed"
    assert (OF_NODE in figures) == (landscape == STANDALONE)
