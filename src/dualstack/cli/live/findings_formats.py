"""The report of a preflight as text, Markdown, HTML and JUnit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree

from dualstack.cli.live.findings import SEVERITIES, Difference, Report
from dualstack.cli.words import wrapped
from dualstack.preflight.finding import Finding, Severity

MOST_OBJECTS = 10
"""How many objects with the same finding the text forms list; JSON and JUnit have all."""

TITLES: Mapping[Severity, str] = {"blocker": "Blockers", "risk": "Risks", "note": "Notes"}

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
pre { background: #f4f4f4; padding: .7rem; overflow-x: auto; white-space: pre-wrap; }
h3 { border-left: .4rem solid #888; padding-left: .6rem; }
.blocker h3 { border-color: #b00020; } .risk h3 { border-color: #c77700; } .note h3 { border-color: #1a5fb4; }
@media print { body { margin: 0; max-width: none; } h3, pre { break-inside: avoid; } }
"""


def verdict(report: Report) -> str:
    """One sentence."""
    if report.worst:
        count = sum(each.severity == report.worst for each in report.open)
        noun = report.worst if count == 1 else f"{report.worst}s"
        return f"Not ready: resolve {count} {noun}, or accept {'it' if count == 1 else 'them'} with --accept ID."
    others = " or worse" if report.fail_on != "blocker" else ""
    return f"Ready: no {report.fail_on}{others} is open."


def as_text(report: Report) -> str:
    """At most 80 columns where names and commands allow it."""
    lines = [report.cluster.describe(), verdict(report)]
    for title, groups in _sections(report):
        lines += ["", title]
        for group in groups:
            lines += _group_lines(group)
    following = [] if report.worst else ["Next: `dualstack plan` shows every step, `dualstack prepare` begins."]
    return "\n".join([*lines, "", *wrapped(_closed(report)), *following])


def as_markdown(report: Report) -> str:
    """One section for each severity."""
    lines = ["# Preflight", "", report.cluster.describe(), "", f"**{verdict(report)}**"]
    for title, groups in _sections(report):
        lines += ["", f"## {title}"]
        for group in groups:
            first = group[0]
            lines += ["", f"### `{first.id}`", ""]
            lines += [f"- {_escaped(about)}" for about in _objects(group)]
            lines += ["", f"Consequence: {_escaped(first.consequence)}.", "", f"Remedy: {_escaped(first.remedy)}."]
            for fix in _fixes(group):
                lines += ["", "```", fix, "```"]
    return "\n".join([*lines, "", _closed(report)])


def as_html(report: Report) -> str:
    """One page that needs nothing else."""
    page = ElementTree.Element("html", lang="en")
    head, body = ElementTree.SubElement(page, "head"), ElementTree.SubElement(page, "body")
    ElementTree.SubElement(head, "meta", charset="utf-8")
    _add(head, "title", f"Preflight of {report.cluster.name}")
    _add(head, "style", _STYLE)
    _add(body, "h1", f"Preflight of {report.cluster.name}")
    _add(body, "p", report.cluster.describe())
    _add(_add(body, "p", ""), "strong", verdict(report))
    for title, groups in _sections(report):
        _add(body, "h2", title)
        for group in groups:
            first = group[0]
            section = ElementTree.SubElement(body, "section", {"class": first.severity})
            _add(section, "h3", first.id)
            objects = ElementTree.SubElement(section, "ul")
            for about in _objects(group):
                _add(objects, "li", about)
            _add(section, "p", f"Consequence: {first.consequence}.")
            _add(section, "p", f"Remedy: {first.remedy}.")
            for fix in _fixes(group):
                _add(section, "pre", fix)
    _add(body, "p", _closed(report))
    return "<!DOCTYPE html>\n" + ElementTree.tostring(page, encoding="unicode", method="html")


def as_junit(report: Report) -> str:
    """One test case for each finding; those that count fail, accepted and inapplicable ones are skipped."""
    counting = SEVERITIES[: SEVERITIES.index(report.fail_on) + 1]
    suite = ElementTree.Element("testsuite", name="dualstack.preflight")
    failures = skipped = 0
    for finding in report.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"preflight.{finding.severity}", name=f"{finding.id}: {finding.object}"
        )
        if finding.status == "ok":
            continue
        if finding.status == "not-applicable" or finding.id in report.accepted:
            reason = "accepted: " if finding.status != "not-applicable" else ""
            ElementTree.SubElement(case, "skipped", message=f"{reason}{finding.evidence}")
            skipped += 1
        elif finding.severity in counting:
            failure = ElementTree.SubElement(case, "failure", type=finding.status, message=finding.evidence)
            failure.text = "\n".join(filter(None, (finding.describe(), finding.fix)))
            failures += 1
        else:
            ElementTree.SubElement(case, "system-out").text = finding.describe()
    suite.attrib.update(tests=str(len(report.findings)), failures=str(failures), errors="0", skipped=str(skipped))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")


def difference_text(found: Difference) -> str:
    """One line for each change."""
    lines = [found.cluster.describe()]
    for change in found.changes:
        finding = change.new or change.old
        if finding is not None:
            lines += wrapped(
                f"{change.change:<8}{finding.severity:<8} {finding.id}: {finding.object}: {finding.evidence}",
                further=" " * 17,
            )
    count = found.unchanged
    return "\n".join([*lines, f"{len(found.changes)} changes; {count} open findings are as before."])


def _sections(report: Report) -> Iterator[tuple[str, list[list[Finding]]]]:
    """Title and findings of each part that has any, the findings in groups of the same words."""
    for severity in SEVERITIES:
        found = [finding for finding in report.open if finding.severity == severity]
        if found:
            yield f"{TITLES[severity]} ({len(found)})", _groups(found)
    if accepted := report.open_but_accepted:
        yield f"Accepted ({len(accepted)})", _groups(accepted)


def _groups(findings: Iterable[Finding]) -> list[list[Finding]]:
    return [list(group) for _, group in groupby(findings, key=lambda each: (each.id, each.consequence, each.remedy))]


def _objects(group: Sequence[Finding]) -> list[str]:
    """`<object>: <evidence>` of the first ones."""
    shown = [f"{finding.object}: {finding.evidence}" for finding in group[:MOST_OBJECTS]]
    left = len(group) - len(shown)
    return [*shown, *([f"and {left} more"] if left else [])]


def _fixes(group: Sequence[Finding]) -> list[str]:
    """What to run or to apply, each once."""
    return list(dict.fromkeys(finding.fix for finding in group[:MOST_OBJECTS] if finding.fix))


def _group_lines(group: Sequence[Finding]) -> Iterator[str]:
    first = group[0]
    yield f"  {first.id}{' (unknown)' if first.status == 'unknown' else ''}"
    for about in _objects(group):
        yield from wrapped(about, "    - ", "      ")
    yield from wrapped(f"{first.consequence}.", "    Consequence: ", " " * 6)
    yield from wrapped(f"{first.remedy}.", "    Remedy: ", " " * 6)
    for fix in _fixes(group):
        yield from textwrap.indent(fix, " " * 6).splitlines()


def _closed(report: Report) -> str:
    """What else was looked at, in one sentence."""
    fine = sum(finding.status == "ok" for finding in report.findings)
    inapplicable = sum(finding.status == "not-applicable" for finding in report.findings)
    return f"{fine} checks found nothing, {inapplicable} do not apply; `-o json` has all of them."


def _escaped(text: str) -> str:
    """Markdown without accidental markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]#|" else letter for letter in text)


def _add(parent: ElementTree.Element, tag: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    return element
