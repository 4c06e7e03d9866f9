"""The result of a rehearsal as text, at most 80 columns wide: the details first, then the verdict and what to do next.

The verdict is short, so that it is on the last screen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from msgspec import UnsetType

from dualstack.cli.rehearsal.display import describe
from dualstack.cli.rehearsal.landscape import PROVIDER_GCP, Landscape
from dualstack.cli.rehearsal.result import Phase, Result, Run
from dualstack.cli.words import duration
from dualstack.model.enumeration import listed
from dualstack.verify.judging import Check

WIDTH = 80

_MARKS = {"passed": "ok    ", "failed": "FAILED", "accepted": "LOSS  ", "risk": "RISK  ", "unknown": "?     "}
_MOST_PAIRS = 10
_MOST_SEEN = 20


def summarise(result: Result) -> str:
    """The summary as plain text. No line is wider than `WIDTH`, except for a word that is."""
    return "\n".join(wrapped for line in _lines(result) for wrapped in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    """Lines that break between words; continued lines are indented below the text."""
    indent = " " * (len(line) - len(line.lstrip(" -")) + (0 if line.lstrip().startswith("- ") else 4))
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]


def _lines(result: Result) -> Iterator[str]:
    yield from _details(result)
    if not isinstance(result.back, UnsetType):
        yield from _back(result.back)
    if result.assumptions:
        yield ""
        yield f"Assumptions (profile {result.profile} of the simulated cloud): facts that no document states"
        for assumption in result.assumptions:
            yield f"  - {assumption}"
    yield ""
    yield "-" * WIDTH
    yield from _verdict(result)


def _details(result: Result) -> Iterator[str]:
    shoot = result.shoot
    yield ""
    yield f"{shoot.technical_id} ({shoot.cni}), {_way(result)}. All times are simulated."
    yield ""
    yield "What changed"
    yield f"  nodes: {_nodes(result)}"
    compute = result.compute
    mutations = ", ".join(
        f"{count} {method}" for method, count in sorted(compute["byMethod"].items()) if _mutates(method)
    )
    yield f"  Compute Engine: {compute['calls']} calls, {compute['mutations']} of them changes: {mutations or 'none'}"
    yield from _commands(result)
    yield from _course(result)
    yield from _phases(result.phases, _forward_seconds(result))
    yield from _owner(result)
    yield ""
    yield from _traffic(result)
    yield from _checks(result.checks)


def _owner(result: Result) -> Iterator[str]:
    """What the owner of the Shoot saw, without what only says that gardenlet works."""
    if not result.owner:
        return
    yield ""
    yield "What the owner of the Shoot saw"
    shown = [entry for entry in result.owner if entry.state != "Processing"]
    for entry in shown[:_MOST_SEEN]:
        codes = f" [{', '.join(entry.codes)}]" if entry.codes else ""
        yield f"  {duration(entry.at):>12}  {entry.state}{codes}: {entry.description}"
    if len(shown) > _MOST_SEEN:
        yield f"  ... and {len(shown) - _MOST_SEEN} more"


def _commands(result: Result) -> Iterator[str]:
    """What the commands for live clusters did."""
    for ran in result.commands:
        yield f"  dualstack {ran.command}: {ran.figures()}"


def _back(back: Run) -> Iterator[str]:
    yield ""
    yield "Back to IPv4"
    yield f"  nodes: {_nodes(back)}"
    yield from _course(back)
    yield from _phases(back.phases, back.simulated_seconds)
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


def _phases(phases: tuple[Phase, ...], total: float) -> Iterator[str]:
    """A table that adds up: what lies between the phases has a line of its own."""
    yield "Duration of each phase"
    rest = round(total)
    for phase in phases:
        if phase.finished_at is None:
            yield f"  {phase.name:<16}not finished"
            continue
        length = round(phase.finished_at - phase.started_at)
        rest -= length
        yield f"  {phase.name:<16}{_exactly(length)}"
    yield f"  {'other':<16}{_exactly(rest)}"
    yield f"  {'total':<16}{_exactly(round(total))}"


def _exactly(seconds: int) -> str:
    """As `duration`, to the second, so that a reader can add."""
    hours, rest = divmod(max(0, seconds), 3600)
    return f"{hours:>2} h {rest // 60:02d} min {rest % 60:02d} s"


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    yield ""
    yield "Checks"
    for check in checks:
        yield f"  {_MARKS[check.status]} {check.id}: {check.evidence}"


def _traffic(result: Result) -> Iterator[str]:
    lost = result.traffic["lostPairs"]
    yield f"Traffic: {_connectivity(result)}"
    for pair in result.traffic["brokenPairs"][: min(lost, _MOST_PAIRS)]:
        yield f"  {pair['from']} -> {pair['to']}: {pair['seconds']:.1f} s"
    if lost > _MOST_PAIRS:
        yield f"  ... and {lost - _MOST_PAIRS} more"


def _verdict(result: Result) -> Iterator[str]:
    reason, *more = (result.reason or "").splitlines() or [""]
    yield f"{result.shoot.technical_id}: {result.result}" + (f": {reason}" if reason else "")
    yield from (f"  {line}" for line in more)
    yield f"  migrated by    {_way(result)}"
    yield f"  nodes          {_nodes(result)}"
    yield f"  connectivity   {_connectivity(result)}"
    time = result.time
    yield f"  time           {duration(time.simulated_seconds)} simulated, {time.wall_seconds:.0f} s of wall time"
    if time.note:
        yield f"  clock          {time.note}"
    yield f"  checks         {_count(result.checks)}"
    yield from _disturbances(result)
    if result.assumptions:
        measured = sum("; measured on " in assumption for assumption in result.assumptions)
        how = f" ({measured} measured)" if measured else ""
        yield f"  rests on       {len(result.assumptions)} assumptions about Google Cloud{how}, listed above"
    if result.next_steps:
        yield "What to do next on a live cluster"
        for step in result.next_steps:
            yield f"  - {step}"


def _disturbances(result: Result) -> Iterator[str]:
    for kill in result.kills:
        if kill["at"] is None:
            yield f"  kill           none at {kill['step']}: this migration had no such step"
        else:
            yield f"  kill           operator killed at {kill['step']} ({duration(kill['at'])}) and restarted"
    for rule in result.faults.get("rules", ()):
        what = f"rule {rule['rule']}: {', '.join(rule['kinds'])} on {rule['method']}"
        if not rule["matched"]:
            yield f"  fault          {what}: NOT INJECTED, no request matched"
        else:
            yield f"  fault          {what}: injected {rule['fired']} times, {rule['matched']} requests matched"


def _way(result: Result) -> str:
    return landscape_of(result).describe(result.strategy)


def landscape_of(result: Result) -> Landscape:
    return Landscape(result.landscape, result.prepared, result.infrastructure or PROVIDER_GCP)


def _nodes(run: Result | Run) -> str:
    nodes = run.nodes
    return f"{nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced"


def _connectivity(result: Result) -> str:
    traffic, lost = result.traffic, result.traffic["lostPairs"]
    if not lost:
        count = traffic.get("laterPairs", 0)
        later = f", nor any of the {count} that formed later," if count else ""
        return f"none of {traffic['pairs']} pod pairs{later} lost connectivity (blackout 0.0 s)"
    blackout, current = traffic["blackoutSeconds"], traffic["current"]
    still = f"; {current} pod pairs have none at the end" if current else ""
    return (
        f"{lost} pod pairs lost connectivity, for at most {blackout['max']:.1f} simulated seconds over IPv4 "
        f"(p99 {blackout['p99']:.1f} s){still}"
    )


def _count(checks: Sequence[Check]) -> str:
    failed = [check.id for check in checks if check.status == "failed"]
    names = f"; failed: {listed(failed)}" if failed else ""
    return f"{len(checks) - len(failed)} of {len(checks)} passed or accepted{names}"


def _forward_seconds(result: Result) -> float:
    back = 0.0 if isinstance(result.back, UnsetType) else result.back.simulated_seconds
    return result.time.simulated_seconds - back


def _mutates(method: str) -> bool:
    return method.rsplit(".", 1)[-1] not in {"get", "list", "aggregatedList", "wait", "testIamPermissions"}
