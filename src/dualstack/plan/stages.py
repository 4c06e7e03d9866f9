"""The states of the cut-over in which everything may rest, in their order (cutover.md 2)."""

from __future__ import annotations

from enum import IntEnum

from dualstack.plan.facts import CutoverFacts


class Stage(IntEnum):
    """S0 to S5. The cut-over climbs, the way back descends; every stage can be left in both directions."""

    ROUTES = 0
    FLAG = 1
    RANGE = 2
    ALIASES = 3
    CUT = 4
    DONE = 5

    @property
    def words(self) -> str:
        """The stage in words, as it stands in messages."""
        return _WORDS[self]


_WORDS = {
    Stage.ROUTES: "routes alone",
    Stage.FLAG: "routes, with the overlap flag set",
    Stage.RANGE: "routes, with the range over them",
    Stage.ALIASES: "routes and aliases",
    Stage.CUT: "aliases, with some routes deleted",
    Stage.DONE: "aliases alone",
}


def stage_of(facts: CutoverFacts) -> Stage:
    """The highest stage of which `facts` show anything."""
    if not facts.range_present:
        return Stage.FLAG if facts.subnet.overlap_flag else Stage.ROUTES
    if not facts.all_holders:
        return Stage.RANGE
    if not facts.unrouted:
        return Stage.ALIASES
    return Stage.CUT if facts.routes or facts.subnet.overlap_flag else Stage.DONE
