"""Simulated flows: the windows do not depend on when they are computed, and a connection behaves as TCP does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack_sim.fabric.flows import SimulatedFlow, SimulatedTcpFlow

ORDER = {"id": "a", "interval": 0.1}
BEGIN = 1000.0


def made(kind: type[SimulatedFlow], changes: list[tuple[float, str | None]]) -> SimulatedFlow:
    flow = kind(ORDER, BEGIN)
    flow.path.set(BEGIN, "peer")
    for at, answers in changes:
        flow.path.set(at, answers)
    return flow


def result(flow: SimulatedFlow, until: float) -> dict[str, Any]:
    part = flow.taken(until)
    assert part is not None
    return part


CHANGES = st.lists(st.tuples(st.floats(0.0, 60.0), st.sampled_from([None, "peer", "other"])), max_size=5).map(
    lambda changes: sorted(((BEGIN + at, answers) for at, answers in changes), key=lambda change: change[0])
)


@pytest.mark.parametrize("kind", [SimulatedFlow, SimulatedTcpFlow])
@given(changes=CHANGES, steps=st.lists(st.floats(0.0, 70.0)).map(sorted))
def test_a_flow_measures_the_same_however_often_it_is_looked_at(
    kind: type[SimulatedFlow], changes: list[tuple[float, str | None]], steps: list[float]
) -> None:
    at_once, in_steps = made(kind, changes), made(kind, changes)
    for step in steps:
        in_steps.advance(BEGIN + step)
    for flow in (at_once, in_steps):
        flow.advance(BEGIN + 80.0)
    assert result(at_once, BEGIN + 78.0) == result(in_steps, BEGIN + 78.0)


@given(CHANGES)
def test_a_packet_is_answered_if_there_is_a_path_when_it_is_sent(changes: list[tuple[float, str | None]]) -> None:
    flow = made(SimulatedFlow, changes)
    flow.advance(BEGIN + 70.0)
    part = result(flow, BEGIN + 69.0)
    for index, answered in enumerate(part["answered"]):
        at = round(BEGIN + index / 10, 6)
        state = [answers for since, answers in [(BEGIN, "peer"), *changes] if since <= at][-1]
        assert answered == (state is not None)


@pytest.mark.parametrize(
    ("changes", "connections", "lost"),
    [
        ([], 1, 0),
        ([(10.02, None), (10.25, "peer")], 1, 0),  # the first retransmission brings all
        ([(10.02, None), (13.0, "peer")], 1, 22),  # that of 13.3 s those of the last second
        ([(10.02, None), (50.0, "peer")], 2, 400),  # given up after 30 s, then a new connection
        ([(10.02, "other")], 2, 0),  # a reset, and a new connection at once
    ],
)
def test_a_connection_sends_again_and_is_given_up_after_half_a_minute(
    changes: list[tuple[float, str | None]], connections: int, lost: int
) -> None:
    flow = made(SimulatedTcpFlow, [(BEGIN + at, answers) for at, answers in changes])
    flow.advance(BEGIN + 70.0)
    part = result(flow, BEGIN + 69.0)
    assert flow.connections == connections
    assert sum(part["sent"]) - sum(part["answered"]) == pytest.approx(lost, abs=3)
