"""Takes the VMs' subnet through the states of a cut-over, S0 to S5, and measures each transition.

docs/reference/cut-over.md#forwarding describes the states.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gce.gather import gather_all
from dualstack.trial.compute import FLAG, Outcome, TrialCompute
from dualstack.trial.document import Packets
from dualstack.trial.measuring import Measuring, longest_gap, mesh
from dualstack.trial.site import PODS, Site

RANGE = "pods"
STEADY = 10.0
"""Seconds at the end of a transition over which the new state is judged."""
KEPT = 40
"""Windows around the first loss that are kept of each flow."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One transition. since, until: of the measurement; `accepted`: of every request; measured: by every VM.

    steady: the answered share of all packets between pods at the end. lost, sent: packets between pods meanwhile.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    since: float
    until: float
    measured: bool
    steady: float
    sent: int
    lost: int
    longest: float
    broken: int
    packets: tuple[Packets, ...]

    @property
    def accepted(self) -> bool:
        return all(outcome.accepted for outcome in self.outcomes)

    @property
    def refusal(self) -> str:
        """What refused it, as a clause; empty if nothing did."""
        return next((outcome.describe() for outcome in self.outcomes if not outcome.accepted), "")

    def describe(self) -> str:
        """As a clause."""
        loss = f"lost {self.lost} of {self.sent} packets, at most {self.longest:.1f} s long" if self.lost else "no loss"
        broken = f", {self.broken} TCP connections made again" if self.broken else ""
        return f"{self.name}: {loss}{broken}"


class Ladder:
    """The present state, and the way to another. `settle`: seconds that the hosts get after each transition."""

    def __init__(self, compute: TrialCompute, clock: Clock, site: Site, measuring: Measuring) -> None:
        self._compute = compute
        self._clock = clock
        self._site = site
        self._measuring = measuring
        self.settle = 75.0
        self.state = -1
        self.passages: list[Passage] = []

    async def prepare(self) -> None:
        """Reach S0: a route for each VM's block, and pods that answer each other."""
        if self.state < 0:
            await self._routes()
            await self._clock.sleep(self.settle)
            self.state = 0

    async def go(self, state: int, *, settle: float | None = None) -> list[Passage]:
        """Reach a state; the transitions on the way. Stops before a transition that Compute refuses."""
        await self.prepare()
        made = []
        while self.state != state:
            above = self.state < state
            name, step, reached = (self._up if above else self._down)()
            passage = await self._pass(name, step, self.settle if settle is None else settle)
            made.append(passage)
            self.passages.append(passage)
            if not passage.accepted:
                break
            self.state = reached
        return made

    async def onto_aliases(self) -> str:
        """Reach S5 without the flag, and with loss; the refusal, or an empty text."""
        await self.go(0)
        for step in (self._no_routes, lambda: self._range(on=True), lambda: self._aliases(on=True)):
            for outcome in await step():
                if not outcome.accepted:
                    return outcome.describe()
        await self._clock.sleep(self.settle)
        self.state = 5
        return ""

    def _up(self) -> tuple[str, Callable[[], Awaitable[list[Outcome]]], int]:
        steps = (
            ("S0>S1 flag on", self._flag_on),
            ("S1>S2 range on", lambda: self._range(on=True)),
            ("S2>S3 aliases on", lambda: self._aliases(on=True)),
            ("S3>S4 routes off", self._no_routes),
            ("S4>S5 flag off", self._flag_off),
        )
        name, step = steps[self.state]
        return name, step, self.state + 1

    def _down(self) -> tuple[str, Callable[[], Awaitable[list[Outcome]]], int]:
        if self.state >= 4:  # a route under the range may be refused: start again from below
            return f"S{self.state}>S0 rebuilt", self._rebuild, 0
        steps = (
            ("S1>S0 flag off", self._flag_off),
            ("S2>S1 range off", lambda: self._range(on=False)),
            ("S3>S2 aliases off", lambda: self._aliases(on=False)),
        )
        name, step = steps[self.state - 1]
        return name, step, self.state - 1

    async def _pass(self, name: str, step: Callable[[], Awaitable[list[Outcome]]], settle: float) -> Passage:
        since = self._compute.now() - 1.0
        outcomes = tuple(await step())
        await self._clock.sleep(settle)
        until = self._compute.now()
        measured = await self._measuring.until(until)
        flows = self._measuring.flows(mesh)
        all_packets = [self._measuring.packets(flow, since, until, name) for flow in flows]
        sent = sum(sum(each.sent) for each in all_packets)
        steady = self._measuring.share(flows, max(since, until - STEADY), until)
        lost = sum(each.lost for each in all_packets)
        return Passage(
            name=name,
            outcomes=outcomes,
            since=since,
            until=until,
            measured=measured,
            steady=steady,
            sent=sent,
            lost=lost,
            longest=max((longest_gap(each) for each in all_packets), default=0.0),
            broken=sum(each.connections for each in all_packets if each.flow.endswith("/tcp")),
            packets=tuple(all_packets),
        )

    # -- steps

    async def _flag_on(self) -> list[Outcome]:
        return [await self._compute.patch_subnet(self._site.nodes, {FLAG: True})]

    async def _flag_off(self) -> list[Outcome]:
        return [await self._compute.patch_subnet(self._site.nodes, {FLAG: False})]

    async def _range(self, *, on: bool) -> list[Outcome]:
        ranges = [{"rangeName": RANGE, "ipCidrRange": PODS}] if on else []
        return [await self._compute.patch_subnet(self._site.nodes, {"secondaryIpRanges": ranges})]

    async def _aliases(self, *, on: bool) -> list[Outcome]:
        def wanted(block: str) -> list[dict[str, str]]:
            return [{"ipCidrRange": block, "subnetworkRangeName": RANGE}] if on else []

        return await gather_all(
            *(self._compute.patch_interface(vm.path, {"aliasIpRanges": wanted(vm.block)}) for vm in self._site.vms)
        )

    async def _routes(self) -> None:
        await gather_all(*(self._site.make_route(f"pods-{vm.letter}", vm.block, vm) for vm in self._site.vms))

    async def _no_routes(self) -> list[Outcome]:
        return await gather_all(*(self._compute.remove(self._site.route(f"pods-{vm.letter}")) for vm in self._site.vms))

    async def _rebuild(self) -> list[Outcome]:
        removed = [*await self._aliases(on=False), *await self._range(on=False), *await self._flag_off()]
        await self._routes()
        return removed
