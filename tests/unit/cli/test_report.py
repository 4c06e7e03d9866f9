"""The page of `dualstack report`: what it says, and that it is well-formed, accessible and self-contained."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dualstack.cli.html.documents import article_of
from dualstack.cli.html.page import render
from dualstack.model.errors import InvalidInput

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
"""One saved document of each schema that this version reads."""
NAMES = sorted(path.stem for path in DOCUMENTS.glob("*.json"))
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects the elements, in order, with their attributes and text; checks that each end tag closes its element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def page(*documents: dict[str, Any]) -> str:
    return render([article_of(json.dumps(each).encode(), "file") for each in documents])


def test_there_is_a_saved_document_of_each_kind() -> None:
    schemas = {document(name)["schema"].split("/")[0] for name in NAMES}
    assert schemas == {f"dualstack.{name}" for name in ("rehearsal", "verify", "preflight", "plan", "change")}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_needs_nothing_else(name: str) -> None:
    text = page(document(name))
    found = Page(text)
    assert text.startswith("<!DOCTYPE html>\n") or text.lstrip().startswith("<!DOCTYPE html>")
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.elements}
    attributes = {name for _, attrs in found.elements for name in attrs}
    assert not {"src", "href"} & attributes
    assert not {name for name in attributes if name.startswith("on")}
    assert "url(" not in text
    assert "@import" not in text
    assert ("html", {"lang": "en"}) in found.elements


def test_a_change_shows_its_course_each_node_and_the_fullest_quota_window() -> None:
    change = document("change") | {
        "beganAt": "2026-11-29T00:00:00Z",
        "course": [
            {"step": "set-overlap-flag", "at": 3.0, "seconds": 9.0},
            {"step": "barrier-flag", "at": 12.0, "seconds": 120.0},
        ],
        "nodeHistory": [{"node": "n-1", "changes": [{"at": 0.0, "way": "route"}, {"at": 421.0, "way": "overlap"}]}],
        "quotaPeaks": {"list": 40, "change europe-west1": 1500},
    }
    found = Page(page(change))
    for words in (
        "Began at 2026-11-29T00:00:00Z",
        "2 min 00 s from 12 s",
        "route, overlap from 7 min 01 s",
        "change europe-west1 1500 100.0%",
        "list 40 2.7%",
    ):
        assert words in found.words, words
    assert "Steps set-overlap-flag" not in found.words
    assert "set-overlap-flag" in Page(page(document("change"))).words


@pytest.mark.parametrize("name", NAMES)
def test_a_page_can_be_read_aloud(name: str) -> None:
    """One heading of the first level, sections below it, and tables with captions and header cells with a scope."""
    found = Page(page(document(name)))
    assert (found.count("h1"), found.count("main"), found.count("title")) == (1, 1, 1)
    assert found.count("h2") == found.count("section") >= 1
    assert found.count("caption") == found.count("table")
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in found.elements if tag == "th")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "verify",
            ["Verification of shoot--foo--bar", "passed: ", "compute.interfaces", "an alias range, and"],
        ),
        ("preflight", ["Ready: no blocker is open", "guest-agent", "Risks"]),
        ("plan", ["expected outage 0 s", "set-overlap-flag", "instances.updateNetworkInterface", "Way back: "]),
        ("change", ["dualstack prepare on shoot--foo--bar", "prepared; longest time without a path", "add-aliases"]),
        ("rehearsal", ["succeeded; no pod pair lost connectivity", "Rests on", "routes.delete", "overlap from 12 min"]),
        ("rehearsal-upstream", ["longest interruption", "pod pairs, the longest first", "Interruptions"]),
    ],
)
def test_a_page_says_what_its_document_says(name: str, words: list[str]) -> None:
    text = Page(page(document(name))).words
    assert [each for each in words if each not in text] == []


def test_every_check_finding_and_assumption_is_on_the_page() -> None:
    verified = Page(page(document("verify"))).words
    assert all(check["id"] in verified and check["evidence"] in verified for check in document("verify")["checks"])
    findings = Page(page(document("preflight"))).words
    assert all(finding["id"] in findings for finding in document("preflight")["findings"] if finding["status"] == "ok")
    rehearsed = Page(page(document("rehearsal"))).words
    assert all(" ".join(each.split()) in rehearsed for each in document("rehearsal")["assumptions"])


def test_a_plan_with_blockers_is_not_ready_and_commands_are_code() -> None:
    found = document("plan")
    assert '<p class="verdict good">' in page(found)
    found["blockers"] = ["network-watched"]
    text = page(found)
    assert '<p class="verdict bad">Not ready: ' in text
    assert "<li>network-watched</li>" in text
    assert "<code>dualstack preflight</code>" in text
    found["blockers"] = ["`<script>`"]
    assert "<li><code>&lt;script&gt;</code></li>" in page(found)


def test_the_worst_comes_first_and_is_named_in_the_verdict() -> None:
    found = document("verify")
    found["result"] = "failed"
    found["checks"][-1] = {"id": "nodes.ready", "status": "failed", "evidence": "n1 is not Ready"}
    text = page(found)
    assert '<p class="verdict bad">failed: 1 failed, ' in text
    table = text[text.index("What was verified") :]
    assert table.index("nodes.ready") < table.index("cut-over.reachable")


def test_each_state_of_a_node_has_a_block_and_a_legend() -> None:
    found = document("verify")
    paths = ["route", "route and alias", "alias", "none"]
    found["nodes"] = [
        {"name": f"n{number}", "zone": "z", "podCidr": "10.96.0.0/24", "path": path}
        for number, path in enumerate(paths)
    ]
    text = page(found)
    for state in ("route", "overlap", "alias", "none"):
        assert f'<li class="{state}">' in text
        assert f'<dt class="{state}">' in text
    assert '<li class="dual">' not in text


def test_accepted_findings_are_apart() -> None:
    found = document("preflight")
    found["accepted"] = ["guest-agent"]
    words = Page(page(found)).words
    assert "Accepted risks 1 finding" in words
    assert "Risks 1 finding" not in words.replace("Accepted risks", "")


def test_what_a_document_contains_is_text() -> None:
    found = document("verify")
    found["cluster"]["name"] = "<script>alert(1)</script>"
    found["checks"][0]["evidence"] = "a & b <img src=x>"
    text = page(found)
    assert "<script>" not in text
    assert "a &amp; b &lt;img src=x&gt;" in text


def test_several_documents_make_one_page() -> None:
    found = Page(page(*map(document, NAMES)))
    assert found.count("article") == found.count("h1") == len(NAMES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "file: it is not a JSON document"),
        ("[]", "file: its schema is None; this version reads dualstack.change/v1"),
        ('{"schema": "dualstack.verify/v9"}', "its schema is 'dualstack.verify/v9'"),
        ('{"schema": "dualstack.verify/v1"}', "it is not a document of schema dualstack.verify/v1"),
        ('{"schema": ["x"]}', "its schema is"),
    ],
)
def test_other_documents_are_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        article_of(text.encode(), "file")


def test_a_phase_that_did_not_finish_lasts_until_the_end_of_the_rehearsal() -> None:
    failed = document("rehearsal") | {"result": "failed", "reason": "it is over."}
    failed["phases"] = [{"name": "cut-over", "startedAt": 100.0, "finishedAt": None}]
    failed["time"] = failed["time"] | {"simulatedSeconds": 1000.0}
    words = Page(page(failed)).words
    assert "cut-over (not finished) 15 min 00 s from 1 min 40 s" in words
    assert "failed; it is over; " in words


def test_a_rehearsal_that_was_refused_has_a_page_too() -> None:
    ending = {"schema": "dualstack.rehearsal/v2", "result": "refused", "reason": "no", "faults": ["a", "b"]}
    words = Page(page(ending)).words
    assert "refused: no" in words
    assert "Faults a b" in words
