"""Trials in processes of their own, so that every core is used."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue

from tests.crash.operators import Spawner
from tests.crash.trial import RunOptions, Verdict
from tests.crash.tripwire import Point

Trial = Callable[[Spawner, Point | None, RunOptions], Awaitable[Verdict]]


def verdicts_of(points: Sequence[Point | None], one: Trial, options: RunOptions, *, jobs: int) -> Iterator[Verdict]:
    """The verdicts as they come, from `jobs` processes; Raises RuntimeError if one of these ends too early."""
    context = get_context("spawn")
    results: Queue[Verdict] = context.Queue()
    workers = [
        context.Process(target=_work, args=(points[start::jobs], one, options, results)) for start in range(jobs)
    ]
    for worker in workers:
        worker.start()
    left = len(points)
    while left:
        try:
            yield results.get(timeout=2.0)
            left -= 1
        except queue.Empty:
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a process that ran trials has failed") from None
    for worker in workers:
        worker.join()


def _work(points: Sequence[Point | None], one: Trial, options: RunOptions, results: Queue[Verdict]) -> None:
    asyncio.run(_trials(points, one, options, results.put))


async def _trials(
    points: Sequence[Point | None], one: Trial, options: RunOptions, hear: Callable[[Verdict], None]
) -> None:
    spawner = await Spawner.open()
    try:
        for point in points:
            hear(await one(spawner, point, options))
    finally:
        await spawner.close()
