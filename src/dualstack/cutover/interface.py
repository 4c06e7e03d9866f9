"""What a run of a cut-over needs from the outside: one cluster to observe and to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dualstack.cutover.measurements import Begin
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts, Limitation
from dualstack.plan.steps import Gate, Transition

FRESH = 5.0
"""Seconds for which an observation counts as current: about as long as one takes in a large cluster."""


class DirectionChanged(DualstackError):
    """The run ends because the opposite direction is requested; the message says by what. Safe at every stage."""


@dataclass(frozen=True, slots=True)
class NodeReports:
    """pod_cidrs: the IPv4 pod CIDR of each Node that has one. with_network_problem: the Nodes whose pods do not reach
    others."""

    pod_cidrs: Mapping[str, str]
    with_network_problem: frozenset[str]


class Actuator(Protocol):
    """The two APIs, as a run needs them. Every method raises only a `DualstackError`."""

    async def observe(self) -> CutoverFacts:
        """The current state; `quiet` and `passed` are empty. CIDRs and names are in canonical form.

        Raises DirectionChanged when the run must end here.
        """
        ...

    async def perform(self, transition: Transition) -> None:
        """Perform any transition except barriers and gates; return when all its operations are done.

        Tries every target, then raises the error of the first that failed. A target that is gone, or already in the
        desired state, is not an error. The caller checks the effect by `observe`. Raises DirectionChanged, with
        nothing done, when the step may be irreversible and the opposite direction is requested.
        """
        ...

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """Reasons not to pass `gate`, one sentence each; empty when it passes. Changes nothing."""
        ...

    def changed(self) -> tuple[float, float] | None:
        """When the first and the last change since the last observation took effect; None without one.

        What was there already, what is gone, and what was refused is no change.
        """
        ...

    async def outage_since(self) -> Begin | None:
        """What `keep_outage` has recorded; it outlives the process."""
        ...

    async def keep_outage(self, begin: Begin | None) -> None:
        """Record when an outage began; None when it is over."""
        ...

    async def keep_disproved(self, limitation: Limitation) -> None:
        """Record what a trial has shown, for all observations that follow; empty when the cluster is on its routes."""
        ...

    async def node_reports(self) -> NodeReports:
        """What the Nodes report now. Reads nothing else."""
        ...
