"""The pace of polling, and the pause while a rate quota is used up (docs/reference/compute-engine.md#rate-windows)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dualstack.clock import Clock

WINDOW = 60.0
"""Seconds of a quota window; windows start at full minutes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls: `first`, then each `growth` times the one before, at most `ceiling`."""

    first: float = 0.5
    growth: float = 1.5
    ceiling: float = 5.0
    alone: float = math.inf
    """At most this many while a single operation is awaited, because everything else then waits for it."""

    def delays(self) -> Iterator[float]:
        """The seconds before each poll, without end."""
        delay = self.first
        while True:
            yield delay
            delay = min(self.ceiling, delay * self.growth)


QUICK = Pace(alone=1.0)
"""Half a second up to five, or one for a single operation (docs/reference/weaknesses.md#w31)."""


def group_of(method: str, path: str) -> str:
    """The rate quota of a request: its kind and its region, also for zones
    (docs/reference/compute-engine.md#rate-groups)."""
    home, _, rest = path.partition("/")
    place, _, rest = rest.partition("/") if home in ("regions", "zones") else ("", "", rest)
    region = place.rpartition("-")[0] if home == "zones" else place
    collection, _, name = rest.partition("/")
    if method != "GET":
        kind = "change"
    elif home == "aggregated":
        kind = "heavy"
    elif not name and collection:
        kind = "list"
    else:
        kind = "operation" if collection == "operations" else "read"
    return f"{kind} {region}".strip()


class QuotaWindows:
    """Keeps each group of requests within its quota, which it learns from refusals (fixed windows).

    Nothing is held back before the first refusal. From then on requests that exceed the window's limit wait for the
    next window. If the refusal did not state the limit, a full window without a refusal raises the estimate, because
    other clients that share the quota may have become quieter.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, _Group] = {}

    def take(self, group: str) -> bool:
        """Count a request of the group; False, without counting it, if it has to wait for `room`."""
        return self._groups.setdefault(group, _Group()).take(int(self._clock.now() // WINDOW))

    def peaks(self) -> dict[str, int]:
        """The most requests of one window, by group; groups without requests are absent."""
        return {name: group.most for name, group in sorted(self._groups.items()) if group.most}

    async def room(self, group: str) -> None:
        """Return at once, or at the start of the next window if the present one is used up."""
        known = self._groups.setdefault(group, _Group())
        now = self._clock.now()
        if known.full(int(now // WINDOW)):
            await self._clock.sleep((known.window + 1) * WINDOW - now)

    def usage(self) -> list[tuple[str, int, int | None]]:
        """Each group with the requests in its present window, and its limit if it is known."""
        window = int(self._clock.now() // WINDOW)
        return [
            (name, known.count if known.window == window else 0, known.limit)
            for name, known in list(self._groups.items())
        ]

    def refused(self, group: str, stated: int | None = None) -> None:
        """Record a rateLimitExceeded of the group; `stated` is the limit that the refusal names."""
        known = self._groups.setdefault(group, _Group())
        known.refuse(int(self._clock.now() // WINDOW), stated)


LEAST = 10
"""The lowest estimate: clocks differ, so the count at the first refusal may belong to two windows."""


@dataclass(slots=True)
class _Group:
    window: int = -1
    count: int = 0
    limit: int | None = None
    stated: bool = False
    closed: bool = False
    most: int = 0

    def full(self, window: int) -> bool:
        """Whether a request has to wait for the next window."""
        if window > self.window:
            self._begin(window)
        return self.closed or (self.limit is not None and self.count >= self.limit)

    def take(self, window: int) -> bool:
        if self.full(window):
            return False
        self.count += 1
        self.most = max(self.most, self.count)
        return True

    def refuse(self, window: int, stated: int | None) -> None:
        if window > self.window:
            self._begin(window)
        if not self.closed:
            # Requests under way are counted too, which overestimates by a few at most.
            self.limit, self.stated = stated or max(self.count - 1, LEAST), stated is not None
        self.closed = True

    def _begin(self, window: int) -> None:
        if self.limit is not None and not self.stated and not self.closed and self.count >= self.limit:
            self.limit += max(1, self.limit // 4)
        self.window, self.count, self.closed = window, 0, False
