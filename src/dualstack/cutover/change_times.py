"""Remembers between two observations since when each aspect is unchanged, which gates passed, what was refused.

The time of a change is that of the first observation that shows it, which is never too early. After a restart all times
count from the restart, so barriers only wait longer.
"""

from __future__ import annotations

import math

from dualstack.clock import Clock
from dualstack.plan.facts import ASPECTS, AliasFacts, Aspect, ControllerFacts, CutoverFacts, RouteFacts
from dualstack.plan.steps.base import Proof
from dualstack.plan.strategies.serve import may_pass_later


class ChangeTimes:
    """Of one run of the cut-over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: CutoverFacts | None = None
        self._since: dict[Aspect, float] = {}
        self._passed: dict[str, tuple[Aspect, ...]] = {}
        self._refused: set[str] = set()
        self._joined = -math.inf

    def update(self, observed: CutoverFacts) -> CutoverFacts:
        """`observed` with its run state filled in."""
        now = self._clock.now()
        if self._last is not None and _members(self._last) != _members(observed):
            self._joined = now
        changed = ASPECTS if self._last is None else changes(self._last, observed)
        self._since.update(dict.fromkeys(changed, now))
        self._passed = {gate: seen for gate, seen in self._passed.items() if not set(seen) & set(changed)}
        self._last = observed
        quiet = {aspect: now - since for aspect, since in self._since.items()}
        return observed.with_runtime_state(
            quiet=quiet,
            passed=dict(self._passed),
            refused=frozenset(self._refused),
            since_joined=now - self._joined,
        )

    def note_passed(self, proof: Proof) -> None:
        """Record that `proof` passed, which holds until one of its aspects changes."""
        self._passed[proof.id] = proof.aspects

    def note_refused(self, *refusals: str) -> None:
        """Record refused steps (`dualstack.plan.strategies.serve.refusal`) until `forget_refused`."""
        self._refused.update(refusals)

    def forget_refused(self) -> None:
        """Every way was refused; each that may be accepted later is tried again."""
        self._refused = {refused for refused in self._refused if not may_pass_later(refused)}


def changes(before: CutoverFacts, after: CutoverFacts) -> tuple[Aspect, ...]:
    """The aspects that differ between two observations."""
    changed = {
        "flag": before.subnet.overlap_flag != after.subnet.overlap_flag,
        "range": _our_ranges(before) != _our_ranges(after),
        "range-canary": before.range_canary != after.range_canary,
        "aliases": _aliases_changed(before, after),
        "routes": _routes(before) != _routes(after),
        "controller": _controller(before) != _controller(after),
        "decoys": before.decoys != after.decoys,
    }
    return tuple(aspect for aspect in ASPECTS if changed[aspect])


def _members(facts: CutoverFacts) -> tuple[frozenset[str], tuple[str, ...]]:
    """The VMs with a pod CIDR, and those that are not reachable."""
    return frozenset(facts.pod_cidr_of), facts.unreachable


def _our_ranges(facts: CutoverFacts) -> tuple[tuple[str, str], ...]:
    return tuple(entry for entry in facts.subnet.secondary_ranges if entry[0] == facts.range_name)


def _aliases_changed(before: CutoverFacts, after: CutoverFacts) -> bool:
    """Whether an existing VM holds other aliases than before. No host has to learn that a VM is gone."""
    held: dict[str, tuple[AliasFacts, ...]] = {node.name: node.aliases for node in before.node_of.values()}
    return any(held.get(node.name, ()) != node.aliases for node in after.node_of.values())


def _routes(facts: CutoverFacts) -> frozenset[RouteFacts]:
    return frozenset(facts.routes)


def _controller(facts: CutoverFacts) -> ControllerFacts:
    return facts.controller
