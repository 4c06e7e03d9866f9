"""End points that talk to each other, and which of their pairs are in the dark at each instant.

A pair is looked at again only when something changed that it depends on: what the source host sees of the destination,
what the destination's host sees of itself, or who is there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dualstack_sim.fabric.blackout import BlackoutBook, TrafficReport
from dualstack_sim.fabric.blocks import Address, Block, BlockIndex, parse_address, parse_block
from dualstack_sim.fabric.delivery import Carrier
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine, Peering
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.ledger import HostView, Ledger, Seen
from dualstack_sim.fabric.roster import Roster
from dualstack_sim.rules import enforced

FAMILIES = (4, 6)
POD = 2
"""Which address of a pod CIDR stands for all of them."""

Schedule = Callable[[float, Callable[[float], None]], None]
"""Runs an action at a simulated time, in order with all other changes."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node whose pods can be talked to: at most one pod CIDR for each family.

    `addresses` has for each family the address that stands for its pods.
    """

    host: str
    cidrs: tuple[Block, ...]
    addresses: Mapping[int, Address]
    steals_aliases: bool = False


class Traffic:
    """Watches every ordered pair of end points and accounts for how long each cannot get a packet across."""

    def __init__(self, carrier: Carrier, schedule: Schedule, settle: Callable[[float], None]) -> None:
        self._carrier = carrier
        self._schedule = schedule
        self._settle = settle
        self._endpoints: dict[str, Endpoint] = {}
        self._owners: BlockIndex[str] = BlockIndex()
        self._books = {family: BlackoutBook(family) for family in FAMILIES}
        self._rosters = {family: Roster() for family in FAMILIES}
        self._stopped: set[str] = set()
        self._known_at: dict[str, float] = {}
        self._waiting: dict[str, Endpoint] = {}
        self._marked_at: float | None = None

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        """The pods of `host` in `cidrs` can be talked to from `at` on; joining again replaces what was said before.

        A VM that has just started is an end point when every host has had its time to learn of it, not before.
        `steals_aliases`: its guest agent runs with ip_aliases=true (cutover.md R13, E16). A VM that stops running
        leaves by itself, and one that was stopped before `at` does not come back by the word of somebody who has not
        noticed yet. ValueError if a CIDR is none, or for two CIDRs of one family.
        """
        blocks = tuple(parse_block(cidr) for cidr in cidrs)
        if not blocks or len({block.version for block in blocks}) != len(blocks):
            raise ValueError(f"{host} needs one pod CIDR for each IP family, not {list(cidrs)}")
        addresses = {block.version: block.address(POD) for block in blocks}
        self._schedule(at, partial(self._join, endpoint=Endpoint(host, blocks, addresses, steals_aliases)))

    def leave(self, at: float, host: str) -> None:
        """Nobody talks to the pods of `host` any more, nor they to others."""
        self._schedule(at, partial(self.drop, host=host))

    def mark(self, at: float) -> None:
        """Account from `at` on; forget all darkness before."""
        self._schedule(at, self._mark)

    def report(self, at: float) -> TrafficReport:
        """What pairs suffered between the mark and `at`."""
        self._settle(at)
        broken = {family: self._books[family].broken(at) for family in FAMILIES}
        ipv4, ipv6 = (
            self._books[family].report(broken[family], self._rosters[family].marked, self._rosters[family].later_pairs)
            for family in FAMILIES
        )
        return TrafficReport(at, self._marked_at, ipv4, ipv6, (*broken[4], *broken[6]))

    def dark(self, at: float) -> Sequence[tuple[str, str]]:
        """The ordered pairs of hosts of which no IPv4 packet between pods gets across at `at`."""
        self._settle(at)
        return self._books[4].dark_pairs()

    def reaches(self, at: float, host: str, address: str) -> bool:
        """Whether a pod of `host` that calls `address` at `at` hears an answer: there, and back from whoever got it."""
        self._settle(at)
        destination = parse_address(address)
        source = self.source_address(host, destination[0])
        if source is None:
            return False
        there = self.judge(self._carrier.carry(host, source, destination), self.owner(destination))
        if there.delivered_to is None:
            return False
        back = self._carrier.carry(there.delivered_to, destination, source)
        return self.judge(back, self.owner(source)).delivered_to == host

    def owner(self, destination: Address) -> Endpoint | None:
        """The end point whose pods have the address."""
        hosts = sorted(self._owners.around(destination))
        return self._endpoints[hosts[0]] if hosts else None

    def source_address(self, host: str, family: int) -> Address | None:
        """The address that a pod of `host` sends from; None when `host` is no end point of that family."""
        endpoint = self._endpoints.get(host)
        return endpoint.addresses.get(family) if endpoint is not None else None

    def judge(self, verdict: Verdict, owner: Endpoint | None) -> Verdict:
        """A verdict of the network, corrected by who should have got the packet."""
        if owner is None or verdict.delivered_to is None:
            return verdict
        if verdict.delivered_to != owner.host:
            reason = f"delivered to {verdict.delivered_to}, but the pods are on {owner.host}"
            return Verdict(None, "DELIVERED_TO_ANOTHER_INSTANCE", f"{verdict.rule}; {reason}")
        home = self._carrier.homes[owner.host]
        aliases = any(nic.aliases for nic in home.views[owner.host].interfaces_of(owner.host))
        if owner.steals_aliases and aliases and enforced("forwarding.guest-agent"):
            return Verdict(None, "STOLEN_BY_GUEST_AGENT", f"{verdict.rule}; R13: the guest agent took the alias")
        return verdict

    def started(self, at: float, host: str, known_at: float) -> None:
        """The VM of `host` runs since `at`; at `known_at` no other host can be without the news of it."""
        self._stopped.discard(host)
        self._known_at[host] = known_at
        self.look_around(at, host)

    def stopped(self, at: float, host: str) -> None:
        """The VM of `host` runs no more."""
        self._stopped.add(host)
        self.drop(at, host)

    def all_known(self, at: float) -> None:
        """Every host knows of every VM at `at`: nobody has to wait."""
        self._known_at.clear()
        waiting, self._waiting = self._waiting, {}
        for endpoint in waiting.values():
            self._join(at, endpoint)

    def drop(self, at: float, host: str) -> None:
        """`host` is no end point from `at` on; at once, unlike `leave`."""
        self._waiting.pop(host, None)
        endpoint = self._endpoints.pop(host, None)
        if endpoint is None:
            return
        for block in endpoint.cidrs:
            self._owners.discard(block, host)
            self._rosters[block.version].leave(at, host)
            for other in self._endpoints:
                self._books[block.version].set(at, (host, other), None)
                self._books[block.version].set(at, (other, host), None)

    def seen(self, at: float, ledger: Ledger, host: str, change: Seen) -> None:
        """The view of `host` changed."""
        endpoint = self._endpoints.get(host)
        if endpoint is None:
            return
        fact = change.new if change.new is not None else change.old
        if isinstance(fact, FirewallRule):
            everybody = self._endpoints.values()
            families = _families_of(change)
            if fact.egress:
                self._look(at, [endpoint], everybody, families)
            else:
                self._look(at, everybody, [endpoint], families)
        elif self._concerns_itself(endpoint, fact, ledger.views[host]):
            self.look_around(at, host)
        else:
            touched = {
                owner for block in ledger.touched_by(change.old, change.new) for owner in self._owners.touching(block)
            }
            self._look(at, [endpoint], [self._endpoints[name] for name in sorted(touched)], FAMILIES)

    def look_around(self, at: float, host: str) -> None:
        """Look again at every pair of `host`, in both directions."""
        endpoint = self._endpoints.get(host)
        if endpoint is not None:
            everybody = list(self._endpoints.values())
            self._look(at, [endpoint], everybody, FAMILIES)
            self._look(at, everybody, [endpoint], FAMILIES)

    def _concerns_itself(self, endpoint: Endpoint, fact: object, view: HostView) -> bool:
        """Whether the host learned something about its own VM that decides on more than who gets its packets."""
        if isinstance(fact, Peering):
            return True
        if isinstance(fact, Machine):
            return fact.name == endpoint.host
        if isinstance(fact, Interface) and fact.instance == endpoint.host:
            machine = view.machine(endpoint.host)
            return endpoint.steals_aliases or machine is None or not machine.can_ip_forward
        return False

    def _join(self, at: float, endpoint: Endpoint) -> None:
        known = self._endpoints.get(endpoint.host)
        if known == endpoint or endpoint.host in self._stopped:
            return
        known_at = self._known_at.get(endpoint.host, at)
        if at < known_at:
            self._waiting[endpoint.host] = endpoint
            self._schedule(known_at, partial(self._enter, endpoint=endpoint))
            return
        if known is not None and any(block not in endpoint.cidrs for block in known.cidrs):
            self.drop(at, endpoint.host)
            known = None
        self._endpoints[endpoint.host] = endpoint
        for block in endpoint.cidrs:
            self._owners.add(block, endpoint.host)
            self._rosters[block.version].join(at, endpoint.host)
        self.look_around(at, endpoint.host)

    def _enter(self, at: float, endpoint: Endpoint) -> None:
        """The wait of an end point is over, unless it left meanwhile or another took its place."""
        if self._waiting.get(endpoint.host) is endpoint:
            del self._waiting[endpoint.host]
            self._join(at, endpoint)

    def _mark(self, at: float) -> None:
        self._marked_at = at
        for family in FAMILIES:
            self._books[family].restart(at)
            self._rosters[family].mark(at)

    def _look(
        self, at: float, sources: Iterable[Endpoint], destinations: Iterable[Endpoint], families: Iterable[int]
    ) -> None:
        destinations = list(destinations)
        for family in families:
            book = self._books[family]
            targets = [endpoint for endpoint in destinations if family in endpoint.addresses]
            for source in sources:
                if family in source.addresses:
                    for destination in targets:
                        if destination is not source:
                            loss = self._loss(source, destination, family)
                            book.set(at, (source.host, destination.host), loss)

    def _loss(self, source: Endpoint, destination: Endpoint, family: int) -> str | None:
        verdict = self._carrier.carry(source.host, source.addresses[family], destination.addresses[family])
        if verdict.delivered_to == destination.host and not destination.steals_aliases:
            return None
        verdict = self.judge(verdict, destination)
        return None if verdict.delivered_to is not None else verdict.reason


def _families_of(change: Seen) -> list[int]:
    """The families that a change of a firewall rule is about."""
    rules = [fact for fact in (change.old, change.new) if isinstance(fact, FirewallRule)]
    return sorted({block.version for rule in rules for block in rule.ranges})
