"""Advertisements of ranges by Cloud Routers over VPN or interconnect (docs/reference/cut-over.md#e17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack_sim.compute.network.advertising import advertised
from dualstack_sim.compute.project.commits import Commit

_WATCHED = frozenset({"networks", "subnetworks", "routers"})


@dataclass(frozen=True, slots=True)
class Advertisement:
    """From `at` on, a router advertises `cidr`, or no longer does."""

    at: float
    region: str
    router: str
    cidr: str
    advertised: bool


class Advertisements:
    """Derives advertisements from commits of networks, subnetworks and routers. `events` is in order of time."""

    def __init__(self) -> None:
        self.events: list[Advertisement] = []
        self._resources: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._advertised: dict[tuple[str, str], frozenset[str]] = {}

    def on_commit(self, commit: Commit) -> None:
        """Add an event for each range that a router starts or stops advertising with this commit."""
        if commit.collection not in _WATCHED:
            return
        region = _last((commit.after or commit.before or {}).get("region", ""))
        place = (commit.collection, region, commit.name)
        if commit.after is None:
            self._resources.pop(place, None)
        else:
            self._resources[place] = commit.after
        routers = {(where, name) for kind, where, name in self._resources if kind == "routers"}
        for router in sorted(routers | set(self._advertised)):
            self._compare(commit.at, router)

    def _compare(self, at: float, router: tuple[str, str]) -> None:
        resource = self._resources.get(("routers", *router))
        now = frozenset(self._advertised_by(resource) if resource is not None else ())
        before = self._advertised.get(router, frozenset())
        self._advertised[router] = now
        self.events += [Advertisement(at, *router, cidr, cidr in now) for cidr in sorted(now ^ before)]

    def _advertised_by(self, router: dict[str, Any]) -> list[str]:
        network = self._resources.get(("networks", "", _last(router["network"])), {})
        subnetworks = [
            resource
            for (kind, _, _), resource in self._resources.items()
            if kind == "subnetworks" and _last(resource["network"]) == _last(router["network"])
        ]
        return advertised(router, network, subnetworks)


def _last(url: str) -> str:
    return url.rpartition("/")[2]
