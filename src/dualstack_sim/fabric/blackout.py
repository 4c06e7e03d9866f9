"""How long each ordered pair of endpoints had no connectivity, and the report about it.

Only pairs that were without connectivity have a record. A pair of which one host joined after the mark may wait for its
first contact: a new Node gets its route or alias after it joins. That wait is counted apart from a loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Pair = tuple[str, str]
"""(source host, destination host)"""


class EndpointPresence:
    """The endpoints of one IP family: those present at the mark, and the number of pairs that first met after it."""

    def __init__(self) -> None:
        self.marked: frozenset[str] = frozenset()
        self.later_pairs = 0
        self._stays: dict[str, list[tuple[float, float]]] = {}
        self._present: dict[str, float] = {}

    @property
    def present(self) -> frozenset[str]:
        return frozenset(self._present)

    @property
    def pairs(self) -> int:
        """The number of ordered pairs of the endpoints at the mark."""
        return len(self.marked) * max(0, len(self.marked) - 1)

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

    def forms(self, at: float, pair: Pair) -> bool:
        """Whether the hosts of `pair` meet at `at` for the first time, after the mark."""
        newest = max(pair, key=lambda host: self._present.get(host, -math.inf))
        joined = self._present.get(newest)
        other = pair[0] if newest == pair[1] else pair[1]
        apart = newest not in self.marked or other not in self.marked
        return joined == at and apart and not self._have_met(newest, other)

    def _have_met(self, host: str, present: str) -> bool:
        """Whether both were present at the same time before; `present` still is, and `host` joins again."""
        theirs = [*self._stays.get(present, ()), (self._present.get(present, math.inf), math.inf)]
        return any(
            start <= other_end and other_start <= end
            for start, end in self._stays.get(host, ())
            for other_start, other_end in theirs
        )


@dataclass(slots=True)
class _Record:
    """waited: seconds before the first contact, or, while `waiting` for it, before `unreachable_since`."""

    seconds: float
    first: float
    reason: str
    unreachable_since: float | None
    waiting: bool = False
    waited: float = 0.0

    def until(self, at: float) -> tuple[float, float]:
        """`seconds` and `waited` at `at`."""
        if self.unreachable_since is None:
            return self.seconds, self.waited
        more = max(0.0, at - self.unreachable_since)
        return (self.seconds, self.waited + more) if self.waiting else (self.seconds + more, self.waited)


@dataclass(frozen=True, slots=True)
class BrokenPair:
    """A pair that had lost connectivity for `seconds` in total, and had waited for its first contact for `waited`.

    It was without connectivity first at `since` (seconds since the epoch), for `reason`.
    """

    source: str
    destination: str
    family: int
    seconds: float
    since: float
    reason: str
    waited: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "from": self.source,
            "to": self.destination,
            "family": f"IPv{self.family}",
            "seconds": round(self.seconds, 6),
            "waited": round(self.waited, 6),
            "since": self.since,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which any pair had lost connectivity: `seconds` from the first loss to the last recovery."""

    since: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {"since": self.since, "seconds": round(self.seconds, 6)}


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """One IP family. `pairs` existed at the mark, `later_pairs` were added after it; seconds are per ordered pair.

    `maximum` and `total` cover all pairs since the mark, `p99` (nearest rank) the pairs of the mark; `current` is the
    number of pairs without connectivity now, `waited` the longest wait for a first contact.
    """

    pairs: int
    later_pairs: int
    maximum: float
    p99: float
    total: float
    current: int
    waited: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "pairs": self.pairs,
            "later_pairs": self.later_pairs,
            "waited_seconds": round(self.waited, 6),
            "blackout_seconds": self.blackout_seconds,
            "current": self.current,
        }

    @property
    def blackout_seconds(self) -> dict[str, float]:
        """`max`, `p99` and `total`, to the microsecond."""
        return {"max": round(self.maximum, 6), "p99": round(self.p99, 6), "total": round(self.total, 6)}


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """The blackouts between the mark (None: from the start) and `at`.

    `broken_pairs` has both families, IPv4 first; the properties and `outages` are those of IPv4, which every pair has.
    propagation: the longest time, in seconds, that a host takes to apply a change.
    """

    at: float
    marked_at: float | None
    ipv4: FamilyReport
    ipv6: FamilyReport
    broken_pairs: tuple[BrokenPair, ...]
    outages: tuple[Outage, ...] = ()
    propagation: float = 0.0

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
        """`pairs`, `later_pairs`, `waited_seconds`, `blackout_seconds`, `current` of IPv4, the same under `ipv6`,
        `broken_pairs`, `outages` and `propagation_seconds`."""
        return {
            "at": self.at,
            "marked_at": self.marked_at,
            **self.ipv4.as_json(),
            "ipv6": self.ipv6.as_json(),
            "broken_pairs": [pair.as_json() for pair in self.broken_pairs],
            "outages": [outage.as_json() for outage in self.outages],
            "propagation_seconds": self.propagation,
        }


class BlackoutRecords:
    """The records of one IP family."""

    def __init__(self, family: int) -> None:
        self.family = family
        self._records: dict[Pair, _Record] = {}
        self._unreachable: dict[Pair, _Record] = {}
        """The records of the pairs without connectivity now."""
        self._longest = 0.0
        """The longest blackout of a pair that has connectivity now."""
        self._losing = 0
        self._outage_since = 0.0
        self._outages: list[Outage] = []

    def set(self, at: float, pair: Pair, loss: str | None, presence: EndpointPresence) -> float | None:
        """From `at` on the pair has no connectivity, for the reason `loss`, or has connectivity (None).

        Returns since when it had lost connectivity, if that ends now.
        """
        record = self._records.get(pair)
        lost_since = None
        if loss is None:
            if record is not None and record.unreachable_since is not None:
                lost_since = None if record.waiting else record.unreachable_since
                record.seconds, record.waited = record.until(at)
                if not record.waiting:
                    self._regained(at)
                record.unreachable_since, record.waiting = None, False
                self._longest = max(self._longest, record.seconds)
                del self._unreachable[pair]
                if record.seconds + record.waited <= 0.0:
                    del self._records[pair]  # two changes at one instant: no packet was lost
        elif record is None:
            record = _Record(0.0, at, loss, at, waiting=presence.forms(at, pair))
            self._records[pair] = self._unreachable[pair] = record
            if not record.waiting:
                self._lost(at)
        elif record.unreachable_since is None:
            record.unreachable_since = at
            self._unreachable[pair] = record
            self._lost(at)
        return lost_since

    def _lost(self, at: float) -> None:
        self._losing += 1
        if self._losing == 1:
            self._outage_since = at

    def _regained(self, at: float) -> None:
        self._losing -= 1
        if not self._losing and at > self._outage_since:
            self._outages.append(Outage(self._outage_since, at - self._outage_since))

    def outages(self, at: float) -> tuple[Outage, ...]:
        """The times until `at` in which any pair had lost connectivity, in order."""
        running = at - self._outage_since if self._losing else 0.0
        return (*self._outages, *((Outage(self._outage_since, running),) if running > 0.0 else ()))

    def restart(self, at: float) -> None:
        """Count from `at`; unreachable pairs stay unreachable."""
        self._unreachable = {pair: _Record(0.0, at, record.reason, at) for pair, record in self._unreachable.items()}
        self._records, self._longest = dict(self._unreachable), 0.0
        self._outages, self._losing, self._outage_since = [], len(self._records), at

    @property
    def unreachable(self) -> int:
        """The number of pairs without connectivity now."""
        return len(self._unreachable)

    def unreachable_pairs(self) -> list[Pair]:
        """Pairs without connectivity now."""
        return list(self._unreachable)

    def lasting(self) -> dict[Pair, float]:
        """Pairs that have lost connectivity, and since when."""
        return {
            pair: record.unreachable_since
            for pair, record in self._unreachable.items()
            if record.unreachable_since is not None and not record.waiting
        }

    def longest(self, at: float) -> float:
        """The longest blackout of a pair until `at`, found without looking at every record."""
        return max(self._longest, max((record.until(at)[0] for record in self._unreachable.values()), default=0.0))

    def broken(self, at: float) -> list[BrokenPair]:
        """Pairs that were without connectivity until `at`, the longest blackout first."""
        pairs = []
        for (source, destination), record in self._records.items():
            seconds, waited = record.until(at)
            if seconds + waited > 0.0:
                pairs.append(BrokenPair(source, destination, self.family, seconds, record.first, record.reason, waited))
        return sorted(pairs, key=lambda pair: (-pair.seconds, pair.source, pair.destination))

    def report(self, broken: list[BrokenPair], presence: EndpointPresence) -> FamilyReport:
        """Summarize `broken` (from `broken()`, same instant)."""
        pairs, marked = presence.pairs, presence.marked
        of_mark = [pair.seconds for pair in broken if pair.source in marked and pair.destination in marked]
        rank = pairs - math.ceil(0.99 * pairs)  # the number of pairs above the percentile
        return FamilyReport(
            pairs=pairs,
            later_pairs=presence.later_pairs,
            maximum=broken[0].seconds if broken else 0.0,
            p99=of_mark[rank] if rank < len(of_mark) else 0.0,
            total=math.fsum(pair.seconds for pair in broken),
            current=self.unreachable,
            waited=max((pair.waited for pair in broken), default=0.0),
        )
