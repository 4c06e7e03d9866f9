"""How long each node's pod CIDR was unreachable, from the changes in the cloud and their times.

Inside a range an alias decides, or with the overlap flag the static route; outside of it the route does
(docs/reference/cut-over.md#forwarding). Hosts see changes up to ten seconds late, which makes an outage that much
longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.profile import LagProfile

PROPAGATION = LagProfile().longest

Holder = TypeVar("Holder")


@dataclass
class Outages:
    """Listens to commits. Times in seconds since the epoch."""

    subnet: str
    range_name: str
    ranged: bool = False
    flagged: bool = False
    routed: set[tuple[str, str]] = field(default_factory=set)
    """Node and destination of each route: other routes than its own, such as that of a trial, may lead to a node."""
    aliased: set[str] = field(default_factory=set)
    since: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    pod_cidrs: dict[str, str] = field(default_factory=dict)
    """Of the nodes that are counted."""

    def on_commit(self, commit: Commit) -> None:
        match commit.collection:
            case "routes":
                body = commit.after or commit.before or {}
                if name := str(body.get("nextHopInstance", "")).rpartition("/")[2]:
                    self._mark(self.routed, (name, body["destRange"]), held=commit.after is not None)
                    self._look([name], commit.at)
            case "instances":
                nic = (commit.after or {}).get("networkInterfaces") or [{}]
                names = {alias["subnetworkRangeName"] for alias in nic[0].get("aliasIpRanges") or ()}
                self._mark(self.aliased, commit.name, held=self.range_name in names)
                self._look([commit.name], commit.at)
            case "subnetworks" if commit.name == self.subnet:
                body = commit.after or {}
                ranges = [entry["rangeName"] for entry in body.get("secondaryIpRanges") or ()]
                self.ranged, self.flagged = self.range_name in ranges, bool(body.get("allowSubnetCidrRoutesOverlap"))
                self._look(self.seconds, commit.at)

    def start(self, pod_cidrs: Mapping[str, str]) -> None:
        """Count from now on, for these nodes, each with its pod CIDR."""
        self.pod_cidrs = dict(pod_cidrs)
        self.seconds = dict.fromkeys(pod_cidrs, 0.0)

    def blackouts(self, at: float | None = None) -> list[float]:
        """Seconds for each node as the slowest host sees it, ascending; 0 for one that was never cut off.

        at: until when a node that is still cut off counts; None if there is none.
        """
        spent = {
            name: seconds + (at - self.since[name] if at and name in self.since else 0.0)
            for name, seconds in self.seconds.items()
        }
        return sorted(seconds + PROPAGATION if seconds else 0.0 for seconds in spent.values())

    @staticmethod
    def _mark(holders: set[Holder], holder: Holder, *, held: bool) -> None:
        (holders.add if held else holders.discard)(holder)

    def _look(self, names: Iterable[str], at: float) -> None:
        for name in self.pod_cidrs.keys() & set(names):
            if self._delivered(name):
                begun = self.since.pop(name, None)
                if begun is not None:
                    self.seconds[name] += at - begun
            else:
                self.since.setdefault(name, at)

    def _delivered(self, name: str) -> bool:
        routed = (name, self.pod_cidrs[name]) in self.routed
        if not self.ranged:
            return routed
        return name in self.aliased or (self.flagged and routed)
