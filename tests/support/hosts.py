"""What single hosts may see while changes propagate, and where they send a packet then
(docs/reference/cut-over.md#host-views).

Written from the documented order of routing, independently of the product's rule of reachability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy
from tests.support.cluster_facts import on_routes, restarted

Key = tuple[str, ...]
View = dict[Key, bool]

MOST_IN_FLIGHT = 13
"""The number of views is two to the power of the changes in flight; a test that needs more is too large."""


def view_of(facts: CutoverFacts) -> View:
    """What a host sees once every change has reached it."""
    view: View = {
        ("flag",): facts.subnet.overlap_flag,
        ("range",): (facts.range_name, facts.pods_cidr) in facts.subnet.secondary_ranges,
    }
    view |= {("range-canary", facts.range_canary): True} if facts.range_canary else {}
    view |= {("route", route.destination, route.instance): True for route in facts.routes}
    view |= {
        ("alias", alias.cidr, node.name): True
        for node in facts.nodes
        if node.instance_exists
        for alias in node.aliases
        if alias.range_name == facts.range_name
    }
    return view


def delivered_to(view: View, cidr: str) -> frozenset[str]:
    """The VMs that get a packet for `cidr` from a host with this view; empty when it is dropped."""
    seen = [key for key, value in view.items() if value]
    routed = frozenset(key[2] for key in seen if key[0] == "route" and key[1] == cidr)
    if not (view.get(("range",)) or view.get(("range-canary", cidr))):
        return routed  # no subnet range: the static route, else the default route drops it
    matched = frozenset(key[2] for key in seen if key[0] == "alias" and key[1] == cidr)
    if matched:
        return matched  # the subnet route comes before static ones
    return routed if view.get(("flag",)) else frozenset()  # second pass, in a hybrid subnet only


@dataclass
class Hosts:
    """The changes that have reached every host, and those that each host may or may not have seen.

    A change needs at most `propagation` seconds. Time passes in barriers only: all other steps are instant,
    which is the worst case.
    """

    propagation: float
    settled: View
    now: float = 0.0
    in_flight: list[tuple[float, Key, bool]] = field(default_factory=list)
    current: View = field(default_factory=dict)

    @classmethod
    def at_rest(cls, facts: CutoverFacts, propagation: float) -> Hosts:
        view = view_of(facts)
        return cls(propagation, dict(view), current=dict(view))

    def observe(self, facts: CutoverFacts, waited: float) -> None:
        """`facts` hold now, `waited` seconds after the last ones."""
        self.now += waited
        landed = [event for event in self.in_flight if self.now - event[0] >= self.propagation]
        for _, key, value in landed:
            self.settled[key] = value
        self.in_flight = [event for event in self.in_flight if event not in landed]
        view = view_of(facts)
        for key in self.current.keys() | view.keys():
            if self.current.get(key, False) != view.get(key, False):
                self.in_flight.append((self.now, key, view.get(key, False)))
        self.current = view

    def views(self) -> Iterator[View]:
        """Every view that some host may hold now, in whatever order the changes reach it."""
        assert len(self.in_flight) <= MOST_IN_FLIGHT
        for mask in product((False, True), repeat=len(self.in_flight)):
            view = dict(self.settled)
            view.update({key: value for (_, key, value), seen in zip(self.in_flight, mask, strict=True) if seen})
            yield view

    def losses(self, facts: CutoverFacts) -> set[str]:
        """The VMs whose pod CIDR some host may not deliver now."""
        return {
            node.name
            for view in self.views()
            for node in facts.nodes
            if node.instance_exists and node.pod_cidr and delivered_to(view, node.pod_cidr) != {node.name}
        }


PROPAGATION = 60.0
"""Seconds until the slowest host of the simulation knows a change (docs/reference/cut-over.md#propagation)."""


def losses(
    strategy: Strategy,
    start: CutoverFacts,
    settings: Settings,
    *,
    propagation: float = PROPAGATION,
    killed_after: int | None = None,
) -> set[str]:
    """The VMs that some host may not reach at some instant of the plan, restarted once after `killed_after` steps."""
    facts, hosts, lost, steps = start, Hosts.at_rest(start, propagation), set[str](), 0
    while (transition := strategy.next_transition(facts, settings)) is not None:
        after = transition.effect(facts)
        waited = max(after.quiet_for(aspect) - facts.quiet_for(aspect) for aspect in ("controller", "flag", "routes"))
        facts = after
        hosts.observe(facts, max(0.0, waited))
        lost |= hosts.losses(facts)
        steps += 1
        if steps == killed_after:
            facts = restarted(facts)
    assert facts.finished or on_routes(facts)
    return lost
