"""Endpoints that communicate, and which of their pairs have connectivity at each instant.

A pair is checked again only after a change that it depends on: in the source host's view of the destination, in the
destination host's view of itself, or in the set of endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dualstack_sim.fabric.blackout import BlackoutRecords, EndpointPresence, TrafficReport
from dualstack_sim.fabric.blocks import Address, Block, BlockIndex, parse_address, parse_block
from dualstack_sim.fabric.delivery import DataPath
from dualstack_sim.fabric.facts import FirewallRule, Interface, Machine, Peering
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.guest_agents import READDED, GuestAgents
from dualstack_sim.fabric.ledger import HostView, Ledger, ViewChange
from dualstack_sim.rules import enforced

FAMILIES = (4, 6)
POD = 2
"""The offset of the address that represents all addresses of a pod CIDR."""

Ended = Callable[[int, tuple[str, str], float, float], None]
"""Takes IP family, ordered pair, and when its blackout began and ended."""

Schedule = Callable[[float, Callable[[float], None]], None]
"""Run an action at a simulated time, in order with all other events."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node whose pods communicate, with at most one pod CIDR for each IP family.

    `addresses` maps each family to the address that represents the pods.
    """

    host: str
    cidrs: tuple[Block, ...]
    addresses: Mapping[int, Address]
    steals_aliases: bool = False


class Traffic:
    """Observes every ordered pair of endpoints and records how long each has no connectivity."""

    def __init__(
        self, data_path: DataPath, schedule: Schedule, settle: Callable[[float], None], propagation: float
    ) -> None:
        self._data_path = data_path
        self._schedule = schedule
        self._settle = settle
        self._propagation = propagation
        self._endpoints: dict[str, Endpoint] = {}
        self._owners: BlockIndex[str] = BlockIndex()
        self._blackouts = {family: BlackoutRecords(family) for family in FAMILIES}
        self._presence = {family: EndpointPresence() for family in FAMILIES}
        self._stopped: set[str] = set()
        self._known_at: dict[str, float] = {}
        self._waiting: dict[str, Endpoint] = {}
        self._marked_at: float | None = None
        self._agents = GuestAgents(data_path.knobs)
        self._ended: Ended | None = None

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        """Add or replace the endpoint `host`, whose pods in `cidrs` communicate from `at` on.

        A VM that has just started becomes an endpoint when every host must have seen it. A VM that stops is removed
        automatically, and a stopped VM does not become an endpoint. `steals_aliases`: its guest agent runs with
        ip_aliases=true (docs/reference/cut-over.md#r13). ValueError for an invalid CIDR or two CIDRs of one family.
        """
        blocks = tuple(parse_block(cidr) for cidr in cidrs)
        if not blocks or len({block.version for block in blocks}) != len(blocks):
            raise ValueError(f"{host} needs one pod CIDR for each IP family, not {list(cidrs)}")
        addresses = {block.version: block.address(POD) for block in blocks}
        self._schedule(at, partial(self._join, endpoint=Endpoint(host, blocks, addresses, steals_aliases)))

    def leave(self, at: float, host: str) -> None:
        """Remove the endpoint `host` at `at`."""
        self._schedule(at, partial(self.drop, host=host))

    def mark(self, at: float) -> None:
        """Count blackouts from `at` on; forget all earlier ones."""
        self._schedule(at, self._mark)

    def report(self, at: float) -> TrafficReport:
        """The blackouts of all pairs between the mark and `at`."""
        self._settle(at)
        broken = {family: self._blackouts[family].broken(at) for family in FAMILIES}
        ipv4, ipv6 = (self._blackouts[family].report(broken[family], self._presence[family]) for family in FAMILIES)
        pairs, outages = (*broken[4], *broken[6]), self._blackouts[4].outages(at)
        return TrafficReport(at, self._marked_at, ipv4, ipv6, pairs, outages, self._propagation)

    def summary(self, at: float) -> dict[str, Any]:
        """What a report has as JSON, without the figures that need work for each pair."""
        self._settle(at)
        ipv4, ipv6 = (self._summary_of(family, at) for family in FAMILIES)
        return {**ipv4, "ipv6": ipv6}

    def _summary_of(self, family: int, at: float) -> dict[str, Any]:
        blackouts, presence = self._blackouts[family], self._presence[family]
        return {
            "pairs": presence.pairs,
            "later_pairs": presence.later_pairs,
            "blackout_seconds": {"max": round(blackouts.longest(at), 6)},
            "current": blackouts.unreachable,
        }

    def unreachable_pairs(self, at: float) -> Sequence[tuple[str, str]]:
        """The ordered pairs of hosts without IPv4 connectivity between their pods at `at`."""
        self._settle(at)
        return self._blackouts[4].unreachable_pairs()

    def watch(self, ended: Ended | None) -> None:
        """Call `ended` for each blackout of a pair that ends, unless an endpoint of it leaves; None to stop."""
        self._ended = ended

    def lasting(self, at: float) -> dict[int, dict[tuple[str, str], float]]:
        """For each IP family the ordered pairs that have lost connectivity at `at`, and since when."""
        self._settle(at)
        return {family: self._blackouts[family].lasting() for family in FAMILIES}

    def reaches(self, at: float, host: str, address: str) -> bool:
        """Whether a request of a pod of `host` to `address` at `at` and its response both arrive."""
        self._settle(at)
        destination = parse_address(address)
        source = self.source_address(host, destination[0])
        if source is None:
            return False
        there = self.judge(self._data_path.send(host, source, destination), self.owner(destination))
        if there.delivered_to is None:
            return False
        back = self._data_path.send(there.delivered_to, destination, source)
        return self.judge(back, self.owner(source)).delivered_to == host

    def owner(self, destination: Address) -> Endpoint | None:
        """The endpoint whose pods have the address."""
        hosts = sorted(self._owners.containing(destination))
        return self._endpoints[hosts[0]] if hosts else None

    def source_address(self, host: str, family: int) -> Address | None:
        """The address that a pod of `host` sends from; None if `host` is not an endpoint of that family."""
        endpoint = self._endpoints.get(host)
        return endpoint.addresses.get(family) if endpoint is not None else None

    def judge(self, verdict: Verdict, owner: Endpoint | None) -> Verdict:
        """The verdict of the network, corrected if the packet did not reach its owner's pods."""
        if owner is None or verdict.delivered_to is None:
            return verdict
        if verdict.delivered_to != owner.host:
            reason = f"delivered to {verdict.delivered_to}, but the pods are on {owner.host}"
            return Verdict(None, "DELIVERED_TO_ANOTHER_INSTANCE", f"{verdict.rule}; {reason}")
        if self._agents.has_local_routes(owner.host) and enforced("forwarding.guest-agent"):
            return Verdict(
                None,
                "STOLEN_BY_GUEST_AGENT",
                f"{verdict.rule}; taken by the guest agent (docs/reference/cut-over.md#r13)",
            )
        return verdict

    def set_address_manager(self, at: float, *, handles: bool) -> None:
        """Whether the project's metadata lets guest agents handle alias ranges, from `at` on."""
        self._agents.project_handles = handles
        for host in list(self._endpoints):
            self._run_agent(at, host)

    def remove_local_routes(self, at: float, host: str) -> None:
        """Delete the local routes for alias ranges on `host`, as with `ip route del`.

        A guest agent that handles alias ranges adds them again (docs/reference/compute-engine.md#guest-agent-aliases).
        """
        self._agents.remove(host)
        self.recheck_host(at, host)
        self._schedule(at + READDED, partial(self._run_agent, host=host))

    def _run_agent(self, at: float, host: str) -> None:
        """One pass of the guest agent of an endpoint: its local routes follow the alias ranges."""
        endpoint, ledger = self._endpoints.get(host), self._data_path.ledger_of.get(host)
        if endpoint is None or ledger is None or not endpoint.steals_aliases:
            return
        if self._agents.run(host, ledger.views[host]):
            self.recheck_host(at, host)

    def started(self, at: float, host: str, known_at: float) -> None:
        """The VM of `host` started at `at`; at `known_at` all other hosts have seen it."""
        self._stopped.discard(host)
        self._known_at[host] = known_at
        self.recheck_host(at, host)

    def stopped(self, at: float, host: str) -> None:
        """The VM of `host` stopped."""
        self._stopped.add(host)
        self.drop(at, host)

    def admit_waiting(self, at: float) -> None:
        """Add all waiting endpoints at `at`, because every host has seen every VM."""
        self._known_at.clear()
        waiting, self._waiting = self._waiting, {}
        for endpoint in waiting.values():
            self._join(at, endpoint)

    def drop(self, at: float, host: str) -> None:
        """Remove the endpoint `host` at once, unlike `leave`."""
        self._waiting.pop(host, None)
        self._agents.remove(host)
        endpoint = self._endpoints.pop(host, None)
        if endpoint is None:
            return
        for block in endpoint.cidrs:
            self._owners.discard(block, host)
            self._presence[block.version].leave(at, host)
            for other in self._endpoints:
                for pair in ((host, other), (other, host)):
                    self._blackouts[block.version].set(at, pair, None, self._presence[block.version])

    def view_changed(self, at: float, ledger: Ledger, host: str, change: ViewChange) -> None:
        """Check the pairs that a change in the view of `host` affects."""
        endpoint = self._endpoints.get(host)
        if endpoint is None:
            return
        fact = change.new if change.new is not None else change.old
        self._run_agent(at, host)
        if isinstance(fact, FirewallRule):
            all_endpoints = self._endpoints.values()
            families = _families_of(change)
            if fact.egress:
                self._recheck(at, [endpoint], all_endpoints, families)
            else:
                self._recheck(at, all_endpoints, [endpoint], families)
        elif self._affects_all_pairs(endpoint, fact, ledger.views[host]):
            self.recheck_host(at, host)
        else:
            touched = {
                owner
                for block in ledger.affected_blocks(change.old, change.new)
                for owner in self._owners.overlapping(block)
            }
            self._recheck(at, [endpoint], [self._endpoints[name] for name in sorted(touched)], FAMILIES)

    def recheck_host(self, at: float, host: str) -> None:
        """Check every pair of `host` again, in both directions."""
        endpoint = self._endpoints.get(host)
        if endpoint is not None:
            all_endpoints = list(self._endpoints.values())
            self._recheck(at, [endpoint], all_endpoints, FAMILIES)
            self._recheck(at, all_endpoints, [endpoint], FAMILIES)

    def _affects_all_pairs(self, endpoint: Endpoint, fact: object, view: HostView) -> bool:
        """Whether the change affects all pairs of the endpoint, not only those with certain destinations."""
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
            self._schedule(known_at, partial(self._join_after_wait, endpoint=endpoint))
            return
        if known is not None and any(block not in endpoint.cidrs for block in known.cidrs):
            self.drop(at, endpoint.host)
            known = None
        self._endpoints[endpoint.host] = endpoint
        for block in endpoint.cidrs:
            self._owners.add(block, endpoint.host)
            self._presence[block.version].join(at, endpoint.host)
        self._run_agent(at, endpoint.host)
        self.recheck_host(at, endpoint.host)

    def _join_after_wait(self, at: float, endpoint: Endpoint) -> None:
        """Add a waiting endpoint, unless it left or was replaced meanwhile."""
        if self._waiting.get(endpoint.host) is endpoint:
            del self._waiting[endpoint.host]
            self._join(at, endpoint)

    def _mark(self, at: float) -> None:
        self._marked_at = at
        for family in FAMILIES:
            self._blackouts[family].restart(at)
            self._presence[family].mark(at)

    def _recheck(
        self, at: float, sources: Iterable[Endpoint], destinations: Iterable[Endpoint], families: Iterable[int]
    ) -> None:
        destinations = list(destinations)
        for family in families:
            blackouts = self._blackouts[family]
            targets = [endpoint for endpoint in destinations if family in endpoint.addresses]
            for source in sources:
                if family in source.addresses:
                    for destination in targets:
                        if destination is not source:
                            loss = self._loss(source, destination, family)
                            pair = (source.host, destination.host)
                            since = blackouts.set(at, pair, loss, self._presence[family])
                            if since is not None and self._ended is not None:
                                self._ended(family, pair, since, at)

    def _loss(self, source: Endpoint, destination: Endpoint, family: int) -> str | None:
        verdict = self._data_path.send(source.host, source.addresses[family], destination.addresses[family])
        if verdict.delivered_to == destination.host and not destination.steals_aliases:
            return None
        verdict = self.judge(verdict, destination)
        return None if verdict.delivered_to is not None else verdict.reason


def _families_of(change: ViewChange) -> list[int]:
    """The IP families that a change of a firewall rule affects."""
    rules = [fact for fact in (change.old, change.new) if isinstance(fact, FirewallRule)]
    return sorted({block.version for rule in rules for block in rule.ranges})
