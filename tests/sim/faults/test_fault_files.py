"""Fault files: which requests go wrong, how often, and what is said about a file that cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dualstack.model.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.fault_injection import ConcurrentChange, Fault, Faults, HttpFault, QuotaReduction, VmEnd
from dualstack_sim.compute.project.quotas import LIMITS, group_names
from dualstack_sim.faults import FaultPlan, FaultRule, load_faults, parse_faults

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
  - {method: routes.insert, pending: 120}
  - {method: "*.list", stale: 600}
  - {method: subnetworks.patch, meanwhile: {body: {secondaryIpRanges: [{rangeName: other, ipCidrRange: 10.9.0.0/20}]}}}
  - {method: instances.updateNetworkInterface, meanwhile: {method: instances.setLabels, body: {labels: {by: them}}}}
  - {method: routes.insert, quota: {limit: STATIC_ROUTES_PER_NETWORK, value: 0}}
  - {method: routes.list, quota: {limit: ListRequestsPerMinutePerProject, value: 5, seconds: 90}}
  - {method: routes.delete, vm: {becomes: deleted, name: "shoot--*"}}
  - {method: instances.get, vm: {becomes: stopped}}
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
        FaultRule(method="routes.insert", fault=Fault(pending=120)),
        FaultRule(method="*.list", fault=Fault(stale=600)),
        FaultRule(
            method="subnetworks.patch",
            fault=Fault(
                meanwhile=ConcurrentChange(
                    {"secondaryIpRanges": [{"rangeName": "other", "ipCidrRange": "10.9.0.0/20"}]}
                )
            ),
        ),
        FaultRule(
            method="instances.updateNetworkInterface",
            fault=Fault(meanwhile=ConcurrentChange({"labels": {"by": "them"}}, "instances.setLabels")),
        ),
        FaultRule(method="routes.insert", fault=Fault(quota=QuotaReduction("STATIC_ROUTES_PER_NETWORK", 0))),
        FaultRule(method="routes.list", fault=Fault(quota=QuotaReduction("ListRequestsPerMinutePerProject", 5, 90))),
        FaultRule(method="routes.delete", fault=Fault(vm=VmEnd("deleted", "shoot--*"))),
        FaultRule(method="instances.get", fault=Fault(vm=VmEnd("stopped"))),
    ]


def test_json_says_the_same(tmp_path: Path) -> None:
    assert parse_faults(yaml.safe_load(FULL)) == load_faults(write(tmp_path, FULL))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "faults: must be a list of rules"),
        ("[]", ":1: the document: must be a mapping with one field, faults"),
        ("faults: 3", ":1: faults: must be a list of rules"),
        ("faults: [\n", ":2: not YAML"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("faults:\n- routes.delete\n", ":2: faults[0]: must be a mapping with"),
        ("faults:\n- {method: a.b, latency: 1}\n- {methd: a.b, latency: 1}\n", ":3: faults[1].methd: is not known"),
        ("faults:\n- latency: 3\n", ":2: faults[0].method: is required; give a method such as routes.delete"),
        ("faults:\n- method: routes.delete\n", ":2: faults[0]: does nothing; give at least one of cut, deny, error"),
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
        (
            "faults:\n- {method: a.b, stale: 601}\n",
            "faults[0].stale: must be seconds above 0 and at most 600, not '601'",
        ),
        ("faults:\n- {method: a.b, pending: 0}\n", "faults[0].pending: must be seconds above 0, not '0'"),
        ("faults:\n- {method: a.b, meanwhile: patch}\n", "faults[0].meanwhile: must be a mapping with body, method"),
        (
            "faults:\n- {method: a.b, meanwhile: {method: c.d}}\n",
            "faults[0].meanwhile.method: must be another method of a, on the same resource, not 'c.d'",
        ),
        ("faults:\n- {method: a.b, meanwhile: {body: 3}}\n", "faults[0].meanwhile.body: must be the body of a request"),
        ("faults:\n- {method: a.b, quota: {limit: ROUTES, value: 1}}\n", "faults[0].quota.limit: must be one of REQU"),
        (
            "faults:\n- {method: a.b, quota: {limit: CONCURRENT_OPERATIONS}}\n",
            "faults[0].quota.value: is required; give a whole number from 0",
        ),
        ("faults:\n- {method: a.b, vm: {name: x}}\n", "faults[0].vm.becomes: is required; give stopped or deleted"),
        (
            "faults:\n- {method: a.b, vm: {becomes: ill}}\n",
            "faults[0].vm.becomes: must be stopped or deleted, not 'ill'",
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


def test_several_problems_are_reported_together(tmp_path: Path) -> None:
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
    assert [faults.fault_for(*request) for request in requests] == [None, None, None, LATE]
    assert [faults.fault_for("routes.delete", "a1") for _ in range(3)] == [LATE, None, None]


def test_globs_are_case_sensitive_and_cover_methods() -> None:
    faults = plan(FaultRule("*.delete", LATE, count=9))
    assert faults.fault_for("routes.delete", "") is LATE
    assert faults.fault_for("routes.Delete", "") is None


def test_the_first_rule_that_fires_decides_and_the_request_counts_for_all() -> None:
    other = Fault(cut="before")
    faults = plan(FaultRule("routes.delete", LATE), FaultRule("*.delete", other, nth=2))
    assert [faults.fault_for("routes.delete", "r") for _ in range(3)] == [LATE, other, None]


def test_chance_depends_on_seed_and_request_only() -> None:
    names = [f"route-{number}" for number in range(200)]
    rule = FaultRule("routes.delete", LATE, probability=0.25, count=1000)

    def hit(order: list[str], seed: int) -> set[str]:
        faults = plan(rule, seed=seed)
        return {name for name in order if faults.fault_for("routes.delete", name) is not None}

    assert hit(names, 1) == hit(names[::-1], 1)
    assert hit(names, 1) != hit(names, 2)
    assert 25 <= len(hit(names, 1)) <= 75


def test_p36_chance_is_the_same_in_every_run_of_a_seed() -> None:
    """Given parallel requests in another order and operations with another time in their names, when two runs have
    one seed, then the same requests fail."""
    rules = (FaultRule("routes.delete", LATE, probability=0.5), FaultRule("*Operations.get", LATE, probability=0.5))

    def hit(names: list[str], time: int) -> set[tuple[str, int]]:
        faults = plan(*rules, seed=7)
        hits = {
            (name, attempt)
            for attempt in range(4)
            for name in names
            if faults.fault_for("routes.delete", name) is not None
        }
        return hits | {
            (name, 9)
            for name in names
            if faults.fault_for("globalOperations.get", f"operation-{time}-{name}-1") is not None
        }

    names = [f"route-{number}" for number in range(20)]
    first = hit(names, 1795880000000)
    assert first == hit(names[::-1], 1795899999999)
    assert max(Counter(name for name, attempt in first if attempt < 9).values()) == 1  # `count` of each resource


def test_every_fault_that_fired_is_on_record() -> None:
    fault = Fault(2.5, ("INTERNAL_ERROR", "x"), HttpFault(503), HttpFault(500), "after")
    faults = plan(FaultRule("networks.patch", LATE), FaultRule("routes.delete", fault))
    faults.fault_for("routes.delete", "r")
    faults.fault_for("routes.delete", "r")
    assert [record.as_json() for record in faults.fired] == [
        {
            "at": 100.0,
            "rule": 2,
            "method": "routes.delete",
            "target": "r",
            "kinds": ["latency", "operationError", "errorBefore", "errorAfter", "cut"],
            "effect": "2.5 s later, operation error INTERNAL_ERROR, HTTP 503 without effect, "
            "HTTP 500 after the effect, connection cut after the effect",
        }
    ]
    assert faults.never_matched() == [1]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "the document: must be a mapping with one field, faults"),
        ({"faults": 3}, "faults: must be a list of rules"),
        ({"faults": [{"latency": 3}]}, "faults[0].method: is required; give a method such as routes.delete, or a glob"),
        ({"faults": [{"method": "a.b", "latency": "3"}]}, "faults[0].latency: must be seconds above 0, not '3'"),
    ],
)
def test_a_bad_document_is_refused_with_field_and_remedy(document: object, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_faults(document)
    assert [fault[: len(expected)] for fault in caught.value.faults] == [expected]


def test_a_document_that_is_nested_without_end_is_refused() -> None:
    document: list[object] = []
    for _ in range(5000):
        document = [document]
    with pytest.raises(InvalidInput, match="nested too deeply"):
        parse_faults({"faults": document})


@pytest.mark.parametrize(
    ("fault", "possible"),
    [
        (Fault(stale=5), {"routes.list", "routes.get"}),
        (Fault(pending=5), {"routes.insert"}),
        (Fault(operation_error=("A", "b")), {"routes.insert"}),
        (Fault(meanwhile=ConcurrentChange()), {"routes.insert"}),
        (Fault(stale=5, pending=5), set()),
        (Fault(vm=VmEnd("stopped", "x")), {"routes.list", "routes.get", "routes.insert", "globalOperations.get"}),
    ],
)
def test_a_rule_matches_only_requests_on_which_it_can_happen(fault: Fault, possible: set[str]) -> None:
    rule = FaultRule("*", fault)
    methods = ("routes.list", "routes.get", "routes.insert", "globalOperations.get")
    assert {method for method in methods if rule.matches(method, "")} == possible


def test_rules_that_are_declared_later_count_from_zero() -> None:
    faults = plan(FaultRule("routes.delete", LATE, count=2))
    assert faults.fault_for("routes.delete", "r") is LATE
    other = Fault(stale=3)
    faults.declare([FaultRule("networks.get", LATE), FaultRule("routes.get", other, nth=2)])
    assert [faults.fault_for(*request) for request in [("routes.delete", "r"), *[("routes.get", "r")] * 2]] == [
        None,
        None,
        other,
    ]
    assert [record.fault for record in faults.fired] == [LATE, other]
    assert faults.never_matched() == [1]
    faults.declare([])
    assert faults.fault_for("routes.get", "r") is None


def test_what_could_not_be_brought_about_is_on_record() -> None:
    faults = plan(FaultRule("routes.delete", Fault(vm=VmEnd("stopped", "x"))))
    faults.fault_for("routes.delete", "r")
    faults.not_applied("there is no running VM named 'x'")
    shown = faults.fired[0].as_json()
    assert (shown["kinds"], shown["effect"]) == (["vm"], "VM x stopped")
    assert shown["inVain"] == "there is no running VM named 'x'"


def test_every_quota_that_can_be_squeezed_is_one_of_the_error_texts() -> None:
    assert "ReadRequestsPerMinutePerRegion" in group_names()
    assert {"STATIC_ROUTES_PER_NETWORK", "ALIASES_PER_NETWORK_GLOBAL", "REQUESTS_PER_MINUTE"} <= set(LIMITS)
