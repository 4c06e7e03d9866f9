"""Carries the cut-over out: observe, plan, perform the first step, read its effect back, and again from the start.

The engine keeps no plan. What it does next follows from what it observes, so it may be killed anywhere and started
again; what it remembers (since when an aspect is quiet, which gates passed) only saves waiting.
"""

from __future__ import annotations

from typing import Protocol

from dualstack.clock import Clock
from dualstack.model.events import Listener
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategy import Strategy
from dualstack.plan.transitions import Gate, Transition


class Actuator(Protocol):
    """The two APIs, as the engine needs them. Every method raises only a `DualstackError`."""

    async def observe(self) -> CutoverFacts:
        """What is there now, freshly read; `quiet` and `passed` stay empty. CIDRs and names in canonical form."""
        ...

    async def perform(self, transition: Transition) -> None:
        """Carry out every transition but barriers and gates; return when all its operations are done.

        With several targets each is tried, and the error of the first that failed is raised in the end. Targets that
        have vanished, or are already as wanted, are no error. Whether it took effect is judged by `observe`.
        """
        ...

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """What speaks against going on past `gate`, one sentence each; empty when it passes."""
        ...


async def run_cutover(
    actuator: Actuator, strategy: Strategy, settings: Settings, clock: Clock, emit: Listener, shoot: str
) -> None:
    """Bring the cluster of `actuator` to the end of the cut-over; return at once when nothing remains."""
