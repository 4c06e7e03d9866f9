"""Interruptions from packets: the figure and its bound, refusals, restarts, and what a report keeps."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.traffic.interruptions import (
    GRACE,
    MOST,
    REFUSAL_SPACING,
    FlowLog,
    Interruption,
    longest_since_any,
)

OLD, NEW = b"old", b"new"
GAPS = st.lists(st.floats(0.05, 0.3), min_size=5, max_size=80)


def flow(outcomes: str, interval: float = 0.1) -> tuple[FlowLog, list[Interruption]]:
    """A flow whose packets were answered (`a`; `n`: by a new process), refused (`r`) or lost (`x`)."""
    log = FlowLog("node-1")
    for index, outcome in enumerate(outcomes):
        number = log.send(index * interval)
        if outcome in "an":
            log.answer(number, OLD if outcome == "a" else NEW, index * interval)
        elif outcome == "r":
            log.refuse(number)
    return log, log.settle(len(outcomes) * interval + GRACE)


@given(gaps=GAPS, start=st.floats(0.5, 5.0), seconds=st.floats(0.0, 6.0), took=st.floats(0.0, 0.2), back=st.booleans())
def test_the_truth_lies_within_the_uncertainty_and_the_uncertainty_within_a_gap_and_a_round_trip(
    gaps: list[float], start: float, seconds: float, took: float, *, back: bool
) -> None:
    """`back`: the answers are dropped instead of the packets; the responder needs `took`."""
    times = list(accumulate([0.0, *gaps, *[0.1] * 150]))  # ticks that come early or late, then on time
    log = FlowLog("node-1")
    lost = [at for at in times if start <= at + took * back < start + seconds]
    for at in times:
        number = log.send(at)
        if at not in lost:
            log.answer(number, OLD, at + took)
    found = log.settle(times[-1] + GRACE)
    assert len(found) == bool(lost)
    for each in found:
        assert abs(each.seconds - seconds) <= each.uncertainty + 1e-9
        assert each.uncertainty <= max([0.1, *gaps]) + took + 1e-9
        assert each.seconds == pytest.approx(each.end - each.start)


def test_on_time_the_figure_is_within_one_interval() -> None:
    _, found = flow("aaxxxxxaa")
    assert [(round(each.seconds, 6), round(each.uncertainty, 6)) for each in found] == [(0.5, 0.1)]


def test_nothing_is_reported_where_nothing_was_lost() -> None:
    log, found = flow("a" * 50)
    assert found == []
    assert (log.sent, log.answered, log.lost, log.refused, log.current(10.0)) == (50, 50, 0, 0, None)


def test_answers_count_in_any_order() -> None:
    log = FlowLog("node-1")
    numbers = [log.send(index * 0.1) for index in range(10)]
    for number in reversed(numbers):
        log.answer(number, OLD, 1.0)
    assert log.settle(1.0) == []
    assert log.answered == 10


def test_a_late_answer_within_the_grace_is_no_loss_and_one_after_it_is() -> None:
    log = FlowLog("node-1")
    for index in range(3):
        log.answer(log.send(index * 0.1), OLD, index * 0.1)
    late = log.send(0.3)
    log.answer(log.send(0.4), OLD, 0.4)
    assert log.settle(0.3 + GRACE - 0.01) == []
    log.answer(late, OLD, 0.3 + GRACE)
    assert log.settle(0.3 + GRACE) == []
    late = log.send(5.0)
    assert log.settle(5.0 + GRACE) == []
    log.answer(late, OLD, 5.1 + GRACE)
    log.answer(log.send(5.1), OLD, 5.1)
    assert [round(each.seconds, 6) for each in log.settle(6.0 + GRACE)] == [2.35]  # nothing was sent from 0.4 to 5.0


def test_two_drops_are_two_interruptions() -> None:
    _, found = flow("aaxxxaaaxxxxxxa")
    assert [round(each.seconds, 6) for each in found] == [0.3, 0.6]


def test_a_target_that_was_never_reached_is_not_interrupted() -> None:
    log, found = flow("x" * 30)
    assert found == []
    assert not log.reached
    assert log.current(100.0) is None
    assert log.lost == 30


def test_what_is_not_yet_judged_is_known() -> None:
    log = FlowLog("node-1")
    log.answer(log.send(1.0), OLD, 1.0)
    waiting = log.send(1.1)
    log.answer(log.send(1.2), OLD, 1.2)
    log.settle(2.0)
    assert log.judged_until(2.0) == 1.1
    log.answer(waiting, OLD, 2.1)
    log.settle(2.2)
    assert log.judged_until(2.2) == 2.2


def test_a_flow_begins_with_its_first_answer() -> None:
    log, found = flow("xxrraaxa")
    assert (log.sent, log.answered, log.lost, log.refused, len(found)) == (4, 3, 1, 0, 1)


def test_an_interruption_that_lasts_grows() -> None:
    log, found = flow("aa" + "x" * 40)
    assert found == []
    lasting = log.current(4.2)
    assert lasting is not None
    assert lasting.seconds == pytest.approx(4.0, abs=0.15)
    later = log.current(9.2)
    assert later is not None
    assert later.seconds > lasting.seconds


def test_refusals_of_a_process_that_restarts_are_told_apart_from_loss() -> None:
    _, (found,) = flow("aarrrrrrnn")
    assert (found.refused, found.restarted, round(found.seconds, 6)) == (True, True, 0.6)
    _, (found,) = flow("aarrrrrraa")
    assert (found.refused, found.restarted) == (True, False)
    _, (found,) = flow("aaxxxxxxnn")
    assert (found.refused, found.restarted) == (False, True)


def test_silence_between_two_icmp_errors_belongs_to_the_refusal() -> None:
    spacing = round(REFUSAL_SPACING * 10)
    _, (found,) = flow("aar" + "x" * 9 + "r" + "x" * 9 + "nn")
    assert found.refused
    assert found.seconds == pytest.approx(2.0)
    _, both = flow("aar" + "x" * (spacing + 5) + "nn")
    assert [each.refused for each in both] == [True, False]
    assert both[1].seconds == pytest.approx((spacing + 5) / 10)


INTERRUPTIONS = st.lists(
    st.builds(
        lambda end, seconds: Interruption("node-1", end - seconds, end, seconds, 0.1),
        st.floats(100.0, 1000.0),
        st.floats(0.1, 90.0),
    ),
    max_size=40,
)


def longest(interruptions: list[Interruption] | tuple[Interruption, ...], since: float) -> float:
    return max((each.seconds for each in interruptions if each.end > since), default=0.0)


@given(interruptions=INTERRUPTIONS, since=st.floats(0.0, 1100.0))
def test_what_is_kept_tells_the_longest_since_any_instant(interruptions: list[Interruption], since: float) -> None:
    assert longest(longest_since_any(interruptions, most=100), since) == longest(interruptions, since)
    kept = longest_since_any(interruptions)
    assert len(kept) <= MOST
    assert longest(kept, since) >= longest(interruptions, since)
    assert longest(kept, 0.0) == longest(interruptions, 0.0)


@given(interruptions=INTERRUPTIONS)
def test_keeping_in_steps_is_keeping_at_once(interruptions: list[Interruption]) -> None:
    kept: tuple[Interruption, ...] = ()
    for each in interruptions:
        kept = longest_since_any((*kept, each), most=100)
    assert kept == longest_since_any(interruptions, most=100)
