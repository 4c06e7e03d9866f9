"""Alert rules and dashboard use the metrics and labels that the operator exports (docs/metrics.md)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.dashboard import dashboard
from tests.deploy.generate import ALERTS, HELM, ROOT

ROW = re.compile(r"^\| `(dualstack_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
LABELS = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels in ROW.findall(PAGE)}
"""The labels of each metric, by its name."""
TYPES = {name: kind for name, kind, _ in ROW.findall(PAGE)}
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / ALERTS).read_text(encoding="utf-8"))["groups"][0]["rules"]


def queries() -> Iterator[tuple[str, str, str]]:
    """Where it is, the query, and the text that shows its labels."""
    for rule in RULES:
        yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


QUERIES = list(queries())


@pytest.mark.parametrize(("where", "query", "text"), QUERIES, ids=[where for where, _, _ in QUERIES])
def test_a_query_uses_metrics_and_labels_that_exist(where: str, query: str, text: str) -> None:
    used = re.findall(r"dualstack_\w+", query)
    assert used
    assert set(used) <= LABELS.keys()
    known = set.union(*(LABELS[name] for name in used))
    matched = re.findall(r"[{,]\s*(\w+)\s*[=!]~?\"?", query)
    grouped = [name.strip() for names in re.findall(r"\b(?:by|on) \((.*?)\)", query) for name in names.split(",")]
    shown = re.findall(r"\$labels\.(\w+)", text) + re.findall(r"{{(\w+)}}", text)
    assert {*matched, *grouped, *shown} <= known
    if " by (" in query:
        assert set(shown) <= set(grouped), "the query drops this label"
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize("query", [query for _, query, _ in QUERIES])
def test_a_counter_is_used_as_a_rate(query: str) -> None:
    for name in re.findall(r"dualstack_\w+", query):
        rated = re.search(rf"(?:rate|increase)\({name}\b", query) is not None
        assert rated == (TYPES[name] == "counter"), name


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        name
        for panel in dashboard()["panels"]
        for each in panel["targets"]
        for name in re.findall(r"dualstack_\w+", each["expr"])
    }
    assert LABELS.keys() - shown == {"dualstack_outage_expected_at_most_seconds"}


def test_an_alert_says_what_and_what_to_look_at() -> None:
    for rule in RULES:
        assert rule["alert"].startswith("Dualstack")
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_alert_is_documented() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(Dualstack\w+)`", page)) == {rule["alert"] for rule in RULES}


@pytest.mark.clients
def test_prometheus_reads_the_alert_rules() -> None:
    checker = HELM.with_name("rules")
    assert checker.exists(), "make deploy builds it"
    run = subprocess.run([str(checker), ALERTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
