"""How long each node's pod CIDR was unreachable, from the changes in the cloud and their times.

Inside a range an alias decides, or with the overlap flag the static route; outside of it the route does
(docs/reference/cut-over.md#forwarding). Hosts see changes up to ten seconds late, which makes an outage that much
longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.profile import LagProfile

PROPAGATION = LagProfile().longest


@dataclass
class Outages:
    """Listens to commits. Times in seconds since the epoch."""

    subnet: str
    range_name: str
    ranged: bool = False
    flagged: bool = False
    routed: set[str] = field(default_factory=set)
    aliased: set[str] = field(default_factory=set)
    since: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    counting: bool = False

    def on_commit(self, commit: Commit) -> None:
        match commit.collection:
            case "routes":
                body = commit.after or commit.before or {}
                self._hold(self.routed, str(body.get("nextHopInstance", "")).rpartition("/")[2], commit)
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

    def start(self, names: Iterable[str]) -> None:
        """Count from now on, for these nodes."""
        self.seconds = dict.fromkeys(names, 0.0)
        self.counting = True

    def blackouts(self, at: float | None = None) -> list[float]:
        """Seconds for each node as the slowest host sees it, ascending; 0 for one that was never cut off.

        at: until when a node that is still cut off counts; None if there is none.
        """
        spent = {
            name: seconds + (at - self.since[name] if at and name in self.since else 0.0)
            for name, seconds in self.seconds.items()
        }
        return sorted(seconds + PROPAGATION if seconds else 0.0 for seconds in spent.values())

    def _hold(self, holders: set[str], name: str, commit: Commit) -> None:
        if name:
            self._mark(holders, name, held=commit.after is not None)
            self._look([name], commit.at)

    @staticmethod
    def _mark(holders: set[str], name: str, *, held: bool) -> None:
        (holders.add if held else holders.discard)(name)

    def _look(self, names: Iterable[str], at: float) -> None:
        if not self.counting:
            return
        for name in names:
            if self._delivered(name):
                begun = self.since.pop(name, None)
                if begun is not None:
                    self.seconds[name] += at - begun
            else:
                self.since.setdefault(name, at)

    def _delivered(self, name: str) -> bool:
        if not self.ranged:
            return name in self.routed
        return name in self.aliased or (self.flagged and name in self.routed)
