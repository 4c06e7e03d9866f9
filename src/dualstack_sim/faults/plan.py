"""Fault rules, and the plan that selects the fault of each request. Rules can change while the simulation runs."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from dualstack.clock import Clock
from dualstack.model.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.fault_injection import Fault
from dualstack_sim.compute.api.permissions import permissions_of

_READS = ("get", "list", "aggregatedList")


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault for requests that match the globs `method` and `target`, from the `nth` on or by `probability`."""

    method: str
    fault: Fault
    target: str = "*"
    nth: int = 1
    probability: float | None = None
    count: int = 1
    from_start: bool = False
    """Whether the rule holds from the start: its effects on resources are part of the initial state."""

    @property
    def changes_start(self) -> bool:
        """Whether the rule changes the initial state instead of requests."""
        fault = self.fault
        effects = (fault.quota, fault.vm, fault.meanwhile)
        return self.from_start and any(effect is not None for effect in effects)

    def matches(self, method: str, target: str, *, removes_aliases: bool = False) -> bool:
        """Whether the request matches the globs and the fault is possible for it.

        Denials, and rules that change the initial state, match no request here.
        """
        if self.fault.denied or self.changes_start or (self.fault.stuck and not removes_aliases):
            return False
        matched = fnmatchcase(method, self.method) and fnmatchcase(target, self.target)
        return matched and _is_possible(self.fault, method)


def refuse_impossible(rules: Iterable[FaultRule], methods: Collection[str]) -> None:
    """InvalidInput if a rule matches none of the `methods` that exist, or none for which its effects are possible."""
    problems = []
    for number, rule in enumerate(rules):
        if rule.fault.denied:
            if not any(fnmatch.filter(permissions_of(method), rule.fault.denied) for method in methods):
                problems.append(f"faults[{number}].deny: {rule.fault.denied!r} is no permission of a method")
            continue
        matched = sorted(fnmatch.filter(methods, rule.method))
        if not matched:
            near = difflib.get_close_matches(rule.method, methods, 3) or ["docs/faults.md"]
            problems.append(
                f"faults[{number}].method: {rule.method!r} is no method of the simulated Compute Engine; "
                f"similar: {', '.join(near)}"
            )
        elif not any(_is_possible(rule.fault, method) for method in matched):
            problems.append(
                f"faults[{number}]: {', '.join(kinds_of(rule.fault))} is not possible for {', '.join(matched)}; "
                "stale needs a get or list, and pending, operationError and meanwhile need a mutation"
            )
    if problems:
        raise InvalidInput(*problems)


def _is_possible(fault: Fault, method: str) -> bool:
    """Only reads of resources can be stale; only mutations have operations and concurrent changes."""
    collection, _, verb = method.partition(".")
    reads, of_operations = verb.startswith(_READS), collection.endswith("Operations")
    if fault.stale and (not reads or of_operations):
        return False
    if fault.stuck and method != "instances.updateNetworkInterface":
        return False
    needs_operation = fault.pending or fault.operation_error or fault.meanwhile is not None
    return not needs_operation or not (reads or of_operations)


def kinds_of(fault: Fault) -> list[str]:
    """The names of the fault's fields in a fault document."""
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
        "stuck": fault.stuck,
        "deny": fault.denied,
    }
    return [kind for kind, value in present.items() if value]


def describe(fault: Fault) -> str:
    """The effect of the fault, as text."""
    return ", ".join([*_effects_on_request(fault), *_effects_on_resources(fault)])


def _effects_on_request(fault: Fault) -> Iterator[str]:
    if fault.stuck:
        ends = "never ends" if fault.stuck == "never" else "ends in an error"
        yield f"removal of aliases {ends}"
    if fault.denied:
        yield f"permission {fault.denied} denied"
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


def _effects_on_resources(fault: Fault) -> Iterator[str]:
    if (change := fault.meanwhile) is not None:
        yield f"{change.method or 'request of the same kind'} by another client just before"
    if (quota := fault.quota) is not None:
        duration = "from then on" if quota.seconds is None else f"for {quota.seconds:g} s"
        yield f"quota {quota.limit} at {quota.value} {duration}"
    if (vm := fault.vm) is not None:
        yield f"VM {vm.name or 'of the request'} {vm.becomes}"


@dataclass(frozen=True, slots=True)
class FiredFault:
    """An injected fault: the number of its rule in the document (from 1) and the affected request.

    `not_applied`: why a part of the fault could not be applied.
    """

    at: float
    rule: int
    method: str
    target: str
    fault: Fault
    not_applied: str = ""

    def as_json(self) -> dict[str, Any]:
        result = {
            "at": self.at,
            "rule": self.rule,
            "method": self.method,
            "target": self.target,
            "kinds": kinds_of(self.fault),
            "effect": describe(self.fault),
        }
        return {**result, "inVain": self.not_applied} if self.not_applied else result


class FaultPlan:
    """Selects faults by rules; implements `dualstack_sim.compute.api.fault_injection.Faults`."""

    def __init__(self, rules: Sequence[FaultRule], chance: Chance, clock: Clock) -> None:
        self.fired: list[FiredFault] = []
        self._chance = chance
        self._clock = clock
        self.declare(rules)

    def declare(self, rules: Sequence[FaultRule]) -> None:
        """Replace the rules and restart their counters; the record of fired faults stays."""
        self._rules = list(rules)
        self._matched = [0] * len(rules)
        self._fired = [0] * len(rules)
        self._fired_at: Counter[tuple[int, str, str]] = Counter()
        self._requests: Counter[tuple[str, str]] = Counter()

    def begin_with(self, apply: Callable[[str, str, int, Fault], None]) -> None:
        """Apply the rules that change the initial state, once, by `apply(method, target, count, fault)`.

        What cannot be applied is recorded with the reason, as for a request.
        """
        for number, rule in enumerate(self._rules):
            if rule.changes_start:
                self._matched[number] += 1
                self._fired[number] = rule.count
                self.fired.append(FiredFault(self._clock.now(), number + 1, rule.method, rule.target, rule.fault))
                try:
                    apply(rule.method, rule.target, rule.count, rule.fault)
                except ApiError as refused:
                    self.not_applied(refused.message)

    def fault_for(self, method: str, target: str, *, removes_aliases: bool = False) -> Fault | None:
        """The fault of this request, if any; each call counts as one request."""
        if not self._rules or self._denied(method, target):
            return None
        place = method, _lasting(target)
        self._requests[place] += 1
        chosen: int | None = None
        for number, rule in enumerate(self._rules):
            if rule.matches(method, target, removes_aliases=removes_aliases):
                self._matched[number] += 1
                if chosen is None and self._fires(number, rule, place):
                    chosen = number
        if chosen is None:
            return None
        self._fired[chosen] += 1
        self._fired_at[chosen, *place] += 1
        fault = self._rules[chosen].fault
        self.fired.append(FiredFault(self._clock.now(), chosen + 1, method, target, fault))
        return fault

    def denies(self, permission: str) -> bool:
        """Whether a rule denies the permission; that counts as injected."""
        for number, rule in enumerate(self._rules):
            if rule.fault.denied and fnmatchcase(permission, rule.fault.denied):
                self._matched[number] += 1
                self._fired[number] += 1
                return True
        return False

    def _denied(self, method: str, target: str) -> bool:
        """Whether a rule denies a permission of the method; that is recorded as a fired fault."""
        for number, rule in enumerate(self._rules):
            needed = (permission for permission in permissions_of(method) if fnmatchcase(permission, rule.fault.denied))
            if rule.fault.denied and next(needed, None):
                self._matched[number] += 1
                self._fired[number] += 1
                self.fired.append(FiredFault(self._clock.now(), number + 1, method, target, rule.fault))
                return True
        return False

    def not_applied(self, why: str) -> None:
        """Record why the last fired fault could not be applied."""
        self.fired[-1] = replace(self.fired[-1], not_applied=why)

    def reseed(self, seed: int) -> None:
        """Use another seed for `probability` from now on."""
        self._chance = Chance(seed)

    def never_matched(self) -> list[int]:
        """The numbers (from 1) of the rules that never matched a request, probably because of a misspelt field."""
        return [number for number, matched in enumerate(self._matched, start=1) if not matched]

    def as_json(self) -> dict[str, Any]:
        """The fired faults, the current rules with their counts, and the numbers of those that matched no request."""
        return {
            "fired": [fault.as_json() for fault in self.fired],
            "rules": [
                {
                    "rule": number + 1,
                    "method": rule.method,
                    "target": rule.target,
                    "kinds": kinds_of(rule.fault),
                    "matched": self._matched[number],
                    "fired": self._fired[number],
                }
                for number, rule in enumerate(self._rules)
            ],
            "neverMatched": self.never_matched(),
        }

    def _fires(self, number: int, rule: FaultRule, place: tuple[str, str]) -> bool:
        """By probability, each resource has its own count, so that the order of parallel requests does not matter."""
        if rule.probability is None:
            return self._fired[number] < rule.count and self._matched[number] >= rule.nth
        if self._fired_at[number, *place] >= rule.count:
            return False
        ordinal = self._requests[place]
        return self._chance.uniform(0.0, 1.0, "fault", number, *place, ordinal) < rule.probability


def _lasting(target: str) -> str:
    """The target without what differs between two runs of one seed: the time in the name of an operation."""
    return re.sub(r"^operation-\d+-", "operation-", target)
