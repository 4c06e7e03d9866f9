"""The text of a result on a terminal of 80 columns and 24 lines, for several outcomes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from dualstack.cli.rehearsal.result import Result, bounded
from dualstack.cli.rehearsal.summary import WIDTH, summarise

ROWS = 24
LONG = "shoot--a-project--a-shoot-with-a-long-name"
PAIR = {"from": f"{LONG}-worker-z1-3201c-zt9ch", "to": f"{LONG}-worker-z1-3201c-hdbs2", "family": "IPv4", "since": 1.0}
PHASES = [
    {"name": name, "startedAt": start, "finishedAt": end}
    for name, start, end in (("preparation", 41.4, 45.3), ("cut-over", 1121.7, 2407.1), ("roll-out", 2743.4, None))
]


def loss(pairs: int) -> dict[str, Any]:
    broken = [{**PAIR, "seconds": 131.25, "waited": 0.0}] * pairs
    times = {"max": 131.25, "p99": 131.25, "total": 131.25 * pairs}
    return bounded({"pairs": 6, "laterPairs": 0, "current": 2, "brokenPairs": broken, "blackoutSeconds": times})


def result(**changes: Any) -> Result:
    """A result with the fields in `changes` instead of those of a success."""
    fields: dict[str, Any] = {
        "result": "succeeded",
        "reason": None,
        "shoot": {"name": "bar", "namespace": "garden-foo", "technicalID": LONG, "cni": "calico"},
        "strategy": "overlap",
        "profile": "documented",
        "assumptions": ["An alias IP range counts as a matched resource of a hybrid subnet (K3, inferred)."] * 30,
        "time": {"simulatedSeconds": 5495.9, "wallSeconds": 28.7, "speed": 120.0, "requestSeconds": 0.4},
        "phases": [{**phase, "finishedAt": phase["finishedAt"] or 4420.4} for phase in PHASES],
        "constraints": [],
        "notices": [],
        "nodes": {"atStart": 3, "atEnd": 3, "replaced": 3, "dualStack": 3},
        "changes": [{"what": "nodes", "before": "3 IPv4", "after": "3 dual-stack"}],
        "traffic": {
            "pairs": 6,
            "laterPairs": 18,
            "current": 0,
            "lostPairs": 0,
            "brokenPairs": [],
            "blackoutSeconds": {"max": 0.0},
        },
        "compute": {"calls": 223, "mutations": 13, "byMethod": {"routes.delete": 3, "routes.list": 9}},
        "checks": [{"id": f"check.{number}", "status": "passed", "evidence": "good"} for number in range(18)],
        "kills": [],
        "faults": {"fired": [], "rules": [], "neverMatched": []},
        "nextSteps": ["Restart the workloads whose pods still have IPv4 only: default deployment/web."],
    }
    return msgspec.convert({**fields, **changes}, Result)


FAULTS = {
    "fired": [],
    "rules": [
        {"rule": 1, "method": "routes.delete", "target": "*", "kinds": ["errorBefore"], "matched": 9, "fired": 3},
        {"rule": 2, "method": "disks.resize", "target": "*", "kinds": ["latency"], "matched": 0, "fired": 0},
    ],
    "neverMatched": [2],
}
REASON = "the operator gave up 5 times for the same reason: set-overlap-flag: the API does not show the flag"
TWO_BLOCKERS = "the Shoot's operation failed: subnet a: its purpose is wrong\nsubnet b: its range is wrong"
OUTCOMES = {
    "two blockers": result(result="failed", reason=TWO_BLOCKERS),
    "success": result(),
    "loss": result(result="failed", reason=REASON, traffic=loss(600), strategy="compressed"),
    "unfinished": result(result="failed", reason=REASON, phases=PHASES),
    "faults and kills": result(faults=FAULTS, kills=[{"step": "add-aliases", "at": 708.4}, {"step": "x", "at": None}]),
    "checks": result(
        result="failed",
        reason="; ".join(f"check.{number}: not as it should be" for number in range(5)),
        checks=[{"id": f"check.{number}", "status": "failed", "evidence": "is not good"} for number in range(5)],
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_r6_no_line_is_wider_than_the_screen_and_the_verdict_is_on_the_last_one(name: str) -> None:
    lines = summarise(OUTCOMES[name]).splitlines()
    assert [line for line in lines if len(line) > WIDTH and len(line.split()) > 1] == []
    verdict = max(number for number, line in enumerate(lines) if line.startswith(f"{LONG}: {OUTCOMES[name].result}"))
    assert len(lines) - verdict < ROWS
    assert "What to do next on a live cluster" in lines[verdict:]
    assert not re.search(r"\['|\[\]", "\n".join(lines))


def test_a_result_lists_the_pairs_that_were_broken_longest_and_counts_all() -> None:
    waits = [{**PAIR, "seconds": 0.0, "waited": float(number)} for number in range(150)]
    lost = [{**PAIR, "seconds": float(number), "waited": 1.0} for number in range(1, 6)]
    traffic = bounded({"pairs": 9, "brokenPairs": [*waits, *lost]})
    assert [pair["seconds"] for pair in traffic["brokenPairs"][:6]] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert (traffic["brokenPairs"][5]["waited"], len(traffic["brokenPairs"])) == (149.0, 100)
    assert (traffic["lostPairs"], traffic["waitedPairs"], traffic["pairs"]) == (5, 154, 9)


def test_r6_each_blocker_has_a_line_of_its_own() -> None:
    assert "\n  subnet b: its range is wrong\n" in summarise(OUTCOMES["two blockers"])


def test_r6_only_changes_are_listed_as_changes() -> None:
    methods = {"routes.delete": 3, "routes.list": 9, "routes.testIamPermissions": 1}
    assert "14 calls, 3 of them changes: 3 routes.delete\n" in summarise(
        result(compute={"calls": 14, "mutations": 3, "byMethod": methods})
    )


def test_r6_no_word_is_broken() -> None:
    words = set(" ".join(summarise(OUTCOMES["loss"]).split()).split())
    assert {*REASON.split(), PAIR["from"]} <= words


def test_r6_the_phases_add_up_to_the_total_and_times_are_labelled() -> None:
    text = summarise(result())
    table = text[text.index("Duration of each phase") :].split("\n\n")[0].splitlines()[1:]
    lengths = {
        line.split()[0]: sum(
            int(number) * factor for number, factor in zip(re.findall(r"\d+", line), (3600, 60, 1), strict=True)
        )
        for line in table
    }
    total = lengths.pop("total")
    assert total == sum(lengths.values()) == 5496
    assert "All times are simulated." in " ".join(text.split())
    assert "1 h 31 min simulated, 29 s of wall time" in text


def test_r5_each_declared_fault_is_reported_with_what_became_of_it() -> None:
    text = " ".join(summarise(OUTCOMES["faults and kills"]).split())
    assert "rule 1: errorBefore on routes.delete: injected 3 times, 9 requests matched" in text
    assert "rule 2: latency on disks.resize: NOT INJECTED, no request matched" in text
