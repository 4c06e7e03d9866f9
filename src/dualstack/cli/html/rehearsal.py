"""The article of a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from dualstack.cli.html.page import Article, Section, Table, Timeline
from dualstack.cli.html.parts import calls_section, checks_section, history_section, timeline
from dualstack.cli.rehearsal.display import describe
from dualstack.cli.rehearsal.result import Ending, Phase, Result, Run
from dualstack.cli.rehearsal.summary import landscape_of
from dualstack.cli.words import duration

MOST_PAIRS = 25


def rehearsal_article(result: Result) -> Article:
    """Verdict, course, interruptions, calls, checks and what the verdict rests on."""
    broken = result.traffic["lostPairs"]
    longest = max((pair["seconds"] for pair in result.traffic["brokenPairs"]), default=0.0)
    lost = f"longest interruption {longest:.1f} s" if broken else "no pod pair lost connectivity"
    way = landscape_of(result).describe(result.strategy)
    failed = result.result == "failed"
    time, nodes = result.time, result.nodes
    course, *changes = _course("Course", result, time.simulated_seconds)
    return Article(
        f"Rehearsal of {result.shoot.technical_id}",
        "; ".join(filter(None, (result.result, (result.reason or "").removesuffix("."), lost))),
        "bad" if failed else "warning" if broken else "good",
        [
            ("Shoot", f"{result.shoot.namespace}/{result.shoot.name}, CNI {result.shoot.cni}"),
            ("Migrated by", way),
            (
                "Nodes",
                f"{nodes.dual_stack} of {nodes.at_end} dual-stack, {nodes.replaced} of {nodes.at_start} replaced",
            ),
            ("Time", f"{duration(time.simulated_seconds)} simulated, {time.wall_seconds:.0f} s of wall time"),
            ("Simulated cloud", f"profile {result.profile}"),
            *([("Clock", time.note)] if time.note else []),
        ],
        [
            course,
            history_section(result.node_history, max(1.0, time.simulated_seconds)),
            _interruptions(result),
            *changes,
            calls_section(result.compute["byMethod"], result.compute.get("peaks", {})),
            checks_section(result.checks),
            *([] if isinstance(result.back, UnsetType) else _back(result.back)),
            Section("Disturbances", items=list(_disturbances(result))),
            Section("Rests on", paragraphs=_rests(result), items=result.assumptions),
            Section("What to do next on a live cluster", items=result.next_steps),
        ],
    )


def ending_article(ending: Ending) -> Article:
    """A rehearsal without a result."""
    items = [fault for fault in ending.faults if fault != ending.reason]
    return Article("Rehearsal", f"{ending.result}: {ending.reason}", "bad", [], [Section("Faults", items=items)])


def _course(title: str, run: Result | Run, end: float) -> Iterator[Section]:
    yield Section(
        title, [_phases(run.phases, end)] if run.phases else [], items=[entry.detail for entry in run.notices]
    )
    rows = [(entry.what, entry.before, entry.after) for entry in run.changes]
    yield Section("What changed", [Table("Before and after", ("What", "Before", "After"), rows)] if rows else [])
    shown = [(duration(change.at), describe(change)) for change in run.constraints]
    yield Section("Constraints", [Table("Changes of the Shoot", ("When", "Change"), shown)] if shown else [])


def _back(back: Run) -> Iterator[Section]:
    yield from _course("Back to IPv4", back, back.simulated_seconds)
    yield checks_section(back.checks)


def _phases(phases: tuple[Phase, ...], end: float) -> Timeline:
    """A phase that is not finished lasts until the run ends, at `end` seconds."""
    spans = []
    for phase in phases:
        name, until = phase.name, phase.finished_at
        if until is None:
            name, until = f"{name} (not finished)", end
        spans.append((name, phase.started_at, max(0.0, until - phase.started_at)))
    return timeline("Phases, in simulated time", spans)


def _interruptions(result: Result) -> Section:
    lost = result.traffic["lostPairs"]
    if not lost:
        pairs = result.traffic["pairs"]
        return Section("Interruptions", paragraphs=[f"None of {pairs} pod pairs lost connectivity."])
    rows = [
        (pair["from"], pair["to"], pair["family"], f"{pair['seconds']:.1f} s", duration(max(0.0, pair["since"])))
        for pair in result.traffic["brokenPairs"][: min(lost, MOST_PAIRS)]
    ]
    more = [f"{lost - MOST_PAIRS} more pairs lost connectivity."] if lost > MOST_PAIRS else []
    table = Table(f"{lost} pod pairs, the longest first", ("From", "To", "Family", "Interrupted", "At"), rows)
    return Section("Interruptions", [table], more)


def _disturbances(result: Result) -> Iterator[str]:
    for kill in result.kills:
        when = "had no such step" if kill["at"] is None else f"at {duration(kill['at'])}"
        yield f"The operator was killed at {kill['step']}: {when}."
    for rule in result.faults.get("rules", ()):
        yield f"Fault {rule['rule']} on {rule['method']}: {', '.join(rule['kinds'])}, injected {rule['fired']} times."


def _rests(result: Result) -> list[str]:
    if not result.assumptions:
        return []
    measured = sum("; measured on " in assumption for assumption in result.assumptions)
    how = f", of which {measured} were measured by a trial" if measured else ""
    return [f"The verdict rests on {len(result.assumptions)} facts about Google Cloud that no document states{how}."]
