"""A strategy that ends early: at a stage in which the cluster may stay, or with the nodes subnet dual-stack."""

from __future__ import annotations

from dataclasses import replace

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import Barrier, Gate, SetStackType, Transition
from dualstack.plan.strategies.base import Strategy


def until(strategy: Strategy, stage: Stage) -> Strategy:
    """`strategy`, ended once `stage` is reached and its barriers and gates are passed.

    What is on trial then is left to `CutOver.interrupted`.
    """

    def next_transition(facts: CutoverFacts, settings: Settings) -> Transition | None:
        transition = strategy.next_transition(facts, settings)
        begun = stage_of(facts) >= stage and not isinstance(transition, Barrier | Gate)
        complete = stage < Stage.ALIASES or not facts.without_alias
        return None if begun and complete else transition

    return replace(strategy, next_transition=next_transition)


def _dual_stack(facts: CutoverFacts, _: Settings) -> Transition | None:
    return SetStackType() if facts.subnet.stack_type != "IPV4_IPV6" else None


DUAL_STACK = Strategy("dual-stack", _dual_stack, MAKE_BEFORE_BREAK, lossless=True)
"""The nodes subnet, once its VMs are on aliases. VMs and routes stay as they are."""
