"""The steps of the decoy check (`dualstack.plan.decoys`): what each does to the facts, and what would take it back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.transition import Transition

BLOCKS = 3


@dataclass(frozen=True)
class CreateDecoys(Transition):
    """The VM with `blocks`, the routes to its first and last one while no range is there, and the probing pods."""

    blocks: tuple[str, ...] = ()
    changes = ("decoys",)
    id = "create-decoys"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if len(self.blocks) == BLOCKS:
            return []
        return [f"the decoy check needs {BLOCKS} unused blocks of {facts.pods_cidr}; there are {len(self.blocks)}"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        routes = facts.decoys.routes if facts.range_present else frozenset((self.blocks[0], self.blocks[-1]))
        made = replace(facts.decoys, vm=True, blocks=self.blocks, routes=routes, prober=True)
        return replace(facts, decoys=made).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return RemoveDecoys()

    def describe(self) -> str:
        return ", ".join(self.blocks)


@dataclass(frozen=True)
class AliasDecoys(Transition):
    """The VM takes its second and third block as aliases."""

    changes = ("decoys",)
    id = "alias-decoys"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        aliases = facts.decoys.aliases | frozenset(facts.decoys.blocks[1:])
        return replace(facts, decoys=replace(facts.decoys, aliases=aliases)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return RemoveDecoys()


@dataclass(frozen=True)
class DropDecoyRoute(Transition):
    """The route to the third block goes, while its alias is there."""

    changes = ("decoys",)
    id = "drop-decoy-route"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        routes = facts.decoys.routes - frozenset(facts.decoys.blocks[-1:])
        return replace(facts, decoys=replace(facts.decoys, routes=routes)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return "nothing depends on it"


@dataclass(frozen=True)
class RemoveDecoys(Transition):
    """Probing pods, routes and VM go; nothing depends on them."""

    changes = ("decoys",)
    id = "remove-decoys"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, decoys=DecoyFacts()).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return "made anew where they are needed"
