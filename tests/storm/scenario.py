"""One random world with its faults and kills, and the rules by which its end is judged."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from dualstack.cli.rehearsal.claims import announced_differences, measured_differences
from dualstack.model.events import StrategyChosen
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.faults.reading import parse_faults
from tests.storm.world import LONGEST, StormWorld, storm_world, virtually

TRANSIENT: tuple[dict[str, Any], ...] = (
    {"errorBefore": {"status": 503}},
    {"errorAfter": {"status": 503}},
    {"cut": "after"},
    {"errorBefore": {"status": 400, "reason": "resourceNotReady", "message": "The resource is not ready"}},
)
REFUSED: tuple[dict[str, Any], ...] = (
    {"errorBefore": {"status": 403, "reason": "forbidden", "message": "Required permission"}},
    {"errorBefore": {"status": 400, "reason": "invalid", "message": "Invalid value for field"}},
    {"operationError": {"code": "QUOTA_EXCEEDED", "message": "Quota exceeded"}},
)
METHODS = ("subnetworks.patch", "instances.updateNetworkInterface", "routes.delete", "routes.insert")
STEPS = (
    "set-overlap-flag",
    "add-range-canary",
    "add-secondary-range",
    "add-alias-canary",
    "add-aliases",
    "delete-routes",
)
PATIENCE = 180.0
"""Seconds that an order with an outage may take: a request is repeated for a minute before it fails."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a seed stands for."""

    seed: int
    nodes: int
    strategy: str
    knobs: Knobs
    fabric: FabricKnobs
    faults: tuple[dict[str, Any], ...]
    kill: tuple[str, float] | None

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """The scenario of a seed, always the same."""
        draw = random.Random(seed)
        faults = []
        for _ in range(draw.choice((0, 0, 1, 2))):
            kind = draw.choice((*TRANSIENT, *REFUSED))
            faults.append(
                {"method": draw.choice(METHODS), "nth": draw.randint(1, 6), "count": draw.randint(1, 3)} | kind
            )
        return cls(
            seed=seed,
            nodes=draw.choice((1, 2, 3, 5, 8)),
            strategy=draw.choice(("overlap", "overlap", "auto", "compressed")),
            knobs=Knobs(
                new_route_in_flagged_range=draw.choice(("deny", "allow")),
                clear_flag_over_routes=draw.choice(("refuse", "accept")),
                overlap_flag=draw.choice(("shown", "shown", "shown", "hidden")),
                network_quotas=draw.choice(("operation", "request")),
            ),
            fabric=FabricKnobs(
                alias_matched=draw.random() < 0.7,
                subnet_order=draw.choice(("reordered", "fifo")),
                unmatched_to_instances=draw.random() < 0.7,
            ),
            faults=tuple(faults),
            kill=(draw.choice(STEPS), draw.choice((0.1, 5.0, 20.0))) if draw.random() < 0.4 else None,
        )

    def run(self) -> tuple[str, list[str]]:
        """What happened, in one line, and the rules that were broken."""
        return virtually(self._run)

    async def _run(self) -> tuple[str, list[str]]:
        rules = parse_faults({"faults": list(self.faults)}) if self.faults else []
        async with storm_world(
            *rules,
            nodes=self.nodes,
            seed=self.seed,
            knobs=self.knobs,
            fabric_knobs=self.fabric,
            strategy=self.strategy,
        ) as world:
            if self.kill is not None:
                await world.killed_at(self.kill[0], after=self.kill[1])
                await world.clock.sleep(5.0)
            finished = await world.operate(attempts=4)
            await world.clock.sleep(90.0)
            outcome = "finished" if finished else "stopped"
            line = f"{outcome} after {world.clock.now() - world.began:.1f} s, longest blackout {world.longest():.3f} s"
            return line, await self._broken_rules(world, finished=finished)

    async def _broken_rules(self, world: StormWorld, *, finished: bool) -> list[str]:
        broken = [f"{len(world.dark())} pairs stay without connectivity"] if world.dark() else []
        everyone = {node.name for node in world.world.nodes}
        routes, aliases = await world.routes(), set(await world.aliases())
        if finished and (routes or aliases != everyone):
            broken.append("it has finished without every alias, or with routes left")
        if not finished and everyone not in (routes, aliases):
            broken.append("it has stopped without every route or every alias")
        broken += measured_differences(world.measured(), world.ledger())
        if not self.faults and self.kill is None:
            broken += announced_differences(world.at_most(), world.ledger())
        chosen = {event.strategy for event in world.events if isinstance(event, StrategyChosen)}
        if "compressed" in chosen:  # its outage is announced
            return broken + ([f"unreachable for {world.longest():.1f} s"] if world.longest() > PATIENCE else [])
        if world.longest() > LONGEST:
            broken.append(f"a pair was unreachable for {world.longest():.1f} s")
        pairs = [{pair.source, pair.destination} for pair in world.broken()]
        if pairs and not set.intersection(*pairs):
            broken.append("more than one node was unreachable")
        assumed = self.fabric.alias_matched and self.fabric.unmatched_to_instances
        if pairs and assumed:
            broken.append("packets were lost although the facts are as assumed")
        if pairs and not any("allowSubnetCidrRoutesOverlap" in str(error) for error in world.errors):
            broken.append("no message names the fact")
        return broken
