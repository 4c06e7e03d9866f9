"""VMs of a trial: those whose start-up script is the agent work as it does, in simulated time, through the fabric.

The orders, the windows and the report are the agent's own code (docs/evidence.md#agent).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dualstack.clock import Clock
from dualstack.trial.agent import startup
from dualstack.trial.agent.startup import collect, read_orders, report_line
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric import Fabric
from dualstack_sim.fabric.blocks import Address, format_address, parse_address, parse_block
from dualstack_sim.fabric.facts import Interface, Overload, StaticRoute, SubnetFlag, SubnetRanges
from dualstack_sim.fabric.feed import address_manager
from dualstack_sim.fabric.flows import SimulatedFlow, SimulatedTcpFlow
from dualstack_sim.fabric.guest_agents import GuestAgents
from dualstack_sim.fabric.ledger import Ledger, ViewChange

Json = dict[str, Any]
SERIAL_PORT = 2
BOOT = (15.0, 30.0)
"""Seconds from RUNNING until the start-up script runs."""
METADATA = 0.5
"""Seconds until the metadata server answers a request that waits for a change."""
ROUND = 2.0
"""Seconds between two looks at the clock; a read of a serial port lets the VMs work too."""
GUEST_AGENT = {"running": True, "version": "1:20250901.00-g1"}


@dataclass(slots=True)
class _Vm:
    """One boot of a VM."""

    resource: Json
    host: str
    zone: str
    ready_at: float
    orders_text: str = ""
    orders: Json = field(default_factory=lambda: read_orders("{}"))
    flows: dict[str, SimulatedFlow] = field(default_factory=dict)
    ended: list[tuple[float, str, startup.Source]] = field(default_factory=list)
    loopback: frozenset[Address] = frozenset()
    ipv6_at_boot: tuple[str, ...] = ()
    errors: list[str] = field(default_factory=list)
    ready: bool = False
    ends: bool = False

    @property
    def name(self) -> str:
        return str(self.resource["name"])


class TrialVms:
    """Runs the agents of all VMs that have the script, from the start of the first one until it is closed."""

    def __init__(self, clock: Clock, chance: Chance, compute: Compute, fabric: Fabric) -> None:
        self._clock, self._chance, self._compute, self._fabric = clock, chance, compute, fabric
        self._vms: dict[str, _Vm] = {}
        """By id of the instance."""
        self._agents = GuestAgents(fabric.knobs)
        self._work: asyncio.Task[None] | None = None
        fabric.follow(self._on_commit)
        fabric.watch(self._view_changed)
        compute.project.guests = self._work_until

    def _on_commit(self, commit: Commit) -> None:
        """Boot VMs that start, end those that stop, and give each the new value of its metadata."""
        if commit.collection == "projects":
            self._agents.project_handles = (
                address_manager((commit.after or {}).get("commonInstanceMetadata")) is not False
            )
        if commit.collection != "instances":
            return
        before, after = commit.before or {}, commit.after or {}
        identity = str((after or before)["id"])
        known = self._vms.get(identity)
        if known is not None and (after.get("status") != "RUNNING" or _boot(after) != _boot(known.resource)):
            del self._vms[identity]
            self._agents.remove(known.host)
            known = None
        if after.get("status") != "RUNNING":
            return
        if known is None and _has_agent(after):
            known = self._boot(commit.at, after)
        if known is not None:
            known.resource = after
            text = _metadata(after).get(startup.ORDERS, "")
            if text != known.orders_text:
                known.orders_text = text
                due = max(commit.at + METADATA, known.ready_at)
                self._fabric.schedule(due, partial(self._follow, vm=known, text=text))

    async def close(self) -> None:
        """Stop all agents."""
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work

    async def _run(self) -> None:
        while True:
            self._compute.settle()
            self._work_until(self._clock.now())
            for vm in [vm for vm in self._vms.values() if vm.ends]:
                try:
                    self._compute.power_off(vm.zone, vm.name)
                except ApiError:  # another operation runs on the VM: in the next round
                    continue
                vm.ends = False
            await self._clock.sleep(ROUND)

    def _work_until(self, at: float) -> None:
        if self._vms:
            self._fabric.settle(at)

    # -- one VM

    def _boot(self, at: float, resource: Json) -> _Vm:
        zone = resource["zone"].rpartition("/")[2]
        delay = self._chance.uniform(*BOOT, "boot", resource["id"], resource.get("lastStartTimestamp", ""))
        host = self._fabric.host_name(zone, resource["name"])
        vm = self._vms[resource["id"]] = _Vm(resource, host, zone, at + delay)
        self._fabric.schedule(vm.ready_at, partial(self._begin, vm=vm))
        if self._work is None:
            self._work = asyncio.create_task(self._run(), name="trial-vms")
        return vm

    def _begin(self, at: float, vm: _Vm) -> None:
        if not self._runs(vm):
            return
        vm.ready = True
        vm.ipv6_at_boot = self._ipv6_now(vm)
        self._fabric.schedule(at + startup.ALONE, partial(self._end_in_time, vm=vm))
        self._look(at)
        self._report(at, vm)

    def _runs(self, vm: _Vm) -> bool:
        return self._vms.get(vm.resource["id"]) is vm

    def _follow(self, at: float, vm: _Vm, text: str) -> None:
        """Change to new orders, as `Agent.follow` does."""
        if not self._runs(vm) or text != vm.orders_text or not text:
            return
        try:
            orders = read_orders(text)
            loopback = frozenset(parse_block(address).address() for address in orders["addresses"])
        except (ValueError, TypeError, AttributeError) as error:
            vm.errors = [f"orders not understood: {error}"]
            return
        vm.orders, vm.loopback, vm.errors = orders, loopback, []
        wanted = {flow["id"]: flow for flow in orders["flows"]}
        for identity, flow in list(vm.flows.items()):
            if wanted.get(identity) != flow.order:
                flow.advance(at)
                vm.ended.append((at, identity, vm.flows.pop(identity)))
        for identity in wanted.keys() - vm.flows.keys():
            made = SimulatedFlow if wanted[identity]["kind"] == "udp" else SimulatedTcpFlow
            vm.flows[identity] = made(wanted[identity], at)
        if orders["until"]:
            self._fabric.schedule(max(at, orders["until"]), partial(self._end_in_time, vm=vm))
        self._look(at)

    def _end_in_time(self, at: float, vm: _Vm) -> None:
        due = vm.orders["until"] or vm.ready_at + startup.ALONE
        vm.ends = vm.ends or (self._runs(vm) and at >= due)

    def _report(self, at: float, vm: _Vm) -> None:
        if not self._runs(vm):
            return
        for flow in vm.flows.values():
            flow.advance(at)
        parts = collect(at, vm.flows, vm.ended)
        facts = {name: self._fact(vm, name) for name in vm.orders["facts"] if name in startup.READERS}
        line = report_line(vm.name, at, vm.orders, parts, facts, vm.errors)
        self._compute.write_serial(vm.resource, SERIAL_PORT, line)
        self._fabric.schedule(at + startup.REPORT, partial(self._report, vm=vm))

    def _fact(self, vm: _Vm, name: str) -> Any:
        match name:
            case "local-routes":
                return [str(block) for block in self._agents.local_routes(vm.host)]
            case "addresses6":
                at_once = self._fabric.knobs.ipv6_lease == "at-once"
                return list(self._ipv6_now(vm) if at_once else vm.ipv6_at_boot)
        return GUEST_AGENT

    def _ipv6_now(self, vm: _Vm) -> tuple[str, ...]:
        view = self._fabric.view(vm.host)
        interfaces = view.interfaces_of(vm.host) if view is not None else []
        return tuple(format_address(each.ipv6.address()) for each in interfaces if each.ipv6 is not None)

    # -- paths

    def _look(self, at: float) -> None:
        """Find the path of each flow as it is from `at` on."""
        by_host = {vm.host: vm for vm in self._vms.values()}
        for vm in by_host.values():
            view = self._fabric.view(vm.host)
            if vm.ready and view is not None:
                self._agents.run(vm.host, view)
        for vm in by_host.values():
            for flow in vm.flows.values():
                flow.path.set(at, self._answers(vm, flow, by_host))

    def _view_changed(self, at: float, ledger: Ledger, host: str, change: ViewChange) -> None:
        """Find the paths that a change in the view of `host` may affect, by the addresses that it concerns."""
        fact = change.new or change.old
        own = isinstance(fact, Interface) and fact.instance == host
        if own or not isinstance(fact, SubnetRanges | SubnetFlag | StaticRoute | Interface | Overload):
            self._look(at)
            return
        blocks = ledger.affected_blocks(change.old, change.new) if self._vms else ()
        by_host = {vm.host: vm for vm in self._vms.values()}
        for vm in by_host.values():
            for flow in vm.flows.values():
                destinations = [flow.order["target"]] if vm.host == host else []
                destinations += [flow.order["source"]] if flow.receiver == host else []
                if not all(destinations) or any(
                    block.contains(parse_address(each)) for block in blocks for each in destinations
                ):
                    flow.path.set(at, self._answers(vm, flow, by_host))

    def _answers(self, vm: _Vm, flow: SimulatedFlow, by_host: dict[str, _Vm]) -> Hashable | None:
        """The process that answers packets of a flow, with the way to it if that matters to established flows."""
        order = flow.order
        destination = parse_address(order["target"])
        source = parse_address(order["source"]) if order["source"] else self._own(vm, destination[0])
        if source is None or not self._holds(vm, source):
            return None
        service = (str(order["kind"]), int(order["port"]))
        there = self._fabric.send(vm.host, source, destination, service)
        flow.receiver = there.delivered_to
        other = by_host.get(there.delivered_to or "")
        if other is None or not other.ready or order["port"] not in other.orders["echo"]:
            return None
        if not self._holds(other, destination):
            return None
        if self._fabric.send(other.host, destination, source, None).delivered_to != vm.host:
            return None
        way = there.rule if self._fabric.knobs.established_flows == "break" else ""
        return other.resource["id"], other.ready_at, way

    def _own(self, vm: _Vm, family: int) -> Address | None:
        view = self._fabric.view(vm.host)
        for interface in view.interfaces_of(vm.host) if view is not None else ():
            block = interface.primary if family == 4 else interface.ipv6
            if block is not None:
                return block.address()
        return None

    def _holds(self, vm: _Vm, address: Address) -> bool:
        """Whether the kernel of the VM takes packets to the address: one of its own, or local by the guest agent."""
        local = any(block.contains(address) for block in self._agents.local_routes(vm.host))
        return local or address in vm.loopback or address == self._own(vm, address[0])


def _boot(resource: Json) -> str:
    return str(resource.get("lastStartTimestamp", ""))


def _metadata(resource: Json) -> dict[str, str]:
    items = (resource.get("metadata") or {}).get("items", ())
    return {str(item["key"]): str(item.get("value", "")) for item in items}


def _has_agent(resource: Json) -> bool:
    return f"\n# {startup.MARK}\n" in _metadata(resource).get("startup-script", "")
