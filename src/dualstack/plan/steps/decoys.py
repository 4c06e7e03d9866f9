"""The steps of the decoy check (`dualstack.plan.strategies.decoys`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.blocks import SMALLEST_RANGE, parts, unused_block
from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.steps.base import Transition
from dualstack.plan.steps.subnet import SubnetChange

PARTS = 4
"""Number of blocks that the decoys need, a power of two; the last one is not used."""


def unused_home(facts: CutoverFacts) -> str | None:
    """An unused block of one node, or of several where it would be too small for a range; None when there is none."""
    return unused_block(facts, longest=SMALLEST_RANGE)


def decoy_blocks(home: str) -> tuple[str, str, str]:
    """The three blocks: D1 has a static route, D2 an alias, D3 both."""
    static, alias, both, _ = parts(home, PARTS)
    return static, alias, both


@dataclass(frozen=True)
class CreateDecoys(Transition):
    """Create the VM with its blocks in `home`, the routes to D1 and D3, and the probe pods."""

    home: str = ""
    changes = ("decoys",)
    id = "create-decoys"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if self.home:
            return []
        return [f"the decoy check needs an unused block of {facts.pods_cidr}; there is none"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        static, _, both = decoy_blocks(self.home)
        routes = facts.decoys.routes if facts.decoys.range else frozenset((static, both))
        made = replace(facts.decoys, vm=True, home=self.home, routes=routes, prober=True)
        return replace(facts, decoys=made).with_changed(*self.changes)

    def describe(self) -> str:
        return self.home


@dataclass(frozen=True)
class AddDecoyRange(SubnetChange):
    """Add the decoys' blocks as a secondary range of the nodes subnet; it contains no node's block."""

    changes = ("decoys",)
    id = "add-decoy-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        return [] if facts.subnet.overlap_flag else ["the overlap flag is off and routes lead to the decoys' blocks"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, decoys=replace(facts.decoys, range=facts.decoys.home)).with_changed(*self.changes)


@dataclass(frozen=True)
class AliasDecoys(Transition):
    """Add D2 and D3 as alias ranges of the VM."""

    changes = ("decoys",)
    id = "alias-decoys"
    method = "instances.updateNetworkInterface"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        aliases = facts.decoys.aliases | frozenset(decoy_blocks(facts.decoys.home)[1:])
        return replace(facts, decoys=replace(facts.decoys, aliases=aliases)).with_changed(*self.changes)


@dataclass(frozen=True)
class DropDecoyRoute(Transition):
    """Delete the route to D3 while its alias exists."""

    changes = ("decoys",)
    id = "drop-decoy-route"
    method = "routes.delete"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        routes = facts.decoys.routes - {decoy_blocks(facts.decoys.home)[2]}
        return replace(facts, decoys=replace(facts.decoys, routes=routes)).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveDecoys(Transition):
    """Delete probe pods, routes, range and VM. Nothing depends on them."""

    changes = ("decoys",)
    id = "remove-decoys"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, decoys=DecoyFacts()).with_changed(*self.changes)
