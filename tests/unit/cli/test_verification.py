"""The result of `dualstack verify` in each format, and its published schema."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from dualstack.cli.live.measured import traffic_checks
from dualstack.cli.live.result import ClusterName
from dualstack.cli.live.verify import EXIT_STATUS, Result, Verification, worst
from dualstack.traffic.summary import TrafficReport, summarize
from dualstack.verify.judging import Check

SCHEMA = Path(__file__).parents[3] / "docs/schemas/verify-v1.json"
CLUSTER = ClusterName(
    name="demo",
    platform="kubeadm",
    evidence="ConfigMap kube-system/kubeadm-config",
    context="admin",
    project="proj-1",
    region="europe-west1",
    nodes_subnet="nodes",
    pods="10.96.0.0/16",
)
CHECKS = (
    Check("compute.routes", "passed", "no k8s-node-route is left"),
    Check("nodes.ready", "failed", "node <1> is not Ready"),
    Check("compute.quotas", "unknown", "could not be read: Forbidden: compute.projects.get"),
    Check("compute.exposure", "risk", "firewall rule all admits ::/0"),
    Check("control-plane.cloud-controller-manager", "not-applicable", "it runs outside of the cluster, where this "
          "kubeconfig gives no access"),
)  # fmt: skip


def verification(*checks: Check) -> Verification:
    return Verification(
        schema="dualstack.verify/v1",
        cluster=CLUSTER,
        result=worst(checks),
        standing="finished",
        expected="aliases",
        checks=checks,
        nodes=(),
    )


def test_the_published_schema_is_that_of_the_document() -> None:
    generated = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Verification)), indent=2).decode() + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == generated


@pytest.mark.parametrize(
    ("number", "result"), [(0, "passed"), (1, "failed"), (2, "unknown"), (3, "risk"), (4, "passed")]
)
def test_the_exit_status_is_that_of_the_worst_check(number: int, result: Result) -> None:
    assert worst(CHECKS[number:number + 1]) == result  # fmt: skip
    assert verification(CHECKS[number]).exit_status == EXIT_STATUS[result]
    assert worst(CHECKS) == "failed"


def test_text_fits_80_columns() -> None:
    text = verification(*CHECKS).describe()
    assert (
        text
        == """\
demo (kubeadm), project proj-1, europe-west1, pods 10.96.0.0/16
  expected state  aliases (stage of the cut-over: finished)
  ok      compute.routes: no k8s-node-route is left
  FAILED  nodes.ready: node <1> is not Ready
  UNKNOWN compute.quotas: could not be read: Forbidden: compute.projects.get
  RISK    compute.exposure: firewall rule all admits ::/0
  -       control-plane.cloud-controller-manager: it runs outside of the
            cluster, where this kubeconfig gives no access
demo: failed; 1 failed, 1 not-applicable, 1 passed, 1 risk, 1 unknown"""
    )
    assert max(map(len, text.splitlines())) <= 80


def test_junit_counts_every_outcome() -> None:
    suite = ElementTree.fromstring(verification(*CHECKS).junit())  # noqa: S314
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    (failure,) = suite.findall("testcase/failure")
    assert failure.get("message") == "node <1> is not Ready"


def test_traffic_that_could_not_be_measured_is_not_called_good() -> None:
    nothing = summarize([], since=0.0)
    reports: dict[str, TrafficReport] = {
        "not-applicable": msgspec.structs.replace(nothing, nodes=1),
        "unknown": msgspec.structs.replace(nothing, nodes=1, silent=("n2",)),
        "passed": msgspec.structs.replace(nothing, nodes=2),
    }
    for status, report in reports.items():
        (check,) = traffic_checks(report)
        assert (check.id, check.status) == ("traffic.nodes", status)
