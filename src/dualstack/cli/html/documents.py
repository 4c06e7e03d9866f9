"""Reads the documents of the commands, and makes an article of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dualstack.cli.html.page import Article, Cell, Section, Table, Tone
from dualstack.cli.html.parts import (
    calls_section,
    checks_section,
    cluster_facts,
    history_section,
    strip_section,
    timeline,
)
from dualstack.cli.html.rehearsal import ending_article, rehearsal_article
from dualstack.cli.live import findings as preflight
from dualstack.cli.live.outcome import Outcome
from dualstack.cli.live.plan_document import Plan
from dualstack.cli.live.verify import Verification
from dualstack.cli.rehearsal.result import Ending, Result
from dualstack.cli.words import duration
from dualstack.model.errors import InvalidInput


def article_of(document: bytes, name: str) -> Article:
    """The article of a JSON document. InvalidInput for one that no command of this version has printed."""
    try:
        found = msgspec.json.decode(document)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{name}: it is not a JSON document: {error}; save one with `-o json`") from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(schema, str) or schema not in _ARTICLES:
        raise InvalidInput(f"{name}: its schema is {schema!r}; this version reads {', '.join(sorted(_ARTICLES))}")
    try:
        return _ARTICLES[schema](found)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{name}: it is not a document of schema {schema}: {error}") from error


def _rehearsal(found: dict[str, Any]) -> Article:
    if "traffic" in found:
        return rehearsal_article(msgspec.convert(found, Result))
    return ending_article(msgspec.convert(found, Ending))


def _verification(found: dict[str, Any]) -> Article:
    result = msgspec.convert(found, Verification)
    tones: Mapping[str, Tone] = {"passed": "good", "failed": "bad"}
    counts = Counter(check.status for check in result.checks)
    words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return Article(
        f"Verification of {result.cluster.name}",
        f"{result.result}: {words}",
        tones.get(result.result, "warning"),
        [
            *cluster_facts(result.cluster),
            ("Expected state", result.expected),
            ("Stage of the cut-over", result.standing),
        ],
        [strip_section(result.nodes), checks_section(result.checks)],
    )


def _preflight(found: dict[str, Any]) -> Article:
    report = msgspec.convert(found, preflight.Report)
    tones: Mapping[str, Tone] = {"blocker": "bad", "risk": "warning", "note": "neutral"}
    sections = [
        Section(
            title,
            [
                Table(
                    f"{len(rows)} {'finding' if len(rows) == 1 else 'findings'}",
                    ("Finding", "Object and evidence", "Consequence", "Remedy"),
                    [
                        (Cell(each.id, tones[each.severity]), f"{each.object}: {each.evidence}", each.consequence,
                         "\n".join(filter(None, (each.remedy, each.fix))))
                        for each in rows
                    ],
                )
            ] if rows else [],
        )
        for title, rows in [
            *((f"{severity.capitalize()}s", [each for each in report.open if each.severity == severity])
              for severity in preflight.SEVERITIES),
            ("Accepted risks", list(report.open_but_accepted)),
        ]
    ]  # fmt: skip
    fine = [(each.id, each.object, each.evidence) for each in report.findings if each.status == "ok"]
    sections.append(
        Section("Nothing found", [Table("Checks", ("Finding", "Object", "Evidence"), fine)] if fine else [])
    )
    verdict = f"Not ready: the worst open finding is a {report.worst}"
    if not report.worst:
        verdict = f"Ready: no {report.fail_on} is open"
    tone: Tone = tones.get(report.worst, "good")
    facts = [*cluster_facts(report.cluster), ("Findings that count", f"{report.fail_on} and worse")]
    return Article(f"Preflight of {report.cluster.name}", verdict, tone, facts, sections)


def _plan(found: dict[str, Any]) -> Article:
    plan = msgspec.convert(found, Plan)
    calls: Counter[str] = Counter()
    sections = [
        Section("Why the plan ends before its goal", items=plan.obstacles),
        Section(
            "What stops the first part",
            paragraphs=["`dualstack preflight` shows why, and what to do."] if plan.blockers else [],
            items=plan.blockers,
        ),
    ]
    outage = max((part.expected_outage_seconds or 0.0 for part in plan.parts), default=0.0)
    for part in plan.parts:
        spans, at = [], 0.0
        for step in part.steps:
            spans.append((step.id, at, step.seconds))
            at += step.seconds
            calls.update(step.calls)
        rows = [(step.id, step.detail or step.waits, step.risk) for step in part.steps if step.risk]
        sections.append(
            Section(
                part.command or f"Then: {part.by}",
                [
                    *([timeline("Expected course", spans)] if spans else []),
                    *([Table("Steps with a risk", ("Step", "What", "Risk"), rows)] if rows else []),
                ],
                [*([f"Way back: {part.way_back}."] if part.way_back else []),
                 *([f"Point of no return: {part.point_of_no_return}."] if part.point_of_no_return else [])],
                part.actions,
            )
        )  # fmt: skip
    pools = [(pool.name, str(pool.nodes), str(pool.surge), duration(pool.seconds)) for pool in plan.disruption.pools]
    sections.append(
        Section(
            "Disruption of workloads",
            [Table("Replacement of the nodes", ("Pool", "Nodes", "At once", "Duration"), pools)],
            paragraphs=[f"{plan.disruption.by[0].upper()}{plan.disruption.by[1:]}."],
            items=[f"PodDisruptionBudget {name} allows no eviction now" for name in plan.disruption.blocking_budgets],
        )
    )
    sections.append(calls_section(calls, {}))
    seconds = sum(part.seconds or 0.0 for part in plan.parts)
    ready = "Not ready: " if plan.blockers else ""
    verdict = f"{ready}{duration(seconds)} for the steps of dualstack; expected outage {outage:.0f} s"
    facts = [*cluster_facts(plan.cluster), ("Made at", plan.made_at), ("Nodes", f"{plan.nodes}, {plan.routes} routes")]
    tone: Tone = "bad" if plan.obstacles or plan.blockers else "warning" if outage else "good"
    return Article(f"Plan for {plan.cluster.name}", verdict, tone, facts, sections)


def _change(found: dict[str, Any]) -> Article:
    outcome = msgspec.convert(found, Outcome)
    outage = outcome.outage_seconds
    return Article(
        f"dualstack {outcome.command} on {outcome.cluster.name}",
        f"{outcome.standing}; longest time without a path to a node: {outage:.0f} s",
        "warning" if outage else "good",
        [
            *cluster_facts(outcome.cluster),
            ("Nodes", f"{outcome.nodes_with_alias} of {outcome.nodes} have their alias, {outcome.routes} routes"),
            ("Duration", duration(outcome.seconds)),
            *([("Began at", outcome.began_at)] if outcome.began_at else []),
        ],
        [
            _steps(outcome),
            history_section(outcome.node_history, max(1.0, outcome.seconds)),
            calls_section({}, outcome.quota_peaks),
            Section("What to do next", items=outcome.next_steps),
        ],
    )


def _steps(outcome: Outcome) -> Section:
    """A time line; a list for a document of a version without times."""
    spans = [(each.step, each.at, each.seconds) for each in outcome.course]
    return Section("Course", [timeline("Steps", spans)]) if spans else Section("Steps", items=outcome.steps)


_ARTICLES: Mapping[str, Callable[[dict[str, Any]], Article]] = {
    "dualstack.rehearsal/v2": _rehearsal,
    "dualstack.verify/v1": _verification,
    "dualstack.preflight/v1": _preflight,
    "dualstack.plan/v1": _plan,
    "dualstack.change/v1": _change,
}
