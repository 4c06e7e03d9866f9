"""The whole way of a packet: may the sender send it, where does the network take it, does the receiver take it in."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack_sim.fabric.blocks import Address
from dualstack_sim.fabric.forwarding import Peer, Verdict, forward
from dualstack_sim.fabric.ingress import admitted, let_out, owns
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.fabric.overload import REASON, suffers
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.rules import enforced

NOT_RUNNING = "INSTANCE_NOT_RUNNING"


class Carrier:
    """Carries packets between hosts. `homes` holds the network of every running VM and `ledgers` all networks by name;
    their owner keeps both up."""

    def __init__(self, homes: Mapping[str, Ledger], ledgers: Mapping[str, Ledger], knobs: FabricKnobs) -> None:
        self.homes = homes
        self._ledgers = ledgers
        self._knobs = knobs
        self._memory: dict[tuple[str, Address, frozenset[str]], Verdict] = {}

    def forget(self) -> None:
        """Something came into force: what is remembered about hosts that see everything no longer holds."""
        self._memory.clear()

    def carry(self, source: str, source_address: Address, destination: Address) -> Verdict:
        """The fate of a packet of a pod on `source` (or of the VM itself) at this instant."""
        home = self.homes.get(source)
        if home is None:
            return Verdict(None, NOT_RUNNING, "the source VM is not running")
        view = home.views[source]
        sender = view.machine(source)
        forged = (
            sender is not None
            and not sender.can_ip_forward
            and not owns(view.interfaces_of(source), source_address)
            and enforced("forwarding.source-check")
        )
        if forged:
            return Verdict(None, "FOREIGN_IP_DISALLOWED", f"the source VM {source} has canIpForward false")
        if sender is not None and not let_out(view, sender, destination):
            return Verdict(None, "FIREWALL_RULE", f"the firewall of {source} lets nothing out to the destination")
        if suffers(view, source, destination):
            return Verdict(None, REASON, f"E14: {source} suffers from more than is advised beside hybrid subnets")
        verdict = self._forward(home, source, sender.tags if sender is not None else frozenset(), destination)
        return verdict if verdict.delivered_to is None else self._receive(source, verdict, source_address)

    def _forward(self, home: Ledger, source: str, tags: frozenset[str], destination: Address) -> Verdict:
        if not self._sees_all(home, source):
            return forward(home.views[source], source, destination, self._knobs, self._peers(home, source))
        key = (home.network, destination, tags)
        verdict = self._memory.get(key)
        if verdict is None:
            peers = self._peers(home, source)
            verdict = self._memory[key] = forward(home.views[source], source, destination, self._knobs, peers)
        return verdict

    def _sees_all(self, home: Ledger, source: str) -> bool:
        """Whether the host sees its network, and those that peer with it, as they are."""
        return home.up_to_date(source) and all(
            self._ledgers[peering.peer].up_to_date(source) for peering in home.views[source].peerings()
        )

    def _peers(self, home: Ledger, source: str) -> list[Peer]:
        """The networks that peer with `home` from both sides, as far as the host knows; not those behind them."""
        found = []
        for ours in sorted(home.views[source].peerings(), key=lambda peering: peering.peer):
            view = self._ledgers[ours.peer].views[source]
            theirs = next((other for other in view.peerings() if other.peer == home.network), None)
            if theirs is not None:
                custom = ours.imports and theirs.exports
                found.append(Peer(ours.peer, view, custom, ours.ipv6 and theirs.ipv6))
        return found

    def _receive(self, source: str, verdict: Verdict, source_address: Address) -> Verdict:
        receiver = verdict.delivered_to or ""
        where = self.homes.get(receiver)
        if where is None or source not in where.views:
            return Verdict(None, NOT_RUNNING, f"{verdict.rule}; {receiver} is not running")
        view = where.views[receiver]
        machine = view.machine(receiver)
        if machine is None or not admitted(view, machine, source_address):
            return Verdict(None, "FIREWALL_RULE", f"{verdict.rule}; the firewall of {receiver} refuses the source")
        return verdict
