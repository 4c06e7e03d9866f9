"""One random world with its faults, kills and lost VMs, and the rules by which its end is judged."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from dualstack.cli.rehearsal.claims import announced_differences, measured_differences
from dualstack.model.events import StrategyChosen
from dualstack.plan.costs import PROPAGATION
from dualstack.plan.facts import REPORT_OF_NEW_NODE
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.faults.reading import parse_faults
from dualstack_sim.rules.profiles import LAGS
from tests.storm.machines import Loss, lose
from tests.storm.shoots import Shoot, describe, random_shoot
from tests.storm.world import LONGEST, StormWorld, storm_world, virtually
from tests.support.probing import probing

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
    "delete-route-canary",
    "delete-routes",
    "remove-aliases",
    "remove-secondary-range",
    "restore-routes",
)
DECOY_STEPS = ("create-decoys", "add-decoy-range", "alias-decoys", "drop-decoy-route", "remove-decoys")
QUOTAS: tuple[tuple[str, str, int, int], ...] = (
    ("instances.updateNetworkInterface", "ALIASES_PER_NETWORK_GLOBAL", 0, 8),
    ("subnetworks.patch", "SUBNET_RANGES_PER_NETWORK", 2, 5),
    ("routes.delete", "REQUESTS_PER_MINUTE", 200, 400),
)
"""Method at which a quota is cut, its name, and the lowest and highest value."""

LONGEST_OUTAGE = 180.0
"""Seconds that a disturbed order with an outage may take: a request is repeated for a minute before it fails."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a seed stands for. lag: the profile of propagation."""

    seed: int
    nodes: int
    strategy: str
    shoot: Shoot
    lag: str
    knobs: Knobs
    fabric: FabricKnobs
    faults: tuple[dict[str, Any], ...]
    kill: tuple[str, float] | None
    losses: tuple[Loss, ...]
    requests_take_time: bool = False
    """Whether answers take as long as observed (docs/reference/compute-engine.md#request-latency), or no time."""
    probed: bool = False
    """Whether the operator has an image for the decoy check, which is then made."""

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """The scenario of a seed, always the same."""
        draw = random.Random(seed)
        shoot = random_shoot(draw)
        nodes = draw.choice((1, 2, 3, 5, 8, 12))
        drawn = cls(
            seed=seed,
            nodes=max(nodes, len(shoot["spec"]["provider"]["workers"])),
            strategy=draw.choice(("overlap", "overlap", "auto", "compressed")),
            shoot=shoot,
            lag=draw.choice(("usual", "usual", "usual", "prompt", "slow")),
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
            faults=_faults(draw),
            kill=(draw.choice(STEPS), draw.choice((0.1, 5.0, 20.0))) if draw.random() < 0.4 else None,
            losses=tuple(
                Loss(draw.uniform(0.0, 1500.0), draw.randint(0, 11), draw.random() < 0.7)
                for _ in range(draw.choice((0, 0, 0, 1, 2)))
            ),
        )
        drawn = replace(
            drawn,
            knobs=replace(
                drawn.knobs,
                hybrid_limits=draw.choice(("advice", "enforced")),
                route_conflict=draw.choice(("operation", "request")),
                repeated_alias=draw.choice(("collapsed", "operation", "request")),
                subnetwork_patch=draw.choice(("grouped", "single")),
                alias_over_route=draw.choice(("accept", "accept", "accept", "refuse")),
            ),
            requests_take_time=draw.random() < 0.3,
            probed=draw.random() < 0.5,
        )
        if drawn.probed and drawn.kill is not None and draw.random() < 0.5:
            drawn = replace(drawn, kill=(draw.choice(DECOY_STEPS), drawn.kill[1]))
        return drawn

    @property
    def undisturbed(self) -> bool:
        """Without faults, kills and lost VMs."""
        return not (self.faults or self.kill or self.losses)

    def __str__(self) -> str:
        words = [f"{self.nodes} nodes of {describe(self.shoot)}", f"propagation {self.lag}", *map(str, self.faults)]
        words += [str(part) for part in (self.knobs, self.fabric, *self.losses)]
        words += ["answers as late as observed"] * self.requests_take_time + ["decoy check"] * self.probed
        return "; ".join([*words, f"killed at {self.kill}"] if self.kill else words)

    def run(self) -> tuple[str, list[str]]:
        """What happened, in one line, and the rules that were broken."""
        return virtually(self._run)

    async def _run(self) -> tuple[str, list[str]]:
        rules = parse_faults({"faults": list(self.faults)}) if self.faults else []
        made = storm_world(
            *rules,
            nodes=self.nodes,
            seed=self.seed,
            shoot=self.shoot,
            knobs=self.knobs,
            fabric_knobs=self.fabric,
            lag=LAGS[self.lag],
            latency=LatencyProfile(requests=OBSERVED_REQUESTS) if self.requests_take_time else None,
            strategy=self.strategy,
            prober_image="any" if self.probed else "",
        )
        async with made as world, probing(world):
            losing = [asyncio.ensure_future(lose(world, loss)) for loss in self.losses]
            if self.kill is not None:
                await world.killed_at(self.kill[0], after=self.kill[1])
                await world.clock.sleep(5.0)
            finished = await world.operate(attempts=4)
            if losing:
                async with world.nodes_followed() if finished else nullcontext():
                    await asyncio.gather(*losing)
                finished = await world.operate(attempts=2)
            await world.clock.sleep(150.0)
            outcome = "finished" if finished else "stopped"
            line = f"{outcome} after {world.clock.now() - world.began:.1f} s, longest blackout {world.longest():.3f} s"
            return line, await self._broken_rules(world, finished=finished)

    async def _broken_rules(self, world: StormWorld, *, finished: bool) -> list[str]:
        broken = [f"{len(world.dark())} pairs stay without connectivity"] if world.dark() else []
        everyone = {node.name for node in world.nodes}
        routes, aliases = await world.routes(), set(await world.aliases())
        if finished and (routes or aliases != everyone):
            broken.append("it has finished without every alias, or with routes left")
        if not finished and everyone not in (routes, aliases):
            broken.append("it has stopped without every route or every alias")
        broken += measured_differences(world.measured(), world.ledger())
        if self.undisturbed:
            broken += announced_differences(world.at_most(), world.ledger())
        slower = 2 * max(0.0, LAGS[self.lag].longest - PROPAGATION)
        # The alias that a node gets when it joins is a trial of that node, which its own report shows late.
        shown = 0.0 if self.fabric.alias_matched else REPORT_OF_NEW_NODE
        # A node that joins while the decoys' VM is created or deleted gets its route afterwards.
        longest_wait = LONGEST + slower + shown + world.longest_step("create-decoys", "remove-decoys")
        if not self.faults and world.longest_wait() > longest_wait:
            broken.append(f"a node that joined waited {world.longest_wait():.1f} s")
        chosen = {event.strategy for event in world.events if isinstance(event, StrategyChosen)}
        if "compressed" in chosen:  # its outage is announced
            late = world.longest() > LONGEST_OUTAGE + slower
            return broken + ([f"unreachable for {world.longest():.1f} s"] if late else [])
        return broken + self._broken_without_loss(world, LONGEST + slower)

    def _broken_without_loss(self, world: StormWorld, longest: float) -> list[str]:
        """The rules of an order that promises no loss."""
        broken = []
        if world.longest() > longest:
            broken.append(f"a pair was unreachable for {world.longest():.1f} s")
        pairs = [{pair.source, pair.destination} for pair in world.broken()]
        if pairs and not set.intersection(*pairs):
            broken.append("more than one node was unreachable")
        if pairs and self.fabric.alias_matched and self.fabric.unmatched_to_instances:
            broken.append("packets were lost although the facts are as assumed")
        if pairs and self.probed and not self.losses:
            broken.append("packets were lost although the decoy check was made")
        if pairs and not any("allowSubnetCidrRoutesOverlap" in str(error) for error in world.errors):
            broken.append("no message names the fact")
        return broken


def _faults(draw: random.Random) -> tuple[dict[str, Any], ...]:
    """Up to two faults of requests, and perhaps a quota that is cut on the way."""
    faults = []
    for _ in range(draw.choice((0, 0, 1, 2))):
        kind = draw.choice((*TRANSIENT, *REFUSED))
        faults.append({"method": draw.choice(METHODS), "nth": draw.randint(1, 6), "count": draw.randint(1, 3)} | kind)
    if draw.random() < 0.15:
        method, limit, low, high = draw.choice(QUOTAS)
        cut = {"limit": limit, "value": draw.randint(low, high)}
        faults.append({"method": method, "nth": draw.randint(1, 4), "quota": cut})
    return tuple(faults)
