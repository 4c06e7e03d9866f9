"""For how long each ordered pair of end points was in the dark, and the report that sums it up.

Only pairs that ever lost sight of each other have a record.
"""

from __future__ import annotations

import math
import math
from dataclasses import dataclass
from typing import Any


class Roster:
    """The hosts of one IP family that can be talked to, and which of their pairs came after the mark."""

    def __init__(self) -> None:
        self.marked: frozenset[str] = frozenset()
        self.later_pairs = 0
        self._stays: dict[str, list[tuple[float, float]]] = {}
        self._present: dict[str, float] = {}

    @property
    def present(self) -> frozenset[str]:
        return frozenset(self._present)

    def join(self, at: float, host: str) -> None:
        if host in self._present:
            return
        fresh = sum(1 for other in self._present if not self._have_met(host, other))
        self.later_pairs += 2 * fresh
        self._present[host] = at

    def leave(self, at: float, host: str) -> None:
        since = self._present.pop(host, None)
        if since is not None:
            self._stays.setdefault(host, []).append((since, at))

    def mark(self, at: float) -> None:
        self.marked = frozenset(self._present)
        self.later_pairs = 0
        self._stays.clear()
        self._present = dict.fromkeys(self._present, at)

    def _have_met(self, host: str, present: str) -> bool:
        """Whether the two were there together before; `present` is there now, `host` is about to come back."""
        theirs = [*self._stays.get(present, ()), (self._present[present], math.inf)]
        return any(
            start <= other_end and other_start <= end
            for start, end in self._stays.get(host, ())
            for other_start, other_end in theirs
        )


Pair = tuple[str, str]
"""(source host, destination host)"""


@dataclass(slots=True)
class _Record:
    seconds: float
    first: float
    reason: str
    dark_since: float | None


@dataclass(frozen=True, slots=True)
class BrokenPair:
    """A pair that was dark for `seconds` in all, first at `since` for `reason` (seconds since the epoch)."""

    source: str
    destination: str
    family: int
    seconds: float
    since: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "from": self.source,
            "to": self.destination,
            "family": f"IPv{self.family}",
            "seconds": round(self.seconds, 6),
            "since": self.since,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """One IP family. `pairs` were there at the mark, `later_pairs` came after it; seconds are per ordered pair.

    `maximum` and `total` are over all pairs since the mark, `p99` (nearest rank) over those of the mark; `current` is
    how many are dark right now.
    """

    pairs: int
    later_pairs: int
    maximum: float
    p99: float
    total: float
    current: int

    def as_json(self) -> dict[str, Any]:
        return {
            "pairs": self.pairs,
            "later_pairs": self.later_pairs,
            "blackout_seconds": self.blackout_seconds,
            "current": self.current,
        }

    @property
    def blackout_seconds(self) -> dict[str, float]:
        """`max`, `p99` and `total`, to the microsecond."""
        return {"max": round(self.maximum, 6), "p99": round(self.p99, 6), "total": round(self.total, 6)}


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """What traffic suffered between the mark (None: since ever) and `at`.

    `broken_pairs` are of both families, IPv4 first; the properties are those of IPv4, which every pair has.
    """

    at: float
    marked_at: float | None
    ipv4: FamilyReport
    ipv6: FamilyReport
    broken_pairs: tuple[BrokenPair, ...]

    @property
    def pairs(self) -> int:
        return self.ipv4.pairs

    @property
    def later_pairs(self) -> int:
        return self.ipv4.later_pairs

    @property
    def blackout_seconds(self) -> dict[str, float]:
        return self.ipv4.blackout_seconds

    @property
    def current(self) -> int:
        return self.ipv4.current

    def as_json(self) -> dict[str, Any]:
        """`pairs`, `later_pairs`, `blackout_seconds`, `current` of IPv4, the same under `ipv6`, and `broken_pairs`."""
        return {
            "at": self.at,
            "marked_at": self.marked_at,
            **self.ipv4.as_json(),
            "ipv6": self.ipv6.as_json(),
            "broken_pairs": [pair.as_json() for pair in self.broken_pairs],
        }


class BlackoutBook:
    """The records of one IP family."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.dark = 0
        self._records: dict[Pair, _Record] = {}

    def set(self, at: float, pair: Pair, loss: str | None) -> None:
        """From `at` on the pair is in the dark for the reason `loss`, or sees light (None)."""
        record = self._records.get(pair)
        if loss is None:
            if record is not None and record.dark_since is not None:
                record.seconds += max(0.0, at - record.dark_since)
                record.dark_since = None
                self.dark -= 1
                if record.seconds <= 0.0:
                    del self._records[pair]  # two changes at one instant: nothing was ever lost
        elif record is None:
            self._records[pair] = _Record(0.0, at, loss, at)
            self.dark += 1
        elif record.dark_since is None:
            record.dark_since = at
            self.dark += 1

    def restart(self, at: float) -> None:
        """Count from `at`; pairs that are dark stay dark."""
        self._records = {
            pair: _Record(0.0, at, record.reason, at)
            for pair, record in self._records.items()
            if record.dark_since is not None
        }

    def dark_pairs(self) -> list[Pair]:
        """Pairs that are in the dark now."""
        if not self.dark:
            return []
        return [pair for pair, record in self._records.items() if record.dark_since is not None]

    def broken(self, at: float) -> list[BrokenPair]:
        """Pairs that have been dark at all until `at`, the longest first."""
        pairs = []
        for (source, destination), record in self._records.items():
            running = max(0.0, at - record.dark_since) if record.dark_since is not None else 0.0
            seconds = record.seconds + running
            if seconds > 0.0:
                pairs.append(BrokenPair(source, destination, self.family, seconds, record.first, record.reason))
        return sorted(pairs, key=lambda pair: (-pair.seconds, pair.source, pair.destination))

    def report(self, broken: list[BrokenPair], marked: frozenset[str], later_pairs: int) -> FamilyReport:
        """Sum up `broken` (from `broken()`, same instant); `marked` are the hosts that were there at the mark."""
        pairs = len(marked) * max(0, len(marked) - 1)
        of_mark = [pair.seconds for pair in broken if pair.source in marked and pair.destination in marked]
        rank = pairs - math.ceil(0.99 * pairs)  # how many pairs are allowed to be worse
        return FamilyReport(
            pairs=pairs,
            later_pairs=later_pairs,
            maximum=broken[0].seconds if broken else 0.0,
            p99=of_mark[rank] if rank < len(of_mark) else 0.0,
            total=math.fsum(pair.seconds for pair in broken),
            current=self.dark,
        )
