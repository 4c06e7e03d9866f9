"""Results as a JUnit test suite, for build servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree as Xml


class Case(NamedTuple):
    """One test case. outcome: `failure`, `error` or `skipped`; empty when it passed."""

    group: str
    name: str
    outcome: str
    text: str


def junit(suite: str, cases: Iterable[Case]) -> str:
    """The suite as XML."""
    found = list(cases)
    counts = {kind: len([case for case in found if case.outcome == kind]) for kind in ("failure", "error", "skipped")}
    root = Xml.Element(
        "testsuite",
        name=suite,
        tests=str(len(found)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for case in found:
        element = Xml.SubElement(root, "testcase", classname=case.group, name=case.name)
        if case.outcome:
            Xml.SubElement(element, case.outcome, message=case.text)
        else:
            Xml.SubElement(element, "system-out").text = case.text
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=False)
