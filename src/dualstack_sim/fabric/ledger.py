"""One network's facts as they are, and as each host still sees them.

Hosts are behind only for the seconds after a change, so a view is kept as its difference from the truth: per key, the
hosts that still hold an older state. Memory grows with what is in flight, not with hosts times facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dualstack_sim.fabric.blocks import Address, Block, BlockIndex
from dualstack_sim.fabric.facts import (
    OVERLOAD,
    Fact,
    FirewallRule,
    Interface,
    Key,
    Machine,
    Overload,
    Peering,
    StaticRoute,
    SubnetFlag,
    SubnetRanges,
)


@dataclass(frozen=True, slots=True)
class Held:
    """The state of a key that a host sees although a newer one is in force."""

    version: int
    fact: Fact | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What changed in a host's view."""

    old: Fact | None
    new: Fact | None


class Ledger:
    """The facts of one VPC network and the views of its hosts."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.truth: dict[Key, Fact] = {}
        self.views: dict[str, HostView] = {}
        self._behind: dict[Key, dict[str, Held]] = {}
        self._keys_behind: dict[str, int] = {}
        self._versions: dict[Key, int] = {}
        self._filed: dict[Key, set[Block]] = {}
        self._sorts: dict[str, set[Key]] = {}
        self._of_instance: dict[str, set[Key]] = {}
        self._interfaces: BlockIndex[Key] = BlockIndex()
        self._routes: BlockIndex[Key] = BlockIndex()

    def commit(self, key: Key, fact: Fact | None) -> int:
        """Put a new state in force and return its version; every host goes on seeing what it saw before."""
        old = self.truth.get(key)
        version = self._versions.get(key, 0)
        if self.views:
            behind = self._behind.setdefault(key, {})
            for host in self.views:
                if host not in behind:
                    behind[host] = Held(version, old)
                    self._keys_behind[host] += 1
        self._versions[key] = version + 1
        if fact is None:
            self.truth.pop(key, None)
        else:
            self.truth[key] = fact
            self._file(key, fact)
        self._trim(key)
        return version + 1

    def deliver(self, host: str, key: Key, version: int, fact: Fact | None) -> Seen | None:
        """Let `host` see a state of `key`; None when it has seen that or a newer one already."""
        behind = self._behind.get(key)
        held = behind.get(host) if behind is not None else None
        if behind is None or held is None or held.version >= version:
            return None
        if version == self._versions[key]:
            del behind[host]
            self._keys_behind[host] -= 1
            self._trim(key)
        else:
            behind[host] = Held(version, fact)
        return Seen(held.fact, fact)

    def open_view(self, host: str) -> None:
        """A host that starts, or one of a network that peers with this one now: it sees what is in force."""
        self.views[host] = HostView(self, host)
        self._keys_behind[host] = 0

    def close_view(self, host: str) -> None:
        del self.views[host]
        del self._keys_behind[host]
        for key in [key for key, behind in self._behind.items() if host in behind]:
            del self._behind[key][host]
            self._trim(key)

    def up_to_date(self, host: str) -> bool:
        """Whether the host sees everything as it is."""
        return not self._keys_behind[host]

    def seen(self, host: str, key: Key) -> Fact | None:
        behind = self._behind.get(key)
        if behind is not None:
            held = behind.get(host)
            if held is not None:
                return held.fact
        return self.truth.get(key)

    def keys_of_sort(self, sort: str) -> Iterable[Key]:
        """Keys of one sort that are in force or still seen by somebody."""
        return self._sorts.get(sort, ())

    def keys_of_instance(self, instance: str) -> Iterable[Key]:
        """Its NICs, and the routes through it."""
        return self._of_instance.get(instance, ())

    def interface_keys_at(self, address: Address) -> Iterator[Key]:
        return self._interfaces.around(address)

    def route_keys_at(self, address: Address) -> Iterator[Key]:
        return self._routes.around(address)

    def touched_by(self, old: Fact | None, new: Fact | None) -> set[Block]:
        """The addresses whose forwarding may differ between two states of one thing."""
        fact = new if new is not None else old
        if isinstance(fact, SubnetFlag):
            return set(self._filed.get(("ranges", fact.region, fact.subnet), ()))
        if isinstance(fact, Overload):
            return {block for key in self.keys_of_sort("ranges") for block in self._filed.get(key, ())}
        if isinstance(fact, Machine):
            return {block for key in self.keys_of_instance(fact.name) for block in self._filed.get(key, ())}
        before = set(old.blocks) if old is not None else set()
        after = set(new.blocks) if new is not None else set()
        if isinstance(fact, StaticRoute):
            return before | after  # also when only its priority or next hop differ
        return before ^ after

    def _file(self, key: Key, fact: Fact) -> None:
        filed = self._filed.setdefault(key, set())
        index = self._index(key)
        for block in fact.blocks:
            if block not in filed:
                filed.add(block)
                if index is not None:
                    index.add(block, key)
        self._sorts.setdefault(key[0], set()).add(key)
        instance = fact.instance if isinstance(fact, (Interface, StaticRoute)) else None
        if instance is not None:
            self._of_instance.setdefault(instance, set()).add(key)

    def _trim(self, key: Key) -> None:
        """Forget older states of `key` as soon as nobody sees them any more."""
        if self._behind.get(key):
            return
        self._behind.pop(key, None)
        fact = self.truth.get(key)
        filed = self._filed.get(key, set())
        index = self._index(key)
        for block in filed.difference(fact.blocks if fact is not None else ()):
            filed.discard(block)
            if index is not None:
                index.discard(block, key)
        if fact is None:
            self._filed.pop(key, None)
            self._sorts.get(key[0], set()).discard(key)
            for instance in [name for name, keys in self._of_instance.items() if key in keys]:
                self._of_instance[instance].discard(key)
                if not self._of_instance[instance]:
                    del self._of_instance[instance]

    def _index(self, key: Key) -> BlockIndex[Key] | None:
        match key[0]:
            case "interface":
                return self._interfaces
            case "route":
                return self._routes
        return None


class HostView:
    """The network as one host sees it right now; implements `forwarding.View`."""

    __slots__ = ("_host", "_ledger")

    def __init__(self, ledger: Ledger, host: str) -> None:
        self._ledger = ledger
        self._host = host

    def subnets(self) -> Iterator[SubnetRanges]:
        for key in self._ledger.keys_of_sort("ranges"):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, SubnetRanges):
                yield fact

    def overlap_allowed(self, region: str, subnet: str) -> bool:
        fact = self._ledger.seen(self._host, ("flag", region, subnet))
        return isinstance(fact, SubnetFlag) and fact.overlap

    def interfaces_at(self, address: Address) -> Iterator[Interface]:
        for key in self._ledger.interface_keys_at(address):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, Interface) and any(block.contains(address) for block in fact.blocks):
                yield fact

    def routes_to(self, address: Address) -> Iterator[StaticRoute]:
        for key in self._ledger.route_keys_at(address):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, StaticRoute) and fact.destination.contains(address):
                yield fact

    def machine(self, name: str) -> Machine | None:
        fact = self._ledger.seen(self._host, ("machine", name))
        return fact if isinstance(fact, Machine) else None

    def interfaces_of(self, instance: str) -> list[Interface]:
        facts = (
            self._ledger.seen(self._host, key)
            for key in self._ledger.keys_of_instance(instance)
            if key[0] == "interface"
        )
        return [fact for fact in facts if isinstance(fact, Interface)]

    def overload(self) -> Overload | None:
        fact = self._ledger.seen(self._host, OVERLOAD)
        return fact if isinstance(fact, Overload) else None

    def peerings(self) -> Iterator[Peering]:
        for key in self._ledger.keys_of_sort("peering"):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, Peering):
                yield fact

    def firewall_rules(self) -> Iterator[FirewallRule]:
        return self._rules("firewall")

    def egress_rules(self) -> Iterator[FirewallRule]:
        return self._rules("egress")

    def _rules(self, sort: str) -> Iterator[FirewallRule]:
        for key in self._ledger.keys_of_sort(sort):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, FirewallRule):
                yield fact
