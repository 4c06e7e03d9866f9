"""A clock that changes while tasks sleep."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from dualstack.clock import Pauses, ScaledClock
from dualstack_sim.steppable_clock import ClockFixed, SteppableClock


def test_an_unchanged_clock_equals_the_scaled_clock() -> None:
    origin = time.time() - 3.0
    steppable, scaled = SteppableClock(origin, 120.0), ScaledClock(origin, 120.0)
    before = scaled.now()
    assert before <= steppable.now() <= scaled.now()


async def test_a_sleeper_wakes_when_the_clock_is_stepped_past_its_time() -> None:
    clock = SteppableClock(time.time(), 0.0)
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(60.0))
    await asyncio.sleep(0)
    clock.step(59.0)
    await asyncio.sleep(0.02)
    assert not sleeper.done()
    clock.step(1.0)
    await asyncio.wait_for(sleeper, 30.0)
    assert clock.now() == pytest.approx(start + 60.0)


async def test_a_sleeper_follows_the_new_speed() -> None:
    clock = SteppableClock(time.time(), 0.0)
    sleeper = asyncio.create_task(clock.sleep(1000.0))
    await asyncio.sleep(0)
    clock.set_speed(100_000.0)
    await asyncio.wait_for(sleeper, 30.0)


async def test_no_sleeper_wakes_early_after_slowing_down() -> None:
    clock = SteppableClock(time.time(), 10_000.0)
    due = clock.now() + 100_000.0
    sleeper = asyncio.create_task(clock.sleep(100_000.0))
    await asyncio.sleep(0.01)
    clock.set_speed(0.0)
    await asyncio.sleep(0.15)
    assert not sleeper.done()
    clock.set_speed(100_000.0)
    await asyncio.wait_for(sleeper, 30.0)
    assert clock.now() >= due - 1.0


async def test_sleeping_for_zero_seconds_returns_at_once_when_the_clock_stands_still() -> None:
    await asyncio.wait_for(SteppableClock(time.time(), 0.0).sleep(-5.0), 30.0)


def test_the_time_does_not_jump_when_the_speed_changes() -> None:
    clock = SteppableClock(time.time(), 0.0)
    before = clock.now()
    clock.set_speed(2.0)
    clock.set_speed(0.0)
    assert before <= clock.now() < before + 1.0


def test_a_fixed_clock_refuses_changes_with_the_reason() -> None:
    clock = SteppableClock(time.time())
    clock.fix("a rehearsal is under way")
    with pytest.raises(ClockFixed, match="a rehearsal is under way"):
        clock.set_speed(2.0)
    with pytest.raises(ClockFixed):
        clock.step(1.0)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_invalid_speeds_and_steps_are_refused(value: float) -> None:
    clock = SteppableClock(time.time())
    with pytest.raises(ValueError, match="must be 0 or more"):
        clock.set_speed(value)
    with pytest.raises(ValueError, match="must be 0 or more"):
        clock.step(value)
    with pytest.raises(ValueError, match="must be 0 or more"):
        SteppableClock(time.time(), value)


@pytest.fixture
def shared(tmp_path: Path) -> tuple[SteppableClock, ScaledClock]:
    """The clock of a world at 1,000 seconds a second, and that of another process."""
    file = tmp_path / "clock"
    clock = SteppableClock(time.time(), 1000.0, Pauses(file))
    return clock, ScaledClock(clock.formula_origin, clock.speed, Pauses(file))


def _work(seconds: float) -> None:
    """Keep the event loop busy."""
    time.sleep(seconds)


async def test_r3_the_clock_stands_still_in_every_process_while_the_world_is_busy(
    shared: tuple[SteppableClock, ScaledClock],
) -> None:
    clock, other = shared
    pausing = asyncio.create_task(clock.pause_while_busy())
    await asyncio.sleep(0)  # a preempted `clock.sleep` may end without letting it begin
    await clock.sleep(1.0)
    before = clock.now()
    _work(0.2)  # for what would be 200 seconds
    assert before <= clock.now() == other.now() <= before + 20.0
    clock.set_speed(500.0)
    other = ScaledClock(clock.formula_origin, clock.speed, other.pauses)
    await clock.sleep(50.0)
    assert clock.now() >= before + 50.0
    earlier, there, later = clock.now(), other.now(), clock.now()
    assert earlier - 0.01 <= there <= later + 0.01
    pausing.cancel()


async def test_r3_no_sleeper_of_another_process_wakes_while_the_clock_stands_still(
    shared: tuple[SteppableClock, ScaledClock],
) -> None:
    clock, other = shared
    pauses = clock.pauses
    assert pauses is not None
    start = clock.now()
    pauses.limit = start + 5.0
    sleeper = asyncio.create_task(other.sleep(10.0))
    await asyncio.sleep(0.05)
    assert not sleeper.done()
    assert other.now() == pauses.limit
    pausing = asyncio.create_task(clock.pause_while_busy())
    await sleeper
    assert other.now() >= start + 10.0
    pausing.cancel()
    await asyncio.wait_for(other.sleep(100.0), 30.0)  # a clock without its owner goes on
