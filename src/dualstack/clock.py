"""Time as a dependency (docs/reference/design-rules.md#injected-time).

A rehearsal runs hours of cluster time in seconds. All of its processes get the same `origin`, `speed` and `pauses`, so
they agree on the time.
"""

from __future__ import annotations

import asyncio
import math
import mmap
import time
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> float:
        """The current time, in seconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock have passed; at once for zero or less."""
        ...


class Pauses:
    """For how long a clock has stood still; in a file that its owner writes and all processes with this clock read."""

    SHORTEST_SLEEP = 0.001
    """Seconds of wall time after which a sleeper looks again while the clock stands still."""

    def __init__(self, path: Path) -> None:
        """Use `path`, which is created if it does not exist."""
        self._path = path
        with path.open("a+b") as file:
            if not file.tell():
                file.write(memoryview(array("d", (0.0, math.inf))).cast("B"))
                file.flush()
            self._values = memoryview(mmap.mmap(file.fileno(), 16)).cast("d")

    @property
    def path(self) -> Path:
        return self._path

    @property
    def seconds(self) -> float:
        """Seconds of wall time for which the clock has stood still."""
        return self._values[0]

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._values[0] = seconds

    @property
    def limit(self) -> float:
        """Where the clock stands still until its owner raises the limit, in its seconds since the epoch."""
        return self._values[1]

    @limit.setter
    def limit(self, at: float) -> None:
        self._values[1] = at


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """Runs `speed` times as fast as the wall clock since the wall time `origin`, at which both agree, but for `pauses`.

    `ScaledClock()` is the wall clock itself.
    """

    origin: float = 0.0
    speed: float = 1.0
    pauses: Pauses | None = None

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"clock speed must be above 0, not {self.speed}")

    def now(self) -> float:
        wall = time.time()
        if self.pauses is None:
            return self.origin + (wall - self.origin) * self.speed
        return min(self.origin + (wall - self.pauses.seconds - self.origin) * self.speed, self.pauses.limit)

    async def sleep(self, seconds: float) -> None:
        if self.pauses is None or seconds <= 0.0:
            await asyncio.sleep(max(0.0, seconds) / self.speed)
            return
        due, left = self.now() + seconds, seconds
        while left > 0.0:
            await asyncio.sleep(max(left / self.speed, Pauses.SHORTEST_SLEEP))
            left = due - self.now()

    def options(self) -> dict[str, object]:
        """The options, without dashes, that give a command this clock."""
        pauses = {"clock-pauses": self.pauses.path} if self.pauses is not None else {}
        return {"clock-origin": repr(self.origin), "clock-speed": repr(self.speed), **pauses}


def rfc3339(seconds: float, *, fraction: bool = False) -> str:
    """`seconds` since the epoch as UTC RFC 3339, as Kubernetes writes it (`fraction`: MicroTime, six digits)."""
    stamp = datetime.fromtimestamp(seconds, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if fraction else "%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time stamp with up to nine fractional digits. Raises ValueError."""
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits[:6]}{tail[len(digits) :]}"
    return datetime.fromisoformat(text).timestamp()
