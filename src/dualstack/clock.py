"""Time as a dependency (docs/reference/design-rules.md#injected-time).

A rehearsal runs hours of cluster time in seconds. All of its processes get the same `origin` and `speed`, so they agree
on the time without communicating.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> float:
        """The current time, in seconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock have passed; at once for zero or less."""
        ...


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """Runs `speed` times as fast as the wall clock since the wall time `origin`, at which both agree.

    `ScaledClock()` is the wall clock itself.
    """

    origin: float = 0.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"clock speed must be above 0, not {self.speed}")

    def now(self) -> float:
        wall = time.time()
        return self.origin + (wall - self.origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)


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
