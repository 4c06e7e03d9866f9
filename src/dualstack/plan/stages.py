"""The states of the cut-over in which the cluster may stay, in order (docs/reference/cut-over.md#states)."""

from __future__ import annotations

from enum import IntEnum, auto

from dualstack.plan.facts import CutoverFacts


class Stage(IntEnum):
    """The cut-over ascends, the way back descends; every stage can be left in both directions."""

    ROUTES = auto()
    FLAG = auto()
    RANGE = auto()
    ALIASES = auto()
    CUT = auto()
    DONE = auto()

    @property
    def words(self) -> str:
        """The stage as a clause for messages."""
        return _WORDS[self]


_WORDS = {
    Stage.ROUTES: "routes only",
    Stage.FLAG: "routes, with the overlap flag set",
    Stage.RANGE: "routes, with the pod range added",
    Stage.ALIASES: "routes and aliases",
    Stage.CUT: "aliases, with some routes deleted",
    Stage.DONE: "aliases only",
}


def stage_of(facts: CutoverFacts) -> Stage:
    """The highest stage that `facts` show any part of."""
    if not facts.range_present:
        return Stage.FLAG if facts.subnet.overlap_flag else Stage.ROUTES
    if not facts.all_holders:
        return Stage.RANGE
    if not facts.unrouted:
        return Stage.ALIASES
    return Stage.CUT if facts.routes or facts.subnet.overlap_flag else Stage.DONE
