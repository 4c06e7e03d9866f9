"""The fabric: applies commits, propagates them to every host with a delay of its own, and answers queries.

One heap orders all events by simulated time, so that results do not depend on when a query arrives.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count

from dualstack.clock import Clock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.project.commits import Commit, CommitListener
from dualstack_sim.fabric.advertisements import Advertisements
from dualstack_sim.fabric.blocks import Address, parse_address
from dualstack_sim.fabric.delivery import DataPath, Service, count_in_force, deliver_from_internet, find_overload
from dualstack_sim.fabric.facts import OVERLOAD, Fact, Key, Machine, Peering, SubnetFlag
from dualstack_sim.fabric.feed import Change, HostNames, address_manager, changes
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.ledger import HostView, Ledger, ViewChange
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile, assumptions
from dualstack_sim.fabric.traffic import Traffic
from dualstack_sim.rules import enforced

Action = Callable[[float], None]
Watcher = Callable[[float, Ledger, str, ViewChange], None]

REORDERING_WINDOW = 60.0
"""Simulated seconds for which a change waits for earlier changes that are reported late, unless a query comes first."""


class Fabric:
    """The data path of all VPC networks of one project.

    Call `on_commit` for each commit of the Compute API. `traffic` observes pairs of endpoints, and `advertisements` the
    ranges that Cloud Routers advertise. `HostNames` defines the names of hosts.
    """

    def __init__(
        self,
        clock: Clock,
        chance: Chance,
        lag: LagProfile | None = None,
        knobs: FabricKnobs | None = None,
        measured: Mapping[str, str] | None = None,
    ) -> None:
        """measured: when and where a trial has measured a knob, by its name."""
        self.measured = measured or {}
        self._clock = clock
        self._chance = chance
        self._lag = lag or LagProfile()
        self._knobs = knobs or FabricKnobs()
        self._heap: list[tuple[float, int, bool, Action]] = []
        self._order = count()
        self._ledgers: dict[str, Ledger] = {}
        self._ledger_of: dict[str, Ledger] = {}
        self._names = HostNames()
        self._subnet_seen_at: dict[tuple[str, str, str], float] = {}
        self._overlap_used = False
        self._most_interfaces = 0
        self._data_path = DataPath(self._ledger_of, self._ledgers, self._knobs)
        self._watchers: list[Watcher] = []
        self._followers: list[CommitListener] = []
        self.advertisements = Advertisements()
        self.traffic = Traffic(self._data_path, self._schedule, self.settle, self._lag.longest)

    def on_commit(self, commit: Commit) -> None:
        """Apply a commit at `commit.at` and propagate it to the hosts."""
        self.advertisements.on_commit(commit)
        if commit.collection == "projects":
            handles = address_manager((commit.after or {}).get("commonInstanceMetadata")) is not False
            self._schedule(commit.at, partial(self.traffic.set_address_manager, handles=handles))
        for change in changes(commit, self._names.of):
            self._schedule(commit.at, partial(self._commit, change=change))
        for listener in self._followers:
            listener(commit)
        self.settle(commit.at - REORDERING_WINDOW)

    def settle(self, at: float) -> None:
        """Process all events until `at`, in order."""
        while self._heap and self._heap[0][0] <= at:
            due, _, _, action = heapq.heappop(self._heap)
            action(due)

    def rest(self, at: float) -> None:
        """Process all events until `at`, and show every host the current state at once, without delays."""
        self.settle(at)
        waiting, self._heap = sorted(self._heap), []
        for due, number, is_propagation, action in waiting:
            if is_propagation:
                action(at)
            else:
                heapq.heappush(self._heap, (due, number, is_propagation, action))
        self.traffic.admit_waiting(at)

    def probe(self, source_host: str, destination_ip: str, at: float | None = None) -> Verdict:
        """The verdict for a packet from `source_host` to `destination_ip` at `at` (default: now).

        The sender is a pod if the host is an endpoint and the destination is a pod address, else the VM itself. Time
        does not go back: an instant before the last processed event gets the state after that event. ValueError if
        `destination_ip` is not an address.
        """
        destination = parse_address(destination_ip)
        self.settle(self._clock.now() if at is None else at)
        owner = self.traffic.owner(destination)
        source = self.traffic.source_address(source_host, destination[0]) if owner is not None else None
        if source is None:
            source = self._own_address(source_host, destination[0])
        if source is None:
            reason = "INSTANCE_NOT_RUNNING" if source_host not in self._ledger_of else "NO_ROUTE"
            return Verdict(None, reason, f"{source_host} has no IPv{destination[0]} address to send from")
        return self.traffic.judge(self._data_path.send(source_host, source, destination), owner)

    def probe_from_internet(self, source_ip: str, destination_ip: str, at: float | None = None) -> Verdict:
        """The verdict for a packet from the internet; `at` as for `probe`. ValueError for an invalid address."""
        source, destination = parse_address(source_ip), parse_address(destination_ip)
        self.settle(self._clock.now() if at is None else at)
        return self.traffic.judge(
            deliver_from_internet(self._ledgers.values(), source, destination), self.traffic.owner(destination)
        )

    def follow(self, listener: CommitListener) -> None:
        """Call `listener` with each commit, after its changes are known."""
        self._followers.append(listener)

    def watch(self, changed: Watcher) -> None:
        """Call `changed` after each change in the view of a host: instant, network, host, change."""
        self._watchers.append(changed)

    def schedule(self, at: float, action: Action) -> None:
        """Run `action` at a simulated time, in order with all changes."""
        self._schedule(at, action)

    def send(self, host: str, source: Address, destination: Address, service: Service | None) -> Verdict:
        """The verdict for a packet at the instant of the last event; service: None for a response."""
        return self._data_path.send(host, source, destination, service)

    def view(self, host: str) -> HostView | None:
        """What a running VM sees of its network."""
        ledger = self._ledger_of.get(host)
        return ledger.views[host] if ledger is not None else None

    def host_name(self, zone: str, name: str) -> str:
        """The host name of a VM."""
        return self._names.of(zone, name)

    @property
    def knobs(self) -> FabricKnobs:
        """How it answers open questions."""
        return self._knobs

    @property
    def hosts(self) -> list[str]:
        """Running VMs, as of the last processed event."""
        return sorted(self._ledger_of)

    def host(self, text: str) -> str | None:
        """The running VM with this NAME or ZONE/NAME, as of the last processed event; None if there is none."""
        return self._names.find(text, self._ledger_of)

    def assumptions(self) -> list[str]:
        """The inferred facts that verdicts depended on so far, one sentence each with its source."""
        return assumptions(
            self._lag,
            self._knobs,
            overlap_used=self._overlap_used,
            most_interfaces=self._most_interfaces,
            measured=self.measured,
        )

    def _schedule(self, at: float, action: Action, *, is_propagation: bool = False) -> None:
        heapq.heappush(self._heap, (at, next(self._order), is_propagation, action))

    def _commit(self, at: float, change: Change) -> None:
        ledger = self._ledgers.setdefault(change.network, Ledger(change.network))
        self._data_path.invalidate()
        version = ledger.commit(change.key, change.fact)
        own = change.key[1] if change.key[0] == "machine" else None
        for host in ledger.views:
            if host == own:  # a host sees changes of its own VM at once
                self._show(at, ledger, host, change.key, version, change.fact)
            else:
                due = self._due(at, host, change, version)
                show = partial(self._show, ledger=ledger, host=host, key=change.key, version=version, fact=change.fact)
                self._schedule(due, show, is_propagation=True)
        if isinstance(change.fact, Peering):
            for host in [name for name, other in self._ledger_of.items() if other is ledger]:
                self._open_view(host, change.fact)
        if own is not None:
            self._update_host(at, ledger, own, change.fact)
        self._check_limits(at, ledger, change)
        if own is not None or isinstance(change.fact, Peering):  # hosts get or lose views at once
            self._notify(at, ledger, own or "", ViewChange(None, change.fact))

    def _notify(self, at: float, ledger: Ledger, host: str, seen: ViewChange) -> None:
        for changed in self._watchers:
            changed(at, ledger, host, seen)

    def _show(self, at: float, ledger: Ledger, host: str, key: Key, version: int, fact: Fact | None) -> None:
        seen = ledger.deliver(host, key, version, fact)  # also None for a VM that stopped or restarted meanwhile
        if seen is not None:
            self.traffic.view_changed(at, ledger, host, seen)
            self._notify(at, ledger, host, seen)

    def _update_host(self, at: float, ledger: Ledger, name: str, fact: Fact | None) -> None:
        """Open the view of a VM that starts; remove a VM that stops from views and endpoints."""
        runs = isinstance(fact, Machine) and fact.running
        if runs and name not in self._ledger_of:
            ledger.open_view(name)
            self._ledger_of[name] = ledger
            for peering in list(ledger.views[name].peerings()):
                self._open_view(name, peering)
            self.traffic.started(at, name, at + self._lag_in_force().longest)
        elif not runs and self._ledger_of.get(name) is ledger:
            self.traffic.stopped(at, name)
            for known in self._ledgers.values():
                if name in known.views:
                    known.close_view(name)
            del self._ledger_of[name]

    def _open_view(self, host: str, peering: Peering) -> None:
        """Open a view of a peer network for `host`, which receives its changes with delays until the VM stops."""
        ledger = self._ledgers.setdefault(peering.peer, Ledger(peering.peer))
        if host not in ledger.views:
            ledger.open_view(host)

    def _lag_in_force(self) -> LagProfile:
        return self._lag if enforced("forwarding.eventually-consistent") else LagProfile.fixed(0.0)

    def _due(self, at: float, host: str, change: Change, version: int) -> float:
        """When `host` sees the change. Knob K4 'fifo': in order for each subnet (docs/reference/cut-over.md#k4)."""
        low, high = self._lag_in_force().bounds(change.key[0])
        due = at + (self._chance.uniform(low, high, "lag", host, *change.key, version) if high > low else low)
        in_order = self._knobs.subnet_order == "fifo" or not enforced("forwarding.subnet-order")
        if in_order and change.key[0] in ("ranges", "flag"):
            _, region, subnet = change.key
            place = (host, region, subnet)
            due = max(due, self._subnet_seen_at.get(place, -math.inf))
            self._subnet_seen_at[place] = due
        return due

    def _check_limits(self, at: float, ledger: Ledger, change: Change) -> None:
        """Check the advised limits once a subnet has been hybrid (docs/reference/cut-over.md#e14)."""
        if isinstance(change.fact, SubnetFlag) and change.fact.overlap:
            self._overlap_used = True
        if not self._overlap_used or change.key[0] not in ("flag", "interface", "route", "machine"):
            return
        now = find_overload(ledger, self._chance)
        if now is not None:
            self._most_interfaces = max(self._most_interfaces, count_in_force(ledger, "interface"))
        if self._knobs.beyond_limits == "unstable" and ledger.current.get(OVERLOAD) != now:
            self._commit(at, Change(change.network, OVERLOAD, now))

    def _own_address(self, host: str, family: int) -> Address | None:
        ledger = self._ledger_of.get(host)
        if ledger is None:
            return None
        interfaces = ledger.views[host].interfaces_of(host)
        blocks = [nic.primary if family == 4 else nic.ipv6 for nic in interfaces]
        return next((block.address() for block in blocks if block is not None), None)
