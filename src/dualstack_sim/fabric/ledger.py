"""The facts of one network: the current state, and the view of each host.

A host is behind only for seconds after a change, so a view is stored as its difference from the current state: for each
key, the hosts that still see an older state. Memory grows with the changes in flight, not with hosts times facts.
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
class OlderState:
    """The older state of a key that a host still sees."""

    version: int
    fact: Fact | None


@dataclass(frozen=True, slots=True)
class ViewChange:
    """A change in the view of a host."""

    old: Fact | None
    new: Fact | None


class Ledger:
    """The facts of one VPC network and the views of its hosts."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.current: dict[Key, Fact] = {}
        self.views: dict[str, HostView] = {}
        self._behind: dict[Key, dict[str, OlderState]] = {}
        self._keys_behind: dict[str, int] = {}
        self._versions: dict[Key, int] = {}
        self._blocks: dict[Key, set[Block]] = {}
        self._keys_by_kind: dict[str, set[Key]] = {}
        self._of_instance: dict[str, set[Key]] = {}
        self._interfaces: BlockIndex[Key] = BlockIndex()
        self._routes: BlockIndex[Key] = BlockIndex()

    def commit(self, key: Key, fact: Fact | None) -> int:
        """Put a new state in force and return its version; every host still sees its previous state."""
        old = self.current.get(key)
        version = self._versions.get(key, 0)
        if self.views:
            behind = self._behind.setdefault(key, {})
            for host in self.views:
                if host not in behind:
                    behind[host] = OlderState(version, old)
                    self._keys_behind[host] += 1
        self._versions[key] = version + 1
        if fact is None:
            self.current.pop(key, None)
        else:
            self.current[key] = fact
            self._add_to_indexes(key, fact)
        self._prune(key)
        return version + 1

    def deliver(self, host: str, key: Key, version: int, fact: Fact | None) -> ViewChange | None:
        """Show `host` a state of `key`; None if it has already seen that state or a newer one."""
        behind = self._behind.get(key)
        older = behind.get(host) if behind is not None else None
        if behind is None or older is None or older.version >= version:
            return None
        if version == self._versions[key]:
            del behind[host]
            self._keys_behind[host] -= 1
            self._prune(key)
        else:
            behind[host] = OlderState(version, fact)
        return ViewChange(older.fact, fact)

    def open_view(self, host: str) -> None:
        """Add the view of a host that starts, or of a new peer network's host; it sees the current state."""
        self.views[host] = HostView(self, host)
        self._keys_behind[host] = 0

    def close_view(self, host: str) -> None:
        del self.views[host]
        del self._keys_behind[host]
        for key in [key for key, behind in self._behind.items() if host in behind]:
            del self._behind[key][host]
            self._prune(key)

    def up_to_date(self, host: str) -> bool:
        """Whether the host sees the current state of all facts."""
        return not self._keys_behind[host]

    def seen(self, host: str, key: Key) -> Fact | None:
        behind = self._behind.get(key)
        if behind is not None:
            older = behind.get(host)
            if older is not None:
                return older.fact
        return self.current.get(key)

    def keys_of_kind(self, kind: str) -> Iterable[Key]:
        """Keys of one kind that are in force or still in the view of a host."""
        return self._keys_by_kind.get(kind, ())

    def keys_of_instance(self, instance: str) -> Iterable[Key]:
        """The keys of the NICs of a VM, and of the routes with the VM as next hop."""
        return self._of_instance.get(instance, ())

    def interface_keys_at(self, address: Address) -> Iterator[Key]:
        return self._interfaces.containing(address)

    def route_keys_at(self, address: Address) -> Iterator[Key]:
        return self._routes.containing(address)

    def affected_blocks(self, old: Fact | None, new: Fact | None) -> set[Block]:
        """The addresses whose forwarding may differ between two states of one resource."""
        fact = new if new is not None else old
        if isinstance(fact, SubnetFlag):
            return set(self._blocks.get(("ranges", fact.region, fact.subnet), ()))
        if isinstance(fact, Overload):
            return {block for key in self.keys_of_kind("ranges") for block in self._blocks.get(key, ())}
        if isinstance(fact, Machine):
            return {block for key in self.keys_of_instance(fact.name) for block in self._blocks.get(key, ())}
        before = set(old.blocks) if old is not None else set()
        after = set(new.blocks) if new is not None else set()
        if isinstance(fact, StaticRoute):
            return before | after  # also if only its priority or next hop differs
        return before ^ after

    def _add_to_indexes(self, key: Key, fact: Fact) -> None:
        blocks = self._blocks.setdefault(key, set())
        index = self._index(key)
        for block in fact.blocks:
            if block not in blocks:
                blocks.add(block)
                if index is not None:
                    index.add(block, key)
        self._keys_by_kind.setdefault(key[0], set()).add(key)
        instance = fact.instance if isinstance(fact, (Interface, StaticRoute)) else None
        if instance is not None:
            self._of_instance.setdefault(instance, set()).add(key)

    def _prune(self, key: Key) -> None:
        """Remove index entries of older states of `key` once no host sees them."""
        if self._behind.get(key):
            return
        self._behind.pop(key, None)
        fact = self.current.get(key)
        blocks = self._blocks.get(key, set())
        index = self._index(key)
        for block in blocks.difference(fact.blocks if fact is not None else ()):
            blocks.discard(block)
            if index is not None:
                index.discard(block, key)
        if fact is None:
            self._blocks.pop(key, None)
            self._keys_by_kind.get(key[0], set()).discard(key)
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
    """The view that one host has of the network now; implements `forwarding.View`."""

    __slots__ = ("_host", "_ledger")

    def __init__(self, ledger: Ledger, host: str) -> None:
        self._ledger = ledger
        self._host = host

    def subnets(self) -> Iterator[SubnetRanges]:
        for key in self._ledger.keys_of_kind("ranges"):
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
        for key in self._ledger.keys_of_kind("peering"):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, Peering):
                yield fact

    def firewall_rules(self) -> Iterator[FirewallRule]:
        return self._rules("firewall")

    def egress_rules(self) -> Iterator[FirewallRule]:
        return self._rules("egress")

    def _rules(self, kind: str) -> Iterator[FirewallRule]:
        for key in self._ledger.keys_of_kind(kind):
            fact = self._ledger.seen(self._host, key)
            if isinstance(fact, FirewallRule):
                yield fact
