"""Trials in processes of their own, so that every core carries worlds."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue

from tests.crash.operators import Nursery
from tests.crash.trial import Course, Verdict
from tests.crash.tripwire import Point

Trial = Callable[[Nursery, Point | None, Course], Awaitable[Verdict]]


def verdicts_of(points: Sequence[Point | None], one: Trial, course: Course, *, jobs: int) -> Iterator[Verdict]:
    """The verdicts as they come, from `jobs` processes; RuntimeError if one of these ends too early."""
    context = get_context("spawn")
    results: Queue[Verdict] = context.Queue()
    workers = [context.Process(target=_work, args=(points[start::jobs], one, course, results)) for start in range(jobs)]
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


def _work(points: Sequence[Point | None], one: Trial, course: Course, results: Queue[Verdict]) -> None:
    asyncio.run(_trials(points, one, course, results.put))


async def _trials(points: Sequence[Point | None], one: Trial, course: Course, hear: Callable[[Verdict], None]) -> None:
    nursery = await Nursery.open()
    try:
        for point in points:
            hear(await one(nursery, point, course))
    finally:
        await nursery.close()
