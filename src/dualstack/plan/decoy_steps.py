"""The steps of the decoy check (`dualstack.plan.decoys`): what each does to the facts, and what would take it back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.blocks import parts
from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.transition import Transition

PARTS = 4
"""Blocks of a node's size that the decoys' home has: a power of two, of which the last is left alone."""


def decoy_blocks(home: str) -> tuple[str, str, str]:
    """D1, D2 and D3: a static route alone, an alias alone, both."""
    static, alias, both, _ = parts(home, PARTS)
    return static, alias, both


@dataclass(frozen=True)
class CreateDecoys(Transition):
    """The VM with its blocks in `home`, the routes to D1 and D3, and the probing pods; D3 may have lost its already."""

    home: str = ""
    changes = ("decoys",)
    id = "create-decoys"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if self.home:
            return []
        return [f"the decoy check needs {PARTS} unused blocks of {facts.pods_cidr} beside each other; there are none"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        static, _, both = decoy_blocks(self.home)
        routes = facts.decoys.routes if facts.decoys.range else frozenset((static, both))
        made = replace(facts.decoys, vm=True, home=self.home, routes=routes, prober=True)
        return replace(facts, decoys=made).with_changed(*self.changes)

    def describe(self) -> str:
        return self.home


@dataclass(frozen=True)
class AddDecoyRange(Transition):
    """The decoys' home becomes a range of the nodes subnet, which holds no block of any node."""

    changes = ("decoys",)
    id = "add-decoy-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        return [] if facts.subnet.overlap_flag else ["the overlap flag is off, and routes lie in the decoys' blocks"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, decoys=replace(facts.decoys, range=facts.decoys.home)).with_changed(*self.changes)


@dataclass(frozen=True)
class AliasDecoys(Transition):
    """The VM takes D2 and D3 as aliases."""

    changes = ("decoys",)
    id = "alias-decoys"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        aliases = facts.decoys.aliases | frozenset(decoy_blocks(facts.decoys.home)[1:])
        return replace(facts, decoys=replace(facts.decoys, aliases=aliases)).with_changed(*self.changes)


@dataclass(frozen=True)
class DropDecoyRoute(Transition):
    """The route to D3 goes, while its alias is there."""

    changes = ("decoys",)
    id = "drop-decoy-route"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        routes = facts.decoys.routes - {decoy_blocks(facts.decoys.home)[2]}
        return replace(facts, decoys=replace(facts.decoys, routes=routes)).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveDecoys(Transition):
    """Probing pods, routes, range and VM go; nothing depends on them."""

    changes = ("decoys",)
    id = "remove-decoys"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, decoys=DecoyFacts()).with_changed(*self.changes)
