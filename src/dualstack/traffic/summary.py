"""The reports of all nodes, as one (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from dualstack.traffic.interruptions import Interruption, undominated
from dualstack.traffic.node_report import FlowGroup, NodeReport, Protocol, Target, is_loss

_NAMED = 5


class PairInterruption(msgspec.Struct, frozen=True, rename="camel"):
    """An interruption of one flow. `lasting`: at `end` it had not ended. Times in seconds since the epoch."""

    source: str
    destination: str
    target: Target
    protocol: Protocol
    family: int
    start: float
    end: float
    seconds: float
    uncertainty: float
    lasting: bool = False

    def __str__(self) -> str:
        state = "has had no answer for" if self.lasting else "had no answer for"
        return (
            f"{self.source} to {self.target} {self.destination} ({self.protocol.upper()}, IPv{self.family}) "
            f"{state} {self.seconds:.1f} s (± {self.uncertainty:.1f} s)"
        )


class KindReport(msgspec.Struct, frozen=True, rename="camel"):
    """All flows to one kind of target, with one protocol, in one IP family.

    `longest`: the longest interruption; None if there was none. Other fields as in `FlowGroup`, over all nodes.
    """

    target: Target
    protocol: Protocol
    family: int
    flows: int
    packets: int
    lost: int
    unreached: int
    unreached_pairs: tuple[tuple[str, str], ...]
    longest: PairInterruption | None


class TrafficReport(msgspec.Struct, frozen=True, rename="camel"):
    """What the probers measured between `since` and `judged_until`, seconds since the epoch.

    `nodes`: how many reported. `silent`: nodes whose prober has not reported or whose report is too old; nothing is
    known about them. `unmeasured`: nodes without a prober that is ready. `sampled`: not all pairs are probed. `late`:
    the most that a prober sent a packet late, in seconds.
    """

    since: float
    judged_until: float
    nodes: int
    silent: tuple[str, ...]
    unmeasured: tuple[str, ...]
    sampled: bool
    late: float
    kinds: tuple[KindReport, ...]
    interruptions: tuple[PairInterruption, ...]
    """Enough to tell the longest one since any instant; oldest first, then those that last."""

    def interruption_since(self, instant: float) -> PairInterruption | None:
        """The longest interruption that ended after `instant` or lasted then; None if there is none.

        It says nothing about the time after `judged_until`, nor about `silent` nodes.
        """
        later = (each for each in self.interruptions if each.end > instant)
        return max(later, key=lambda each: each.seconds, default=None)

    @property
    def longest(self) -> PairInterruption | None:
        """The longest interruption of all."""
        return self.interruption_since(self.since)


def summarize(
    reports: Iterable[NodeReport],
    *,
    since: float,
    silent: Iterable[str] = (),
    unmeasured: Iterable[str] = (),
    sampled: bool = False,
    ended: Callable[[NodeReport, Interruption], bool] = lambda report, interruption: False,
) -> TrafficReport:
    """One report of all. `ended`: whether the prober that a lasting interruption is about has ended."""
    collected = list(reports)
    by_kind: dict[tuple[str, str, int], list[tuple[NodeReport, FlowGroup]]] = defaultdict(list)
    for report in collected:
        for group in report.groups:
            by_kind[group.key].append((report, group))
    kinds, interruptions = [], list[PairInterruption]()
    for key in sorted(by_kind):
        found = _losses(by_kind[key], since, ended)
        interruptions += found
        kinds.append(_kind(by_kind[key], found))
    return TrafficReport(
        since=since,
        judged_until=min((report.judged_until for report in collected), default=since),
        nodes=len(collected),
        silent=tuple(sorted(silent)),
        unmeasured=tuple(sorted(unmeasured)),
        sampled=sampled,
        late=max((report.late for report in collected), default=0.0),
        kinds=tuple(kinds),
        interruptions=_shortened(interruptions),
    )


def _losses(
    groups: Iterable[tuple[NodeReport, FlowGroup]], since: float, ended: Callable[[NodeReport, Interruption], bool]
) -> list[PairInterruption]:
    found = []
    for report, group in groups:
        losses = [each for each in group.ended if each.end > since and is_loss(group.target, each)]
        found += [_pair(report, group, each, lasting=False) for each in losses]
        found += [_pair(report, group, each, lasting=True) for each in group.lasting if not ended(report, each)]
    return found


def _kind(groups: list[tuple[NodeReport, FlowGroup]], losses: list[PairInterruption]) -> KindReport:
    _, first = groups[0]
    unreached = ((report.node, target) for report, group in groups for target in group.unreached_targets)
    sums = {
        name: sum(getattr(group, name) for _, group in groups) for name in ("flows", "packets", "lost", "unreached")
    }
    return KindReport(
        target=first.target,
        protocol=first.protocol,
        family=first.family,
        unreached_pairs=tuple(islice(unreached, _NAMED)),
        longest=max(losses, key=lambda each: each.seconds, default=None),
        **sums,
    )


def _pair(report: NodeReport, group: FlowGroup, each: Interruption, *, lasting: bool) -> PairInterruption:
    return PairInterruption(
        report.node,
        each.target,
        group.target,
        group.protocol,
        group.family,
        each.start,
        each.end,
        each.seconds,
        each.uncertainty,
        lasting,
    )


def _shortened(found: list[PairInterruption]) -> tuple[PairInterruption, ...]:
    lasting = sorted((each for each in found if each.lasting), key=lambda each: -each.seconds)
    return (*undominated(each for each in found if not each.lasting), *lasting[:_NAMED])
