"""The result of a rehearsal for a person: what changed, how long it took, who lost sight of whom, what was checked."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from dualstack.cli.rehearsal.display import describe, duration
from dualstack.cli.rehearsal.result import Check, Phase, Result, WayBack

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
        yield f"What this rests on (profile {result.profile} of the cloud; inferred facts)"
        for assumption in result.assumptions:
            yield f"  - {assumption}"


def _forward(result: Result) -> Iterator[str]:
    shoot = result.shoot
    yield ""
    yield f"{shoot.technical_id} ({shoot.cni}), strategy {result.strategy}: {result.result}"
    if result.reason:
        yield f"  {result.reason}"
    yield ""
    yield "What changed"
    nodes = result.nodes
    yield f"  nodes      {nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced"
    mutations = ", ".join(
        f"{count} {method}" for method, count in sorted(result.compute["byMethod"].items()) if _mutates(method)
    )
    compute = result.compute
    yield f"  compute    {compute['calls']} calls, {compute['mutations']} of them changes: {mutations or 'none'}"
    yield from _course(result)
    there = result.time.simulated_seconds
    if not isinstance(result.back, UnsetType):
        there -= result.back.simulated_seconds
    yield f"How long it took: {duration(there)} ({result.time.wall_seconds:.0f} s here in all)"
    yield from _phases(result.phases)
    yield ""
    yield from _traffic(result)
    for kill in result.kills:
        if kill["at"] is None:
            yield f"  the operator was not killed at {kill['step']}: there was no such step in this migration"
        else:
            yield f"  the operator was killed at {kill['step']} ({duration(kill['at'])}) and started again"
    yield from _checks(result.checks)


def _back(back: WayBack) -> Iterator[str]:
    yield ""
    yield f"And back to IPv4: {duration(back.simulated_seconds)}"
    nodes = back.nodes
    yield f"  nodes      {nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced"
    yield from _course(back)
    yield from _phases(back.phases)
    yield from _checks(back.checks)


def _course(leg: Result | WayBack) -> Iterator[str]:
    """What changed, what was told, the constraints, and the phases."""
    for entry in leg.changes:
        yield f"  {entry.what}: {entry.before} -> {entry.after}"
    for notice in leg.notices:
        yield f"  note: {notice.detail}"
    yield ""
    yield "Constraints"
    for change in leg.constraints:
        yield f"  {duration(change.at):>12}  {describe(change)}"
    yield ""


def _phases(phases: tuple[Phase, ...]) -> Iterator[str]:
    for phase in phases:
        length = duration(phase.finished_at - phase.started_at) if phase.finished_at is not None else "not finished"
        yield f"  {phase.name:<14}{length}"


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    yield ""
    yield "What was checked"
    for check in checks:
        yield f"  {_MARKS[check.status]} {check.id}: {check.evidence}"


def _traffic(result: Result) -> Iterator[str]:
    blackout = result.traffic["blackoutSeconds"]
    broken = result.traffic["brokenPairs"]
    if not broken:
        count = result.traffic.get("laterPairs", 0)
        later = f", nor of {count} formed later," if count else ""
        yield f"Traffic: none of {result.traffic['pairs']} pairs{later} lost sight of each other (blackout 0.0 s)"
        return
    yield (
        f"Traffic: {len(broken)} pairs lost sight of each other; "
        f"at most {blackout['max']:.1f} s, p99 {blackout['p99']:.1f} s"
    )
    for pair in broken[:_MOST_PAIRS]:
        yield f"  {pair['from']} -> {pair['to']}: {pair['seconds']:.1f} s"
    if len(broken) > _MOST_PAIRS:
        yield f"  ... and {len(broken) - _MOST_PAIRS} more"


def _mutates(method: str) -> bool:
    return method.rsplit(".", 1)[-1] not in {"get", "list", "aggregatedList", "wait"}
