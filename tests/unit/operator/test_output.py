"""Events as JSON lines, and metrics for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from dualstack.model.errors import InvalidInput
from dualstack.model.events import (
    AnyEvent,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
    decode,
)
from dualstack.operator.metrics import Metrics
from dualstack.operator.output import EventStream, all_of
from dualstack.operator.queue import Key

EVENTS: list[AnyEvent] = [
    PhaseStarted(at=1.0, shoot="s", phase="dns"),
    StepStarted(at=2.0, shoot="s", step="restart-coredns"),
    StepFailed(at=3.0, shoot="s", step="restart-coredns", detail="no"),
    StepFinished(at=4.0, shoot="s", step="restart-coredns"),
    Progress(at=5.0, shoot="s", nodes=3, nodes_dual_stack=2, routes_left=1),
]


def test_each_event_is_one_line_and_files_are_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "events"
    for _ in range(2):
        stream = EventStream.open(str(file))
        for event in EVENTS:
            stream.write(event)
        assert stream.writer.flush()
        lines = file.read_bytes().splitlines()
        assert [decode(line) for line in lines[-len(EVENTS) :]] == EVENTS
    assert len(file.read_bytes().splitlines()) == 2 * len(EVENTS)


def test_a_file_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--events"):
        EventStream.open(str(tmp_path / "none" / "events"))


def test_p11_a_closed_reader_of_the_events_is_counted_and_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = EventStream(writer, "a pipe")
    metrics = Metrics()
    metrics.watch(stream)
    for event in EVENTS:
        stream.write(event)
    assert stream.writer.flush()
    assert f"dualstack_events_lost {float(len(EVENTS))}" in generate_latest(metrics.registry).decode()
    os.close(writer)


def test_metrics_follow_the_events() -> None:
    metrics = Metrics()
    tell = all_of(metrics.event)
    for event in EVENTS:
        tell(event)
    metrics.outcome(Key("shoot", "n", "s"), "Succeeded")
    text = generate_latest(metrics.registry).decode()
    assert 'dualstack_phase{phase="dns",shoot="s"} 1.0' in text
    assert 'dualstack_phase{phase="roll-out",shoot="s"} 0.0' in text
    assert 'dualstack_steps_total{result="failed",shoot="s",step="restart-coredns"} 1.0' in text
    assert 'dualstack_nodes{shoot="s",state="route"} 1.0' in text
    assert 'dualstack_routes_left{shoot="s"} 1.0' in text
    assert 'dualstack_reconciles_total{controller="shoot",result="Succeeded"} 1.0' in text
    metrics.event(PhaseFinished(at=6.0, shoot="s", phase="dns"))
    assert 'dualstack_phase{phase="dns",shoot="s"} 0.0' in generate_latest(metrics.registry).decode()
