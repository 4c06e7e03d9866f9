"""Fault files: which requests go wrong, how often, and what is said about a file that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from dualstack.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.interference import Fault, Faults, HttpFault
from dualstack_sim.faults import FaultPlan, FaultRule, load_faults

LATE = Fault(latency=30.0)


@dataclass
class StillClock:
    time: float = 100.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def plan(*rules: FaultRule, seed: int = 0) -> FaultPlan:
    return FaultPlan(list(rules), Chance(seed), StillClock())


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return path


FULL = """\
faults:
  - method: routes.delete
    target: "shoot--foo--bar-*"
    nth: 2
    count: 3
    operationError: {code: RESOURCE_NOT_READY, message: "not ready"}
  - method: "*.updateNetworkInterface"
    probability: 0.5
    latency: 30
  - {method: subnetworks.patch, errorBefore: {status: 500, reason: internalError, message: oops}, cut: after}
  - {method: subnetworks.patch, errorAfter: {}}
"""


def test_all_that_a_file_can_say(tmp_path: Path) -> None:
    assert load_faults(write(tmp_path, FULL)) == [
        FaultRule(
            method="routes.delete",
            fault=Fault(operation_error=("RESOURCE_NOT_READY", "not ready")),
            target="shoot--foo--bar-*",
            nth=2,
            count=3,
        ),
        FaultRule(method="*.updateNetworkInterface", fault=LATE, probability=0.5),
        FaultRule(
            method="subnetworks.patch",
            fault=Fault(error_before=HttpFault(500, "internalError", "oops"), cut="after"),
        ),
        FaultRule(method="subnetworks.patch", fault=Fault(error_after=HttpFault())),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "faults: must be a list of rules"),
        ("[]", ":1: the file: must be a mapping with one field, faults"),
        ("faults: 3", ":1: faults: must be a list of rules"),
        ("faults: [\n", ":2: not YAML"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("faults:\n- routes.delete\n", ":2: faults[0]: must be a mapping with"),
        ("faults:\n- {method: a.b, latency: 1}\n- {methd: a.b, latency: 1}\n", ":3: faults[1].methd: is not known"),
        ("faults:\n- latency: 3\n", ":2: faults[0].method: is required; give a method such as routes.delete"),
        ("faults:\n- method: routes.delete\n", ":2: faults[0]: does nothing; give at least one of cut, error"),
        ("faults:\n- {method: compute.routes.delete, latency: 1}\n", "faults[0].method: must be a method such as"),
        ("faults:\n- method: a.b\n  latency: -1\n", ":3: faults[0].latency: must be seconds above 0, not '-1'"),
        ("faults:\n- {method: a.b, latency: .nan}\n", "faults[0].latency: must be seconds above 0, not '.nan'"),
        ("faults:\n- {method: a.b, latency: soon}\n", "faults[0].latency: must be seconds above 0, not 'soon'"),
        ("faults:\n- {method: a.b, cut: between}\n", "faults[0].cut: must be before or after, not 'between'"),
        ("faults:\n- {method: a.b, cut: [before]}\n", "faults[0].cut: must be before or after, not 'a structure'"),
        ("faults:\n- {method: a.b, latency: 1, nth: 0}\n", "faults[0].nth: must be a whole number from 1, not '0'"),
        ("faults:\n- {method: a.b, latency: 1, count: true}\n", "faults[0].count: must be a whole number from 1"),
        ("faults:\n- {method: a.b, latency: 1, probability: 2}\n", "faults[0].probability: must be a number above 0"),
        (
            "faults:\n- {method: a.b, latency: 1, probability: 1, nth: 1}\n",
            "faults[0].probability: cannot go with nth; keep one of the two",
        ),
        (
            "faults:\n- {method: a.b, errorBefore: 503}\n",
            "faults[0].errorBefore: must be a mapping with message, reason",
        ),
        (
            "faults:\n- {method: a.b, errorAfter: {status: 200}}\n",
            "faults[0].errorAfter.status: must be an HTTP status 400..599, not '200'",
        ),
        ("faults:\n- {method: a.b, operationError: {kode: X}}\n", "faults[0].operationError.kode: is not known"),
        ("faults:\n- {method: a.b, method: c.d, latency: 1}\n", "faults[0].method: is given twice; remove one"),
        (
            "faults:\n- {method: a.b, target: !!python/name:x , latency: 1}\n",
            "faults[0].target: must be a name or a glob",
        ),
        ("faults:\n- {method: 2026-13-45, latency: 1}\n", "faults[0].method: must be a method"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_a_bad_file_is_refused_with_line_field_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidInput) as caught:
        load_faults(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert len(caught.value.faults) == 1


def test_several_problems_are_told_together(tmp_path: Path) -> None:
    path = write(tmp_path, "faults:\n- {method: a.b, latency: x, nth: 0}\n- {latency: 1}\n")
    with pytest.raises(InvalidInput) as caught:
        load_faults(path)
    assert len(caught.value.faults) == 3


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml: cannot be read"):
        load_faults(tmp_path / "nowhere.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InvalidInput, match="cannot be read as a text file"):
        load_faults(tmp_path / "binary")


def test_the_nth_matching_request_and_those_after_it_until_the_count() -> None:
    faults: Faults = plan(FaultRule("routes.delete", LATE, target="a*", nth=2, count=2))
    requests = [("routes.delete", "a1"), ("routes.delete", "b"), ("routes.insert", "a1"), ("routes.delete", "a2")]
    assert [faults.consult(*request) for request in requests] == [None, None, None, LATE]
    assert [faults.consult("routes.delete", "a1") for _ in range(3)] == [LATE, None, None]


def test_globs_are_case_sensitive_and_cover_methods() -> None:
    faults = plan(FaultRule("*.delete", LATE, count=9))
    assert faults.consult("routes.delete", "") is LATE
    assert faults.consult("routes.Delete", "") is None


def test_the_first_rule_that_fires_decides_and_the_request_counts_for_all() -> None:
    other = Fault(cut="before")
    faults = plan(FaultRule("routes.delete", LATE), FaultRule("*.delete", other, nth=2))
    assert [faults.consult("routes.delete", "r") for _ in range(3)] == [LATE, other, None]


def test_chance_depends_on_seed_and_request_only() -> None:
    names = [f"route-{number}" for number in range(200)]
    rule = FaultRule("routes.delete", LATE, probability=0.25, count=1000)

    def hit(order: list[str], seed: int) -> set[str]:
        faults = plan(rule, seed=seed)
        return {name for name in order if faults.consult("routes.delete", name) is not None}

    assert hit(names, 1) == hit(names[::-1], 1)
    assert hit(names, 1) != hit(names, 2)
    assert 25 <= len(hit(names, 1)) <= 75
    few = plan(FaultRule("routes.delete", LATE, probability=1.0, count=3))
    assert sum(few.consult("routes.delete", name) is not None for name in names) == 3


def test_every_fault_that_fired_is_on_record() -> None:
    fault = Fault(2.5, ("INTERNAL_ERROR", "x"), HttpFault(503), HttpFault(500), "after")
    faults = plan(FaultRule("networks.patch", LATE), FaultRule("routes.delete", fault))
    faults.consult("routes.delete", "r")
    faults.consult("routes.delete", "r")
    assert [record.as_json() for record in faults.fired] == [
        {
            "at": 100.0,
            "rule": 2,
            "method": "routes.delete",
            "target": "r",
            "effect": "2.5 s later, operation error INTERNAL_ERROR, HTTP 503 without effect, "
            "HTTP 500 after the effect, connection cut after the effect",
        }
    ]
    assert faults.idle() == [1]
