"""Work queues and timers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from dualstack_sim.actors.refusals import Unreachable
from dualstack_sim.actors.workqueue import Timers, Workqueue
from tests.support.virtual_time import VirtualClock


async def until(look: Callable[[], bool]) -> None:
    """Wait until `look` returns true."""
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not happen")


@pytest.fixture
async def timers() -> AsyncIterator[Timers]:
    made = Timers(VirtualClock())
    task = asyncio.ensure_future(made.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_timers_call_in_order_of_time(timers: Timers) -> None:
    called: list[str] = []
    timers.after(4.0, lambda: called.append("late"))
    await asyncio.sleep(0)
    timers.after(2.0, lambda: called.append("early"))
    timers.after(0.0, lambda: called.append("now"))
    await until(lambda: len(called) == 3)
    assert called == ["now", "early", "late"]


async def test_a_key_is_processed_once_at_a_time_and_again_if_it_was_added_meanwhile(timers: Timers) -> None:
    queue: Workqueue[str] = Workqueue(timers, name="test")
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.4)
    queue.done("a")
    assert await queue.get() == "a"


async def test_the_earliest_delay_counts_and_lapses_when_the_key_is_processed(timers: Timers) -> None:
    queue: Workqueue[str] = Workqueue(timers, name="test")
    served: list[float] = []

    async def reconcile(_key: str) -> float | None:
        served.append(timers.now())
        return None

    task = asyncio.ensure_future(queue.serve(reconcile))
    start = timers.now()
    queue.add_after("a", 6.0)
    queue.add_after("a", 2.0)
    queue.add_soon("a", 4.0)
    await asyncio.sleep(7.0)
    task.cancel()
    assert len(served) == 1
    assert 2.0 <= served[0] - start < 6.0


async def test_errors_are_retried_with_backoff_until_a_success(timers: Timers) -> None:
    queue: Workqueue[str] = Workqueue(timers, name="test", backoff=1.0)
    served: list[float] = []

    async def reconcile(_key: str) -> float | None:
        served.append(timers.now())
        if len(served) < 4:
            raise Unreachable(0, "", "no answer")
        return None

    task = asyncio.ensure_future(queue.serve(reconcile))
    queue.add("a")
    await until(lambda: len(served) == 4)
    assert queue.failures("a") == 0
    task.cancel()
    gaps = [later - earlier for earlier, later in itertools.pairwise(served)]
    assert len(gaps) == 3
    assert gaps[0] >= 1.0
    assert gaps[1] >= 2.0
    assert gaps[2] >= 4.0


async def test_an_unexpected_error_ends_the_actor(timers: Timers) -> None:
    queue: Workqueue[str] = Workqueue(timers, name="test")

    async def reconcile(_key: str) -> float | None:
        raise ZeroDivisionError

    queue.add("a")
    with pytest.raises(ExceptionGroup) as caught:
        await queue.serve(reconcile)
    assert caught.group_contains(ZeroDivisionError)
