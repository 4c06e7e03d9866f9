"""Compares what the product says about outages with what the simulated network has recorded.

Only Compute's operations show the product when pods become unreachable, so a figure that it has measured may differ by
the time that hosts take to apply a change. What it announces must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dualstack.model.events import OutageMeasured
from dualstack.plan.costs import PROPAGATION

PROBE_INTERVAL = 5.0
"""Longest time in seconds between two polls of an operation, by which the product learns when a change took effect."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The times in which any pair had lost connectivity, as pairs of begin and end, in seconds since the epoch.

    propagation: the longest time, in seconds, that a host of this world takes to apply a change.
    """

    outages: tuple[tuple[float, float], ...]
    propagation: float

    @classmethod
    def of(cls, traffic: Mapping[str, Any], origin: float = 0.0) -> Ledger:
        """From the world's account of traffic, whose times count from `origin`."""
        begins = ((origin + found["since"], found["seconds"]) for found in traffic["outages"])
        return cls(tuple((begin, begin + seconds) for begin, seconds in begins), traffic["propagationSeconds"])

    def after(self, at: float) -> Ledger:
        """Without the outages that were over at `at`."""
        return replace(self, outages=tuple(span for span in self.outages if span[1] > at))

    @property
    def longest(self) -> float:
        """Seconds of the longest outage; 0 without one."""
        return max((end - begin for begin, end in self.outages), default=0.0)


def measured_differences(measured: Iterable[OutageMeasured], ledger: Ledger) -> list[str]:
    """Where the measured outages differ from the ledger, one sentence each.

    By more than a probe interval and the time that hosts take to apply a change, which the product cannot see.
    """
    slack = ledger.propagation + PROBE_INTERVAL
    found, explained = list[str](), set[tuple[float, float]]()
    for event in measured:
        begin, end = event.at - event.seconds, event.at
        during = [span for span in ledger.outages if span[0] <= end + slack and span[1] >= begin - slack]
        explained.update(during)
        seconds = max(end for _, end in during) - min(begin for begin, _ in during) if during else 0.0
        longer, shorter = seconds > event.seconds + slack, seconds < event.seconds - slack
        if (longer and event.bound in ("", "at most")) or (shorter and event.bound in ("", "at least")):
            claim = f"{event.bound} {event.seconds:.1f} s".strip()
            found.append(f"an outage of {seconds:.1f} s was measured as {claim}")
    silent = (end - begin for begin, end in ledger.outages if (begin, end) not in explained)
    return found + [f"an outage of {seconds:.1f} s was not measured" for seconds in silent if seconds > slack]


def announced_differences(at_most: float, ledger: Ledger) -> list[str]:
    """Whether an outage was longer than announced: `at_most` in seconds, with the usual propagation."""
    slower = 2 * max(0.0, ledger.propagation - PROPAGATION)
    if ledger.longest <= at_most + slower:
        return []
    return [f"an outage of {ledger.longest:.1f} s was announced as at most {at_most:.0f} s"]
