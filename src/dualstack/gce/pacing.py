"""How fast to ask: the pace of polling, and the pause that a used-up quota window asks for (compute-api.md 4.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dualstack.clock import Clock

WINDOW = 60.0
"""Seconds of a quota window; windows start at full minutes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks: `first`, then each `growth` times the one before, at most `ceiling`."""

    first: float = 0.5
    growth: float = 1.5
    ceiling: float = 5.0
    alone: float = math.inf
    """At most this many when a single operation is waited for: then everything else waits for it, too."""

    def delays(self) -> Iterator[float]:
        """The seconds before each look, without end."""
        delay = self.first
        while True:
            yield delay
            delay = min(self.ceiling, delay * self.growth)


QUICK = Pace(alone=2.5)
"""gardener-behaviour.md W31: half a second up to five."""

UPSTREAM = Pace(first=10.0, growth=1.0, ceiling=10.0)
"""gardener-behaviour.md 4.4: every ten seconds, as the strategy `gardener` does for comparison."""


def group_of(method: str, path: str) -> str:
    """The rate quota that a request is charged to, as far as requests share one (compute-api.md 4.1).

    Kind of request and the region it concerns; zones are charged to their region.
    """
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
    """Keeps each group of requests within its quota, which is learned from being refused (fixed windows).

    Nothing is held back before the first refusal. From then on requests beyond what a window bears wait for the next
    one, so that many who wait do not all ask in vain. A window that was used up without a refusal raises an estimate
    that no refusal has stated: others who share the quota may have become quieter.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, _Group] = {}

    def take(self, group: str) -> bool:
        """Count a request of the group; False, and not counted, when it has to wait for `room`."""
        return self._groups.setdefault(group, _Group()).take(int(self._clock.now() // WINDOW))

    async def room(self, group: str) -> None:
        """Return at the start of a window when the present one is used up."""
        known = self._groups.setdefault(group, _Group())
        now = self._clock.now()
        if known.full(int(now // WINDOW)):
            await self._clock.sleep((known.window + 1) * WINDOW - now)

    def refused(self, group: str, stated: int | None = None) -> None:
        """A request of the group was refused with rateLimitExceeded; `stated` is the limit that the refusal names."""
        known = self._groups.setdefault(group, _Group())
        known.refuse(int(self._clock.now() // WINDOW), stated)


LEAST = 10
"""A window bears at least this many: clocks differ, so the count at the first refusal may belong to two windows."""


@dataclass(slots=True)
class _Group:
    window: int = -1
    count: int = 0
    limit: int | None = None
    stated: bool = False
    closed: bool = False

    def full(self, window: int) -> bool:
        """Whether a request has to wait for the next window."""
        if window > self.window:
            self._begin(window)
        return self.closed or (self.limit is not None and self.count >= self.limit)

    def take(self, window: int) -> bool:
        if self.full(window):
            return False
        self.count += 1
        return True

    def refuse(self, window: int, stated: int | None) -> None:
        if window > self.window:
            self._begin(window)
        if not self.closed:
            # Requests on their way were counted, too; that overestimates by a few at most.
            self.limit, self.stated = stated or max(self.count - 1, LEAST), stated is not None
        self.closed = True

    def _begin(self, window: int) -> None:
        if self.limit is not None and not self.stated and not self.closed and self.count >= self.limit:
            self.limit += max(1, self.limit // 4)
        self.window, self.count, self.closed = window, 0, False
