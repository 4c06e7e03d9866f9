"""The report of a preflight: what counts, its forms, and the difference of two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dualstack.cli.live.findings import Report, parse, refuse_unknown
from dualstack.cli.live.findings_formats import as_html, as_junit, as_markdown, as_text
from dualstack.cli.live.preflight import run_difference
from dualstack.cli.live.result import ClusterName
from dualstack.model.errors import InvalidInput
from dualstack.preflight.finding import Finding

CLUSTER = ClusterName(
    name="bar",
    platform="kubeadm",
    evidence="ConfigMap kube-system/kubeadm-config",
    context="admin@bar",
    project="proj-1",
    region="europe-west1",
    nodes_subnet="nodes",
    pods="10.96.0.0/16",
)


def finding(name: str, severity: Any = "blocker", status: Any = "problem", **fields: Any) -> Finding:
    values = {"object": "route x", "evidence": "it is <there> & stays", "consequence": "it is in the way"}
    return Finding(id=name, severity=severity, status=status, **{**values, "remedy": "delete it", **fields})


FOUND = (
    finding("foreign-routes", fix="gcloud compute routes delete x"),
    *(finding("foreign-routes", object=f"route y{n}") for n in range(12)),
    finding("guest-agent", "risk"),
    finding("static-route-quota", "note", "unknown"),
    finding("range-valid", status="ok"),
    finding("peer-ranges", status="not-applicable"),
)


def report(*findings: Finding, fail_on: Any = "blocker", accepted: tuple[str, ...] = ()) -> Report:
    return Report.of(CLUSTER, findings or FOUND, read_at=0.0, fail_on=fail_on, accepted=accepted)


@pytest.mark.parametrize(
    ("fail_on", "accepted", "worst"),
    [
        ("blocker", (), "blocker"),
        ("blocker", ("foreign-routes",), ""),
        ("risk", ("foreign-routes",), "risk"),
        ("note", ("foreign-routes", "guest-agent"), "note"),
        ("risk", ("foreign-routes", "guest-agent"), ""),
    ],
)
def test_accepted_findings_and_lesser_severities_do_not_count(
    fail_on: Any, accepted: tuple[str, ...], worst: str
) -> None:
    assert report(fail_on=fail_on, accepted=accepted).worst == worst


def test_the_text_groups_by_severity_and_shows_what_was_accepted() -> None:
    text = as_text(report(*FOUND[-5:], accepted=("guest-agent",)))
    assert (
        text
        == """\
bar (kubeadm), project proj-1, europe-west1, pods 10.96.0.0/16
Not ready: resolve 1 blocker, or accept it with --accept ID.

Blockers (1)
  foreign-routes
    - route y11: it is <there> & stays
    Consequence: it is in the way.
    Remedy: delete it.

Notes (1)
  static-route-quota (unknown)
    - route x: it is <there> & stays
    Consequence: it is in the way.
    Remedy: delete it.

Accepted (1)
  guest-agent
    - route x: it is <there> & stays
    Consequence: it is in the way.
    Remedy: delete it.

1 checks found nothing, 1 do not apply; `-o json` has all of them."""
    )


def test_objects_with_the_same_finding_are_listed_once_and_counted() -> None:
    text = as_text(report())
    assert text.count("Consequence: it is in the way.") == 3
    assert "and 3 more" in text
    assert "      gcloud compute routes delete x" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_every_form_escapes_what_the_cloud_names() -> None:
    found = report(finding("guest-agent", "risk", object="VM <script>_a_"), fail_on="risk")
    assert "VM &lt;script&gt;_a_" in as_html(found)
    assert "VM &lt;script&gt;_a_" in as_junit(found)
    assert "VM \\<script\\>\\_a\\_" in as_markdown(found)
    assert "<script>" not in as_html(found)


def test_junit_counts_failures_and_skips_what_does_not_count() -> None:
    text = as_junit(report(accepted=("guest-agent",), fail_on="risk"))
    assert 'tests="17" failures="13" errors="0" skipped="2"' in text
    assert 'message="accepted: it is &lt;there&gt; &amp; stays"' in text


def test_a_report_survives_its_document() -> None:
    assert parse(msgspec.json.encode(report()), "x.json") == report()


def saved(folder: Path, name: str, found: Report) -> Path:
    path = folder / name
    path.write_bytes(msgspec.json.encode(found))
    return path


def test_the_difference_states_what_is_new_worse_better_changed_or_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = report(
        finding("a-new"), finding("a-same"), finding("a-worse", "note"), finding("a-better"), finding("a-gone")
    )
    new = report(
        finding("a-new", object="route z"),
        finding("a-same"),
        finding("a-worse", "risk"),
        finding("a-better", "risk"),
        finding("a-gone", status="ok"),
    )
    with pytest.raises(SystemExit) as ended:
        run_difference(saved(tmp_path, "old", old), saved(tmp_path, "new", new), fail_on="blocker", output="json")
    assert ended.value.code == 10
    printed = json.loads(capsys.readouterr().out)
    changes = {(each["change"], (each.get("new") or each["old"])["object"]) for each in printed["changes"]}
    assert changes == {
        ("new", "route z"),
        ("worse", "route x"),
        ("better", "route x"),
        ("gone", "route x"),
    }
    assert printed["unchanged"] == 1
    with pytest.raises(SystemExit) as ended:
        run_difference(saved(tmp_path, "old", new), saved(tmp_path, "new", old), fail_on="risk", output="text")
    assert ended.value.code == 10
    with pytest.raises(SystemExit) as same:
        run_difference(saved(tmp_path, "old", old), saved(tmp_path, "new", old), fail_on="note", output="text")
    assert same.value.code == 0


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--accept foreign-route: no finding has this id; did you mean foreign-r"):
        refuse_unknown(["foreign-route"])
    with pytest.raises(InvalidInput, match="it is not a report of `dualstack preflight -o json`"):
        parse(b"kind: Shoot", "x.json")
    with pytest.raises(InvalidInput, match=r"its schema is 'dualstack\.preflight/v2', not"):
        parse(b'{"schema": "dualstack.preflight/v2"}', "x.json")
