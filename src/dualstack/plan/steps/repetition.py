"""The trial of a repeated alias: does the cloud accept a list of alias ranges that names one of them twice?

Gardener's controller appends the alias of each saved route without looking for an equal one, so for a prepared node it
sends such a list (docs/reference/cut-over.md#t16).
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.plan.facts import Aspect
from dualstack.plan.steps.base import Proof

REPETITIONS_REFUSED = (
    "this cloud refuses a list of alias IP ranges that names one of them twice, which Gardener's controller sends for "
    "each prepared node (docs/reference/cut-over.md#t16)"
)
"""What a failing trial shows that the cloud does not do, as a clause for messages."""


@dataclass(frozen=True)
class RepeatAlias(Proof):
    """Send the aliases of the VM in `targets` with its pod CIDR twice. A cloud that accepts this changes nothing."""

    aspects: tuple[Aspect, ...] = ("controller",)
    id = "repeat-alias"
    method = "instances.updateNetworkInterface"
