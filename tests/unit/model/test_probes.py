"""What a probing pod reports: when an address counts as reached or lost, and when there is something to write."""

from __future__ import annotations

import pytest

from dualstack.model.kinds import Manifest
from dualstack.prober.report import HEARTBEAT, LOST_AFTER, ProbeLog, ProbeResult, Report, read_report

HERE, THERE = "100.127.255.2", "100.127.254.2"


def report(book: ProbeLog, now: float) -> Report:
    found = read_report(book.lease(now))
    assert found is not None
    return found


def test_nothing_is_reached_before_something_answers() -> None:
    book = ProbeLog("node-0", (HERE, THERE))
    book.note(HERE, arrived=False, at=1.0)
    book.note(THERE, arrived=True, at=2.5)
    said = report(book, 3.0)
    assert said == Report("node-0", 3.0, {HERE: ProbeResult(), THERE: ProbeResult(reached=True, first=2.5)})
    assert said.of("10.0.0.1") == ProbeResult()


def test_a_packet_that_goes_astray_is_no_loss_but_silence_is() -> None:
    book = ProbeLog("node-0", (HERE,))
    book.note(HERE, arrived=True, at=10.0)
    book.note(HERE, arrived=False, at=10.0 + LOST_AFTER - 0.1)
    assert report(book, 13.0).of(HERE) == ProbeResult(reached=True, first=10.0)
    book.note(HERE, arrived=False, at=10.0 + LOST_AFTER)
    assert report(book, 14.0).of(HERE) == ProbeResult(reached=False, first=10.0, interruptions=1)
    book.note(HERE, arrived=False, at=60.0)
    book.note(HERE, arrived=True, at=61.0)
    assert report(book, 62.0).of(HERE) == ProbeResult(reached=True, first=10.0, interruptions=1)


def test_it_is_written_when_something_changed_and_now_and_then() -> None:
    book = ProbeLog("node-0", (HERE,))
    assert book.due(0.0)
    book.written(0.0)
    assert not book.due(1.0)
    assert not book.due(HEARTBEAT - 1)
    assert book.due(HEARTBEAT)
    book.note(HERE, arrived=True, at=5.0)
    assert book.due(5.0)
    book.written(5.0)
    book.note(HERE, arrived=True, at=6.0)
    assert not book.due(6.0)


@pytest.mark.parametrize(
    ("annotations", "spec"),
    [
        (None, {"renewTime": "2026-01-01T00:00:00.000000Z"}),
        ({"dualstack.dev/probes": "{}"}, None),
        ({"dualstack.dev/probes": "{}"}, {"renewTime": "yesterday"}),
        ({"dualstack.dev/probes": "[1]"}, {"renewTime": "2026-01-01T00:00:00.000000Z"}),
        ({"dualstack.dev/probes": '{"a": {"reached": "maybe"}}'}, {"renewTime": "2026-01-01T00:00:00.000000Z"}),
    ],
)
def test_a_lease_that_says_nothing_is_no_report(annotations: Manifest | None, spec: Manifest | None) -> None:
    assert read_report({"metadata": {"name": "node-0", "annotations": annotations}, "spec": spec}) is None
