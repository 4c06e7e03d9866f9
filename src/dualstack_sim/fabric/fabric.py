"""The fabric: commits come in, changes travel to every host at their own pace, questions are answered in order.

All that happens, happens through one heap in the order of simulated time stamps, and is accounted with these stamps,
however late somebody asks.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from functools import partial
from itertools import count

from dualstack.clock import Clock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.advertisements import Advertisements
from dualstack_sim.fabric.assumptions import assumptions
from dualstack_sim.fabric.blocks import Address, parse_address
from dualstack_sim.fabric.delivery import Carrier
from dualstack_sim.fabric.facts import OVERLOAD, Fact, Key, Machine, Peering, SubnetFlag
from dualstack_sim.fabric.feed import Change, changes
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.hosts import HostNames
from dualstack_sim.fabric.internet import arrive
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.fabric.overload import in_force, overload
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile
from dualstack_sim.fabric.traffic import Traffic
from dualstack_sim.rules import enforced

Action = Callable[[float], None]

PATIENCE = 60.0
"""Simulated seconds that changes wait for earlier ones which are reported late, when nobody asks a question."""


class Fabric:
    """The data path of all VPC networks of one project.

    `on_commit` is to be called for each commit of the Compute API; `traffic` watches pairs of end points, and
    `advertisements` what is told to the world outside of the VPC. Hosts are named as `HostNames` says.
    """

    def __init__(
        self, clock: Clock, chance: Chance, lag: LagProfile | None = None, knobs: FabricKnobs | None = None
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._lag = lag or LagProfile()
        self._knobs = knobs or FabricKnobs()
        self._heap: list[tuple[float, int, bool, Action]] = []
        self._order = count()
        self._ledgers: dict[str, Ledger] = {}
        self._homes: dict[str, Ledger] = {}
        self._names = HostNames()
        self._subnet_news: dict[tuple[str, str, str], float] = {}
        self._overlap_used = False
        self._most_interfaces = 0
        self._carrier = Carrier(self._homes, self._ledgers, self._knobs)
        self.advertisements = Advertisements()
        self.traffic = Traffic(self._carrier, self._schedule, self.settle)

    def on_commit(self, commit: Commit) -> None:
        """Take note of a commit; it is in force from `commit.at` and travels to the hosts from there."""
        self.advertisements.note(commit)
        for change in changes(commit, self._names.of):
            self._schedule(commit.at, partial(self._enforce, change=change))
        self.settle(commit.at - PATIENCE)

    def settle(self, at: float) -> None:
        """Let everything happen that is due until `at`, in order."""
        while self._heap and self._heap[0][0] <= at:
            due, _, _, action = heapq.heappop(self._heap)
            action(due)

    def rest(self, at: float) -> None:
        """Let everything happen that is due until `at`, and let every host see it at once: a world at rest."""
        self.settle(at)
        waiting, self._heap = sorted(self._heap), []
        for due, number, is_news, action in waiting:
            if is_news:
                action(at)
            else:
                heapq.heappush(self._heap, (due, number, is_news, action))
        self.traffic.all_known(at)

    def probe(self, source_host: str, destination_ip: str, at: float | None = None) -> Verdict:
        """The fate of a packet from `source_host` to `destination_ip` at `at` (default: now).

        The sender is a pod if the host is an end point and the destination belongs to pods, else the VM itself. There
        is no way back: an instant before what was settled already is answered as of then. ValueError for no address.
        """
        destination = parse_address(destination_ip)
        self.settle(self._clock.now() if at is None else at)
        owner = self.traffic.owner(destination)
        source = self.traffic.source_address(source_host, destination[0]) if owner is not None else None
        if source is None:
            source = self._own_address(source_host, destination[0])
        if source is None:
            reason = "INSTANCE_NOT_RUNNING" if source_host not in self._homes else "NO_ROUTE"
            return Verdict(None, reason, f"{source_host} has no IPv{destination[0]} address to send from")
        return self.traffic.judge(self._carrier.carry(source_host, source, destination), owner)

    def probe_from_internet(self, source_ip: str, destination_ip: str, at: float | None = None) -> Verdict:
        """The fate of a packet from somewhere on the internet; `at` as for `probe`. ValueError for no address."""
        source, destination = parse_address(source_ip), parse_address(destination_ip)
        self.settle(self._clock.now() if at is None else at)
        return self.traffic.judge(arrive(self._ledgers.values(), source, destination), self.traffic.owner(destination))

    @property
    def hosts(self) -> list[str]:
        """Running VMs, as of the last question."""
        return sorted(self._homes)

    def host(self, text: str) -> str | None:
        """The running VM that NAME or ZONE/NAME means, as of the last question."""
        return self._names.find(text, self._homes)

    def assumptions(self) -> list[str]:
        """The inferred facts on which a verdict rests so far, one sentence each with its source."""
        return assumptions(
            self._lag, self._knobs, overlap_used=self._overlap_used, most_interfaces=self._most_interfaces
        )

    def _schedule(self, at: float, action: Action, *, is_news: bool = False) -> None:
        heapq.heappush(self._heap, (at, next(self._order), is_news, action))

    def _enforce(self, at: float, change: Change) -> None:
        ledger = self._ledgers.setdefault(change.network, Ledger(change.network))
        self._carrier.forget()
        version = ledger.commit(change.key, change.fact)
        own = change.key[1] if change.key[0] == "machine" else None
        for host in ledger.views:
            if host == own:  # a host knows at once what became of its own VM
                self._show(at, ledger, host, change.key, version, change.fact)
            else:
                due = self._due(at, host, change, version)
                show = partial(self._show, ledger=ledger, host=host, key=change.key, version=version, fact=change.fact)
                self._schedule(due, show, is_news=True)
        if isinstance(change.fact, Peering):
            for host in [name for name, home in self._homes.items() if home is ledger]:
                self._look_over(host, change.fact)
        if own is not None:
            self._power(at, ledger, own, change.fact)
        self._note_overlap(at, ledger, change)

    def _show(self, at: float, ledger: Ledger, host: str, key: Key, version: int, fact: Fact | None) -> None:
        seen = ledger.deliver(host, key, version, fact)  # None also for a VM that was stopped or started since
        if seen is not None:
            self.traffic.seen(at, ledger, host, seen)

    def _power(self, at: float, ledger: Ledger, name: str, fact: Fact | None) -> None:
        """A VM that runs has a view of its network; one that stops is an end point no more."""
        runs = isinstance(fact, Machine) and fact.running
        if runs and name not in self._homes:
            ledger.open_view(name)
            self._homes[name] = ledger
            for peering in list(ledger.views[name].peerings()):
                self._look_over(name, peering)
            self.traffic.started(at, name, at + self._lag_in_force().longest)
        elif not runs and self._homes.get(name) is ledger:
            self.traffic.stopped(at, name)
            for known in self._ledgers.values():
                if name in known.views:
                    known.close_view(name)
            del self._homes[name]

    def _look_over(self, host: str, peering: Peering) -> None:
        """A host sees the peer's network in its own time as well, until it stops."""
        ledger = self._ledgers.setdefault(peering.peer, Ledger(peering.peer))
        if host not in ledger.views:
            ledger.open_view(host)

    def _lag_in_force(self) -> LagProfile:
        return self._lag if enforced("forwarding.eventually-consistent") else LagProfile.fixed(0.0)

    def _due(self, at: float, host: str, change: Change, version: int) -> float:
        """When `host` will see the change (knob K4: for one subnet not before what was changed earlier)."""
        low, high = self._lag_in_force().bounds(change.key[0])
        due = at + (self._chance.uniform(low, high, "lag", host, *change.key, version) if high > low else low)
        in_order = self._knobs.subnet_order == "fifo" or not enforced("forwarding.subnet-order")
        if in_order and change.key[0] in ("ranges", "flag"):
            _, region, subnet = change.key
            place = (host, region, subnet)
            due = max(due, self._subnet_news.get(place, -math.inf))
            self._subnet_news[place] = due
        return due

    def _note_overlap(self, at: float, ledger: Ledger, change: Change) -> None:
        """Watch the advised limits as soon as a subnet was ever hybrid (E14)."""
        if isinstance(change.fact, SubnetFlag) and change.fact.overlap:
            self._overlap_used = True
        if not self._overlap_used or change.key[0] not in ("flag", "interface", "route", "machine"):
            return
        now = overload(ledger, self._chance)
        if now is not None:
            self._most_interfaces = max(self._most_interfaces, in_force(ledger, "interface"))
        if self._knobs.beyond_limits == "unstable" and ledger.truth.get(OVERLOAD) != now:
            self._enforce(at, Change(change.network, OVERLOAD, now))

    def _own_address(self, host: str, family: int) -> Address | None:
        home = self._homes.get(host)
        if home is None:
            return None
        interfaces = home.views[host].interfaces_of(host)
        blocks = [nic.primary if family == 4 else nic.ipv6 for nic in interfaces]
        return next((block.address() for block in blocks if block is not None), None)
