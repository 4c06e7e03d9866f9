"""The keyed queue: one task for each key, repeats, backoff by reason, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dualstack.kube.interface import Conflict, Unavailable
from dualstack.model.errors import ComputeError, DualstackError, GateFailed, InvalidInput
from dualstack.operator import queue as queue_module
from dualstack.operator.queue import Key, KeyedQueue, delay_after, reason_of

KEY, OTHER = Key("shoot", "garden-foo", "bar"), Key("shoot", "garden-foo", "baz")


class StoppedClock:
    """A clock whose sleepers wake only when the test says so."""

    def __init__(self) -> None:
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self.sleepers.append((seconds, awake))
        await awake.wait()

    def wake(self) -> None:
        for _, awake in self.sleepers:
            awake.set()
        self.sleepers.clear()

    @property
    def waits(self) -> list[float]:
        return [seconds for seconds, _ in self.sleepers]


class Bench:
    """A queue with scripted reconciles."""

    def __init__(self, reconcile: Callable[[Key], Awaitable[float | None]] | None = None) -> None:
        self.clock = StoppedClock()
        self.calls: list[Key] = []
        self.running: set[Key] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.results: list[float | Exception | None] = []
        self.outcomes: list[str] = []
        self.queue = KeyedQueue(self._reconcile, self.clock, lambda key, result: self.outcomes.append(result))

    async def _reconcile(self, key: Key) -> float | None:
        assert key not in self.running, "two workers on one key"
        self.running.add(key)
        self.calls.append(key)
        result = self.results.pop(0) if self.results else None
        try:
            await self.gate.wait()
            if isinstance(result, Exception):
                raise result
        finally:
            self.running.discard(key)
        return result


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_key_is_reconciled_once() -> None:
    bench = Bench()
    for _ in range(10):
        bench.queue.add(KEY)
    await settle()
    # The nine that came before the worker began are one with it; they may cost at most one more look.
    assert 1 <= len(bench.calls) <= 2
    assert len(bench.queue) == 0


async def test_a_key_added_during_its_reconcile_is_reconciled_again() -> None:
    bench = Bench()
    bench.gate.clear()
    bench.queue.add(KEY)
    await settle()
    for _ in range(10):
        bench.queue.add(KEY)
    bench.gate.set()
    await settle()
    assert bench.calls == [KEY, KEY]


async def test_keys_are_reconciled_concurrently() -> None:
    bench = Bench()
    bench.gate.clear()
    bench.queue.add(KEY)
    bench.queue.add(OTHER)
    await settle()
    assert bench.running == {KEY, OTHER}
    await bench.queue.close()


async def test_zero_means_at_once_and_a_number_means_later() -> None:
    bench = Bench()
    bench.results = [0.0, 30.0, None]
    bench.queue.add(KEY)
    await settle()
    assert bench.calls == [KEY, KEY]
    assert bench.clock.waits == [30.0]
    bench.clock.wake()
    await settle()
    assert bench.calls == [KEY, KEY, KEY]
    assert len(bench.queue) == 0


async def test_adding_a_key_ends_its_wait() -> None:
    bench = Bench()
    bench.results = [300.0]
    bench.queue.add(KEY)
    await settle()
    bench.queue.add(KEY)
    await settle()
    assert bench.calls == [KEY, KEY]


async def test_failures_are_retried_more_and_more_slowly() -> None:
    bench = Bench()
    bench.results = [GateFailed("shut"), GateFailed("shut"), GateFailed("shut"), None, GateFailed("shut")]
    bench.queue.add(KEY)
    waits = []
    for _ in range(3):
        await settle()
        waits += bench.clock.waits
        bench.clock.wake()
    await settle()
    assert waits == [5.0, 10.0, 20.0]
    assert bench.outcomes == ["GateFailed", "GateFailed", "GateFailed", "Succeeded"]
    bench.queue.add(KEY)
    await settle()
    assert bench.clock.waits == [5.0]
    await bench.queue.close()


async def test_a_defect_ends_neither_queue_nor_key() -> None:
    bench = Bench()
    bench.results = [KeyError("spec")]
    bench.queue.add(KEY)
    await settle()
    assert bench.outcomes == ["Defect"]
    bench.clock.wake()
    await settle()
    assert bench.outcomes == ["Defect", "Succeeded"]


async def test_closing_cancels_reconciles_and_ignores_new_keys() -> None:
    bench = Bench()
    bench.gate.clear()
    bench.queue.add(KEY)
    await settle()
    await asyncio.wait_for(bench.queue.close(), 1)
    assert bench.running == set()
    bench.queue.add(OTHER)
    await settle()
    assert bench.calls == [KEY]


class Paced(ComputeError):
    """An error of the Compute client."""

    retry_after: float | None = 42.0


@pytest.mark.parametrize(
    ("error", "failures", "seconds"),
    [
        (Conflict("x"), 1, 1.0),
        (Conflict("x"), 50, 5.0),
        (Unavailable("x"), 30, 60.0),
        (GateFailed("x"), 30, 300.0),
        (InvalidInput("x"), 1, 300.0),
        (Paced("x"), 1, 42.0),
        (ComputeError("x"), 2, 10.0),
        (KeyError("x"), 1, 5.0),
    ],
)
def test_the_delay_depends_on_the_reason(error: Exception, failures: int, seconds: float) -> None:
    assert delay_after(error, failures) == seconds


def test_reasons_are_words() -> None:
    assert reason_of(Conflict("x")) == "Conflict"
    assert reason_of(KeyError("x")) == "Defect"
    assert reason_of(DualstackError("x")) == "DualstackError"


async def until(check: Callable[[], bool]) -> None:
    for _ in range(5000):
        if check():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("not within 5 s")


async def test_at_most_as_many_reconciles_as_slots_work_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "SLOT_SECONDS", 60.0)
    working, most = 0, 0

    async def reconcile(_: Key) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1

    outcomes: list[str] = []
    queue = KeyedQueue(reconcile, StoppedClock(), lambda _, result: outcomes.append(result), slots=3)
    for number in range(20):
        queue.add(Key("shoot", "garden-foo", str(number)))
    await until(lambda: not len(queue))
    assert (most, len(outcomes)) == (3, 20)


async def test_a_cloud_that_does_not_answer_holds_back_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as many reconciles that hang as there are slots, when another is due, then it is done; when they end, then
    no more slots are free than before."""
    monkeypatch.setattr(queue_module, "SLOT_SECONDS", 0.01)
    gate = asyncio.Event()
    done: list[str] = []

    async def reconcile(key: Key) -> None:
        if key.namespace == "slow":
            await gate.wait()
        done.append(key.name)

    queue = KeyedQueue(reconcile, StoppedClock(), slots=2)
    for number in range(8):
        queue.add(Key("infrastructure", "slow", str(number)))
    queue.add(Key("infrastructure", "quick", "one"))
    await until(lambda: done == ["one"])
    gate.set()
    await until(lambda: not len(queue))
    assert len(done) == 9
    assert queue._slots._free._value == 2
