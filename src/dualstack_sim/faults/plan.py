"""What goes wrong with which request, decided by rules that can be changed while the world runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from dualstack.clock import Clock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.fault_injection import Fault, Meanwhile, Squeeze, VmEnd

_READS = ("get", "list", "aggregatedList")


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Which requests go wrong (`method`, `target`: globs), when (`nth` on, or `probability`), how often, and how."""

    method: str
    fault: Fault
    target: str = "*"
    nth: int = 1
    probability: float | None = None
    count: int = 1

    def matches(self, method: str, target: str) -> bool:
        """Whether this is such a request, and one on which everything that the rule says can happen."""
        fitting = fnmatchcase(method, self.method) and fnmatchcase(target, self.target)
        return fitting and _can_happen(self.fault, method)


def _can_happen(fault: Fault, method: str) -> bool:
    """Only a read of resources can be stale; only what starts an operation can be pending, fail in it or come late."""
    collection, _, verb = method.partition(".")
    reads, of_operations = verb.startswith(_READS), collection.endswith("Operations")
    if fault.stale and (not reads or of_operations):
        return False
    needs_operation = fault.pending or fault.operation_error or fault.meanwhile is not None
    return not needs_operation or not (reads or of_operations)


def kinds_of(fault: Fault) -> list[str]:
    """The fields of the rule that say what goes wrong, as the document calls them."""
    present = {
        "latency": fault.latency,
        "pending": fault.pending,
        "operationError": fault.operation_error,
        "errorBefore": fault.error_before,
        "errorAfter": fault.error_after,
        "cut": fault.cut,
        "stale": fault.stale,
        "meanwhile": fault.meanwhile,
        "quota": fault.quota,
        "vm": fault.vm,
    }
    return [kind for kind, value in present.items() if value]


def describe(fault: Fault) -> str:
    """What goes wrong, in words."""
    return ", ".join([*_parts(fault), *_beside(fault)])


def _parts(fault: Fault) -> Iterator[str]:
    if fault.latency:
        yield f"{fault.latency:g} s later"
    if fault.pending:
        yield f"PENDING for {fault.pending:g} s"
    if fault.operation_error:
        yield f"operation error {fault.operation_error[0]}"
    if fault.error_before:
        yield f"HTTP {fault.error_before.status} without effect"
    if fault.error_after:
        yield f"HTTP {fault.error_after.status} after the effect"
    if fault.cut:
        yield f"connection cut {fault.cut} the effect"
    if fault.stale:
        yield f"answered as of {fault.stale:g} s ago"


def _beside(fault: Fault) -> Iterator[str]:
    if fault.meanwhile is not None:
        yield _somebody(fault.meanwhile)
    if fault.quota is not None:
        yield _squeezed(fault.quota)
    if fault.vm is not None:
        yield _ended(fault.vm)


def _somebody(meanwhile: Meanwhile) -> str:
    return f"somebody else's {meanwhile.method or 'request of the same kind'} just before"


def _squeezed(quota: Squeeze) -> str:
    lasting = "from then on" if quota.seconds is None else f"for {quota.seconds:g} s"
    return f"quota {quota.limit} at {quota.value} {lasting}"


def _ended(vm: VmEnd) -> str:
    return f"VM {vm.name or 'of the request'} {vm.becomes}"


@dataclass(frozen=True, slots=True)
class FiredFault:
    """A fault that was handed out: the rule's place in its document (from 1) and the request that it hit.

    `in_vain`: why some of it could not be brought about.
    """

    at: float
    rule: int
    method: str
    target: str
    fault: Fault
    in_vain: str = ""

    def as_json(self) -> dict[str, Any]:
        told = {
            "at": self.at,
            "rule": self.rule,
            "method": self.method,
            "target": self.target,
            "kinds": kinds_of(self.fault),
            "effect": describe(self.fault),
        }
        return {**told, "inVain": self.in_vain} if self.in_vain else told


class FaultPlan:
    """Decides by rules what goes wrong; implements `dualstack_sim.compute.api.fault_injection.Faults`."""

    def __init__(self, rules: Sequence[FaultRule], chance: Chance, clock: Clock) -> None:
        self.fired: list[FiredFault] = []
        self._chance = chance
        self._clock = clock
        self.declare(rules)

    def declare(self, rules: Sequence[FaultRule]) -> None:
        """Go by these rules from now on, and count from zero; what has fired stays on record."""
        self._rules = list(rules)
        self._matched = [0] * len(rules)
        self._left = [rule.count for rule in rules]
        self._asked: dict[tuple[str, str], int] = {}

    def consult(self, method: str, target: str) -> Fault | None:
        """What goes wrong with this request; each call is one request."""
        if not self._rules:
            return None
        ordinal = self._asked[method, target] = self._asked.get((method, target), 0) + 1
        chosen: int | None = None
        for number, rule in enumerate(self._rules):
            if rule.matches(method, target):
                self._matched[number] += 1
                if chosen is None and self._fires(number, rule, (method, target, ordinal)):
                    chosen = number
        if chosen is None:
            return None
        self._left[chosen] -= 1
        fault = self._rules[chosen].fault
        self.fired.append(FiredFault(self._clock.now(), chosen + 1, method, target, fault))
        return fault

    def in_vain(self, why: str) -> None:
        """Keep on record why the fault that fired last could not be brought about."""
        self.fired[-1] = replace(self.fired[-1], in_vain=why)

    def reseed(self, seed: int) -> None:
        """Let what is decided by chance come from another seed from now on."""
        self._chance = Chance(seed)

    def idle(self) -> list[int]:
        """Places (from 1) of the rules that never matched a request; most likely their method or target is misspelt."""
        return [number for number, matched in enumerate(self._matched, start=1) if not matched]

    def as_json(self) -> dict[str, Any]:
        """What fired, and which of the rules in force matched no request."""
        return {"fired": [fault.as_json() for fault in self.fired], "neverMatched": self.idle()}

    def _fires(self, number: int, rule: FaultRule, request: tuple[str, str, int]) -> bool:
        if not self._left[number]:
            return False
        if rule.probability is None:
            return self._matched[number] >= rule.nth
        return self._chance.uniform(0.0, 1.0, "fault", number, *request) < rule.probability
