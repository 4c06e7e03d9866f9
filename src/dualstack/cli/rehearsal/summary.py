"""The result of a rehearsal as text: what changed, how long it took, which connectivity was lost, what was checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType

from dualstack.cli.rehearsal.display import describe, duration
from dualstack.cli.rehearsal.result import Phase, Result, Run
from dualstack.verify.checks import Check

_MARKS = {"passed": "ok    ", "failed": "FAILED", "accepted": "LOSS  "}
_MOST_PAIRS = 10


def summarise(result: Result) -> str:
    """The summary as lines of plain text."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    yield from _forward(result)
    if not isinstance(result.back, UnsetType):
        yield from _back(result.back)
    if result.assumptions:
        yield ""
        yield f"Assumptions (profile {result.profile} of the simulated cloud): facts that no document states"
        for assumption in result.assumptions:
            yield f"  - {assumption}"
    yield ""
    yield f"{result.shoot.technical_id}: {result.result}" + (f": {result.reason}" if result.reason else "")


def _forward(result: Result) -> Iterator[str]:
    shoot = result.shoot
    yield ""
    yield f"{shoot.technical_id} ({shoot.cni}), strategy {result.strategy}: {result.result}"
    yield ""
    yield "What changed"
    nodes = result.nodes
    yield f"  nodes      {nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced"
    mutations = ", ".join(
        f"{count} {method}" for method, count in sorted(result.compute["byMethod"].items()) if _mutates(method)
    )
    compute = result.compute
    yield f"  compute    {compute['calls']} calls, {compute['mutations']} of them mutating: {mutations or 'none'}"
    yield from _course(result)
    there = result.time.simulated_seconds
    if not isinstance(result.back, UnsetType):
        there -= result.back.simulated_seconds
    yield f"Duration: {duration(there)} of simulated time ({result.time.wall_seconds:.0f} s of wall time)"
    yield from _phases(result.phases)
    yield ""
    yield from _traffic(result)
    for kill in result.kills:
        if kill["at"] is None:
            yield f"  the operator was not killed at {kill['step']}: this migration had no such step"
        else:
            yield f"  the operator was killed at {kill['step']} ({duration(kill['at'])}) and restarted"
    yield from _faults(result.faults["fired"], result.faults["neverMatched"])
    yield from _checks(result.checks)


def _faults(fired: list[dict[str, Any]], unmatched: list[int]) -> Iterator[str]:
    if fired:
        counts = Counter(fault["method"] for fault in fired)
        methods = ", ".join(f"{count} on {method}" for method, count in sorted(counts.items()))
        yield f"Faults: {len(fired)} injected ({methods})"
    if unmatched:
        numbers = ", ".join(map(str, unmatched))
        yield f"Faults: no request matched these rules of the file: {numbers}; check their methods"


def _back(back: Run) -> Iterator[str]:
    yield ""
    yield f"Back to IPv4: {duration(back.simulated_seconds)} of simulated time"
    nodes = back.nodes
    yield f"  nodes      {nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced"
    yield from _course(back)
    yield from _phases(back.phases)
    yield from _checks(back.checks)


def _course(run: Result | Run) -> Iterator[str]:
    """Changes, notices and constraints."""
    for entry in run.changes:
        yield f"  {entry.what}: {entry.before} -> {entry.after}"
    for notice in run.notices:
        yield f"  note: {notice.detail}"
    yield ""
    yield "Constraints"
    for change in run.constraints:
        yield f"  {duration(change.at):>12}  {describe(change)}"
    yield ""


def _phases(phases: tuple[Phase, ...]) -> Iterator[str]:
    for phase in phases:
        length = duration(phase.finished_at - phase.started_at) if phase.finished_at is not None else "not finished"
        yield f"  {phase.name:<14}{length}"


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    yield ""
    yield "Checks"
    for check in checks:
        yield f"  {_MARKS[check.status]} {check.id}: {check.evidence}"


def _traffic(result: Result) -> Iterator[str]:
    blackout = result.traffic["blackoutSeconds"]
    broken = result.traffic["brokenPairs"]
    if not broken:
        count = result.traffic.get("laterPairs", 0)
        later = f" nor any of the {count} that formed later" if count else ""
        yield f"Traffic: none of {result.traffic['pairs']} pod pairs{later} lost connectivity (blackout 0.0 s)"
        return
    yield (
        f"Traffic: {len(broken)} pod pairs lost connectivity, "
        f"for at most {blackout['max']:.1f} s over IPv4 (p99 {blackout['p99']:.1f} s)"
    )
    for pair in broken[:_MOST_PAIRS]:
        yield f"  {pair['from']} -> {pair['to']}: {pair['seconds']:.1f} s"
    if len(broken) > _MOST_PAIRS:
        yield f"  ... and {len(broken) - _MOST_PAIRS} more"


def _mutates(method: str) -> bool:
    return method.rsplit(".", 1)[-1] not in {"get", "list", "aggregatedList", "wait"}
