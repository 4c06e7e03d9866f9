"""The first half of `overlap` while the route controller works: flag, range and aliases are added, every route stays.

A prepared cluster is in state S3 (docs/reference/cut-over.md#s3), in which it may stay: each packet follows the alias
or the route to the same VM. The controller that then deletes the routes loses nothing
(docs/reference/gardener.md#prepared-clusters). `back` leads from here to routes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import (
    ALIAS_IS_POD_CIDR,
    DECOYS_APART,
    FLAG_WHILE_ROUTES,
    POD_CIDR_REACHABLE,
    PROOF_BEFORE_RANGE,
)
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Barrier, Transition
from dualstack.plan.steps.repetition import RepeatAlias
from dualstack.plan.strategies import decoys
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.overlap import RETREATS, TO_RANGE, aliases, clean


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The next step from `facts`; None when every node has its alias and every host knows it."""
    for rule in _RULES:
        if (transition := rule(facts, settings)) is not None:
            return transition
    return None


def _await_routes(facts: CutoverFacts, _: Settings) -> Transition | None:
    """A node that has just joined gets its route from the route controller, as long as there is no range."""
    return gates.FLAG if facts.unreachable and not facts.range_present else None


def _known(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Another program may delete the routes at any time after the end."""
    if not facts.pod_cidr_of:
        return None
    soaked = Barrier(what="aliases", aspects=("aliases",), seconds=settings.soak_aliases)
    return soaked.if_closed(facts) or gates.ALIASES.if_unpassed(facts)


def _repeat(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """Of the first VM that has its alias, before the others get theirs."""
    holders = [name for name in facts.pod_cidr_of if facts.alias_in_place(name)]
    return RepeatAlias((min(holders),)).if_unpassed(facts) if settings.repeat_alias and holders else None


def prepared(facts: CutoverFacts) -> bool:
    """Whether flag, range and all aliases are in place; what other hosts know of them does not show."""
    flag = facts.subnet.overlap_flag or not facts.routes
    return facts.range_present and flag and bool(facts.pod_cidr_of) and not facts.without_alias


def mark(facts: CutoverFacts) -> str:
    """The nodes and their pod CIDRs, as one word: whether the same nodes are there as when it was written."""
    return hashlib.sha256(repr(sorted(facts.pod_cidr_of.items())).encode()).hexdigest()[:16]


_RULES = (clean, decoys.make_way, _await_routes, decoys.remove_unneeded, *TO_RANGE, _repeat, aliases, _known)

PREPARE = Strategy(
    "prepare",
    next_transition,
    (POD_CIDR_REACHABLE, FLAG_WHILE_ROUTES, PROOF_BEFORE_RANGE, DECOYS_APART, ALIAS_IS_POD_CIDR),
    lossless=True,
    retreats=RETREATS,
)

JOINED = replace(PREPARE, retreats={})
"""For nodes that join a prepared cluster: what fails for one of them is no reason to take the aliases of the others."""


def _missing(facts: CutoverFacts, settings: Settings) -> Transition | None:
    return next_transition(facts, settings) if facts.without_alias else None


FOLLOW = replace(JOINED, name="follow", next_transition=_missing)
"""For nodes that join after the cut-over. No route is left to delete, so no host has to know their aliases first."""
