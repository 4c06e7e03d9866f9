"""The second half of `overlap`, for a prepared cluster whose route controller another program has stopped.

It differs from `overlap` in one step: the flag is cleared only after a gate has passed, because the routes may have
been deleted by a program that proved nothing. It ends at once, without a change, where everything is done.
"""

from __future__ import annotations

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import ClearOverlapFlag, Transition
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.overlap import OVERLAP, RETREATS


def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
    """The step of `overlap`; before it clears the flag, every alias must have proved that it serves its node."""
    transition = OVERLAP.next_transition(facts, settings)
    if isinstance(transition, ClearOverlapFlag):
        return gates.ALONE.if_unpassed(facts) or transition
    return transition


FINISH = Strategy("finish", next_transition, OVERLAP.invariants, lossless=True, retreats=RETREATS)
