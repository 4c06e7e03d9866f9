"""One rule: which requests go wrong, when, how often, and how; and the words for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

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
